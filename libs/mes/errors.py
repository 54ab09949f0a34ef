"""Errors of the domain: a stable code and its parameters, no HTTP and no prose in them.

HTTP, the command line and the import render them from the message catalogues in the reader's language.
"""

from __future__ import annotations

from typing import Any


class DomainError(Exception):
    """A rule of the domain was not met. `code` names the message, `params` fill it in."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params: dict[str, Any] = params

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.code}({shown})"


class NotFound(DomainError):
    """The thing named does not exist (HTTP 404)."""


class Conflict(DomainError):
    """Not a legal move from here (HTTP 409); parameters: `state` and the `legal` moves."""


class Invalid(DomainError):
    """The input itself is wrong (HTTP 422); `field` in the parameters says where."""


class Stale(DomainError):
    """The version that the caller saw is no longer the current one (HTTP 412)."""


class Unavailable(DomainError):
    """A part that is needed does not answer right now; trying again may help (HTTP 503)."""
