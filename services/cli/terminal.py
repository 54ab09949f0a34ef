"""What the commands print: in the reader's language, and errors as one plain sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import typer
from mes.errors import DomainError
from mes.i18n import choose_language, t
from rich.console import Console
from rich.markup import escape

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)
_language = ""


def set_language(wish: str | None) -> None:
    """Speak the language wished, or that of the environment."""
    global _language
    environment = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    _language = choose_language((wish or environment).partition(".")[0], "en")


def translate_help() -> None:
    """Let the frames of help texts speak the language too. Loads what only help needs."""
    from typer import rich_utils

    for title in ("ARGUMENTS", "OPTIONS", "COMMANDS", "ERRORS"):
        setattr(rich_utils, f"{title}_PANEL_TITLE", text(f"cli.panel.{title.lower()}"))


def language() -> str:
    """The language in use."""
    if not _language:
        set_language(None)
    return _language


def text(code: str, **params: Any) -> str:
    """A message of the catalogues."""
    return t(code, language(), **params)


def say(code: str, **params: Any) -> None:
    """Print a message."""
    out.print(escape(text(code, **params)), highlight=False)


def complain(message: str) -> None:
    """Print an error."""
    err.print(f"[bold red]✗[/] {escape(message)}", highlight=False)


@contextmanager
def working(code: str, **params: Any) -> Iterator[None]:
    """Show that something takes a while."""
    if not out.is_terminal:
        say(code, **params)
        yield
        return
    with out.status(escape(text(code, **params))):
        yield


@contextmanager
def plain_errors() -> Iterator[None]:
    """End the command with a sentence and status 1 when a rule or the running instance refuses."""
    try:
        yield
    except DomainError as error:
        complain(text(error.code, **error.params))
        raise typer.Exit(1) from error
    except httpx.HTTPStatusError as error:
        complain(problem_text(error.response))
        raise typer.Exit(1) from error
    except httpx.HTTPError as error:
        complain(text("cli.no_answer", reason=str(error) or type(error).__name__))
        raise typer.Exit(1) from error


def problem_text(response: httpx.Response) -> str:
    """What a problem+json says to the reader; status and path when it is none."""
    try:
        body = response.json()
        return str(body.get("detail") or body["title"])
    except (ValueError, KeyError, AttributeError):
        return f"HTTP {response.status_code} {response.request.url.path}"
