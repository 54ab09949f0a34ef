"""Commands on scheduling problems in files: `mes solve`, `mes check`, `mes generate-shop`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from mes.errors import Invalid, Unavailable
from rich.markup import escape

from services.cli.terminal import complain, out, text, working

Form = Annotated[str, typer.Option("--format", help=text("cli.help.form"), metavar="auto|jobshop|flexible|json")]


def _offline() -> ModuleType:
    if find_spec("services.scheduling") is None or find_spec("services.scheduling.offline") is None:
        raise Unavailable("cli.no_solver")
    return import_module("services.scheduling.offline")


def _form(form: str) -> str:
    if form not in ("auto", "jobshop", "flexible", "json"):
        raise typer.BadParameter(text("cli.form_unknown", form=form))
    return form


@contextmanager
def _readable() -> Iterator[None]:
    """A file that cannot be read as what it should be ends the command with status 2."""
    try:
        yield
    except Invalid as error:
        complain(text(error.code, **error.params))
        raise typer.Exit(2) from error


def solve(
    file: Annotated[Path | None, typer.Argument(help=text("cli.help.solve_file"))] = None,
    seconds: Annotated[float, typer.Option(help=text("cli.help.seconds"), min=0.1)] = 10.0,
    target: Annotated[Path | None, typer.Option("--out", help=text("cli.help.target"))] = None,
    form: Form = "auto",
    workers: Annotated[int, typer.Option(help=text("cli.help.workers"), min=1, max=64)] = 2,
    seed: Annotated[int, typer.Option(help=text("cli.help.seed"), min=0)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help=text("cli.help.as_json"))] = False,
    svg: Annotated[Path | None, typer.Option(help=text("cli.help.svg"))] = None,
    relax: Annotated[bool, typer.Option("--relax", help=text("cli.help.relax"))] = False,
    schema: Annotated[bool, typer.Option("--schema", help=text("cli.help.schema"))] = False,
) -> None:
    files = _offline()
    if schema:
        typer.echo(json.dumps(files.schema(), ensure_ascii=False, indent=2))
        return
    if file is None:
        raise typer.BadParameter(text("cli.no_file"))
    with _readable():
        files.read_problem(file, _form(form))
    with nullcontext() if as_json else working("cli.preparing"):
        files.prepare()
    with _readable(), nullcontext() if as_json else working("cli.solving", file=file.name):
        solved = files.solve_file(
            file, seconds=seconds, target=target, form=_form(form), workers=workers, seed=seed, svg=svg, relax=relax
        )
    if as_json:
        typer.echo(json.dumps(solved.machine_readable(), ensure_ascii=False))
        return
    for name, value in solved.figures().items():
        out.print(f"{escape(str(name))}: {escape(str(value))}", highlight=False)


def check(
    problem: Annotated[Path, typer.Argument(help=text("cli.help.solve_file"))],
    plan: Annotated[Path, typer.Argument(help=text("cli.help.check_plan"))],
    form: Form = "auto",
    as_json: Annotated[bool, typer.Option("--json", help=text("cli.help.as_json"))] = False,
) -> None:
    with _readable():
        violations = _offline().check_file(problem, plan, _form(form))
    if as_json:
        typer.echo(json.dumps({"valid": not violations, "violations": [asdict(each) for each in violations]}))
    elif violations:
        for each in violations:
            words = (each.kind, each.operation, each.other, each.detail)
            out.print(escape(" · ".join(word for word in words if word)), highlight=False)
    else:
        out.print(text("cli.plan_valid"))
    if violations:
        raise typer.Exit(1)


def generate_shop(
    operations: Annotated[int, typer.Option(help=text("cli.help.operations"), min=1, max=100_000)] = 1000,
    seed: Annotated[int, typer.Option(help=text("cli.help.seed"), min=0)] = 1,
    full: Annotated[bool, typer.Option("--full", help=text("cli.help.full_shop"))] = False,
    target: Annotated[Path | None, typer.Option("--out", help=text("cli.help.target"))] = None,
) -> None:
    written = _offline().generate_file(operations, seed, full=full, target=target)
    if target is None:
        typer.echo(written)


def register(command: Callable[[str], Callable[[Callable[..., None]], Callable[..., None]]]) -> None:
    """Make commands of them."""
    command("solve")(solve)
    command("check")(check)
    command("generate-shop")(generate_shop)
