"""The commands. Each says what it does in one sentence; the work is in the modules beside."""

from __future__ import annotations

import importlib.metadata
import logging
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import httpx
import typer
from mes import logging as mes_logging
from mes.config import Settings
from mes.embedded import EmbeddedServer, HomeLock, back_up, look_at, restore
from mes.errors import Conflict, Invalid, NotFound, Unavailable
from pydantic import ValidationError
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli import client, offline, parked, terminal
from services.cli import log as log_commands
from services.cli.composition import load_services
from services.cli.doctor import examine
from services.cli.installation import SAMPLES, Installation, home_of, installation_of
from services.cli.sample import begin, business_epoch, sample_settings
from services.cli.serving import database, migrate, run_async, run_until_stopped
from services.cli.terminal import out, plain_errors, say, text, working


def _take_language(words: list[str]) -> str | None:
    """Take `--lang` out of the words, wherever it stands; help texts are made before the options are read."""
    for place, word in enumerate(words):
        if word.startswith("--lang="):
            return words.pop(place).partition("=")[2]
        if word == "--lang" and place + 1 < len(words):
            wish = words[place + 1]
            del words[place : place + 2]
            return wish
    return None


terminal.set_language(_take_language(sys.argv))
app = typer.Typer(help=text("cli.help"), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Port = Annotated[int | None, typer.Option(help=text("cli.help.port"), min=1, max=65535)]
Host = Annotated[str | None, typer.Option(help=text("cli.help.host"))]
Home = Annotated[Path | None, typer.Option(help=text("cli.help.home"), envvar="MES_HOME")]


def _command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose help is in the catalogues and whose errors are sentences."""

    def register(work: Callable[..., None]) -> Callable[..., None]:
        @wraps(work)
        def command(*args: Any, **kwargs: Any) -> None:
            with plain_errors():
                work(*args, **kwargs)

        app.command(name, help=text(f"cli.help.{name}"))(command)
        return work

    return register


@app.callback(invoke_without_command=True)
def _root(
    lang: Annotated[str | None, typer.Option(help=text("cli.help.lang"))] = None,
    version: Annotated[bool, typer.Option("--version", help=text("cli.help.version"))] = False,
) -> None:
    if lang:
        terminal.set_language(lang)
    if version:
        out.print(f"lingnan-mes {product_version()}", highlight=False)
        raise typer.Exit


def product_version() -> str:
    """Version of the installed product."""
    try:
        return importlib.metadata.version("lingnan-mes")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _settings(home: Path | None = None, port: int | None = None, host: str | None = None) -> Settings:
    wishes = {"home": home, "port": port, "host": host}
    try:
        settings = Settings(**{name: wish for name, wish in wishes.items() if wish is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = error.errors()[0]
        name = f"MES_{'_'.join(map(str, wrong['loc'])).upper()}"
        raise Invalid("cli.setting_wrong", field=name, name=name, value=wrong["input"], reason=wrong["msg"]) from error
    # A person reads along in a terminal; everything else collects lines.
    form = "text" if sys.stderr.isatty() and "log_format" not in settings.model_fields_set else settings.log_format
    level = "WARNING" if sys.stderr.isatty() and "log_level" not in settings.model_fields_set else settings.log_level
    mes_logging.configure(level, form)
    # A line per request of ours would be most of the log.
    for chatty in ("httpx", "alembic.runtime.migration", "aiokafka"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return settings


def _sampled(
    sample: str | None, home: Path | None, port: int | None, host: str | None
) -> tuple[Settings, Path, Installation]:
    """Settings for the sample wished or for the one that the home began with."""
    if sample is not None and sample not in SAMPLES:
        raise NotFound("cli.no_sample", name=sample, known=", ".join(SAMPLES))
    settings = _settings(home, port, host)
    folder = home_of(settings)
    installation = installation_of(folder, sample or None)
    if not installation.loaded and HomeLock(folder).is_free():
        installation.save(folder)
    settings = sample_settings(settings, installation)
    return settings, folder, installation


@_command("run")
def run(
    sample: Annotated[str | None, typer.Option(help=text("cli.help.sample"), envvar="SAMPLE")] = None,
    port: Port = None,
    host: Host = None,
    home: Home = None,
) -> None:
    settings, folder, installation = _sampled(sample, home, port, host)
    run_until_stopped(settings, load_services(), lambda address: begin(address, folder, installation))


@_command("serve")
def serve(
    services: Annotated[list[str], typer.Argument(help=text("cli.help.services"))],
    port: Port = None,
    host: Host = None,
    home: Home = None,
    end_with_input: Annotated[bool, typer.Option("--end-with-input", hidden=True)] = False,
) -> None:
    settings = _settings(home, port, host)
    run_until_stopped(settings, load_services(services), join=True, end_with_input=end_with_input)


@_command("cluster")
def cluster_command(
    sample: Annotated[str | None, typer.Option(help=text("cli.help.sample"), envvar="SAMPLE")] = None,
    kafka: Annotated[bool, typer.Option("--kafka/--no-kafka", help=text("cli.help.kafka"))] = True,
    brokers: Annotated[int, typer.Option(help=text("cli.help.brokers"), min=1, max=3)] = 1,
    replicas: Annotated[int, typer.Option(help=text("cli.help.replicas"), min=1, max=8)] = 1,
    port: Port = None,
    host: Host = None,
    home: Home = None,
) -> None:
    settings, folder, installation = _sampled(sample, home, port, host)
    cluster = import_module("services.cli.cluster")
    cluster.run_cluster(
        settings, load_services(), lambda address: begin(address, folder, installation),
        replicas=replicas, kafka=kafka, brokers=brokers,
    )  # fmt: skip


@_command("migrate")
def migrate_command(
    services: Annotated[list[str] | None, typer.Argument(help=text("cli.help.services"))] = None, home: Home = None
) -> None:
    loaded = load_services(services or ())
    with database(_settings(home)) as settings, working("cli.migrating"):
        applied = run_async(migrate(settings, loaded))
    say("cli.migrated", count=applied)


@_command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help=text("cli.help.file"))],
    yes: Annotated[bool, typer.Option("--yes", "-y", help=text("cli.help.yes"))] = False,
    good_rows: Annotated[bool, typer.Option("--good-rows", help=text("cli.help.good_rows"))] = False,
    mapping: Annotated[str, typer.Option(help=text("cli.help.mapping"))] = "",
    home: Home = None,
) -> None:
    content = client.read_import(file)

    async def work(http: httpx.AsyncClient) -> None:
        with working("cli.checking", file=file.name):
            seen = await client.preview(http, content, good_rows=good_rows, mapping=mapping)
        client.show_notes(seen)
        if seen["errors"] and not good_rows:
            client.show_errors(seen["errors"])
            raise typer.Exit(1)
        client.show_left_out(seen)
        if not (changes := seen["changes"]):
            say("cli.nothing_changes")
            return
        client.show_changes(changes)
        if not yes and not typer.confirm(text("cli.confirm_import")):
            raise typer.Exit(1)
        with working("cli.importing", file=file.name):
            # Exactly what was shown, or nothing.
            options = {"good_rows": good_rows, "mapping": mapping, "token": seen["token"]}
            done = await client.do_import(http, content, **options)
        if done.get("errors") and not good_rows:
            client.show_errors(done["errors"])
            raise typer.Exit(1)
        say("cli.imported", count=len(changes))

    client.with_instance(_settings(home), work)


@_command("export")
def export(
    file: Annotated[Path, typer.Argument(help=text("cli.help.target"))] = Path("lingnan-mes.xlsx"), home: Home = None
) -> None:
    _download(client.EXPORT, file, home)


@_command("template")
def template(
    file: Annotated[Path, typer.Argument(help=text("cli.help.target"))] = Path("template.xlsx"), home: Home = None
) -> None:
    _download(client.TEMPLATE, file, home)


def _download(path: str, file: Path, home: Path | None) -> None:
    size = client.with_instance(_settings(home), lambda http: client.download(http, path, file))
    say("cli.written", target=str(file), kb=size // 1024 + 1)


@_command("simulate")
def simulate_command(
    file: Annotated[Path | None, typer.Argument(help=text("cli.help.simulate_file"))] = None,
    seed: Annotated[int, typer.Option(help=text("cli.help.seed"))] = 1,
    as_fast_as_possible: Annotated[
        bool, typer.Option("--as-fast-as-possible", help=text("cli.help.as_fast_as_possible"))
    ] = False,
    hours: Annotated[float | None, typer.Option(help=text("cli.help.hours"), min=0.01)] = None,
    quantum: Annotated[float, typer.Option(help=text("cli.help.quantum"), min=0)] = 0.0,
    home: Home = None,
) -> None:
    settings = _settings(home)
    with TemporaryDirectory() as scratch:
        workbook = _as_workbook(file, Path(scratch)) if file else None
        content = client.read_import(workbook) if workbook else None
        if workbook and workbook.suffix == ".xlsx" and "clock_start" not in settings.model_fields_set:
            # Only a new installation begins at the workbook's own time; one that has a clock goes on.
            settings = settings.model_copy(update={"clock_start": business_epoch(workbook) or ""})

        async def work(http: httpx.AsyncClient) -> None:
            if content:
                with working("cli.importing", file=content[0]):
                    done = await client.do_import(http, content)
                if errors := done.get("errors"):
                    client.show_errors(errors)
                    raise typer.Exit(1)
            until = None
            if hours is not None:
                now = datetime.fromisoformat((await http.get("/clock")).raise_for_status().json()["now"])
                until = now + timedelta(hours=hours)
            await _simulate(str(http.base_url), seed, as_fast_as_possible, until, quantum)

        client.with_instance(settings, work)


def _as_workbook(file: Path, scratch: Path) -> Path:
    """A public scheduling instance (.txt) as a workbook; anything else as it is."""
    if file.suffix.lower() != ".txt":
        return file
    instances, tables = import_module("examples.instances"), import_module("examples.tables")
    target = scratch / f"{file.stem}.xlsx"
    tables.write_workbook(instances.make_tables(instances.read_instance(file)), target)
    return target


async def _simulate(address: str, seed: int, as_fast_as_possible: bool, until: datetime | None, quantum: float) -> None:
    apart = import_module("services.simulator.process").simulate_apart
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal) as bar:
        task = bar.add_task(text("cli.simulating"), total=None)

        def tell(seen: Any) -> None:
            bar.update(task, completed=seen.ended, total=seen.orders, description=f"{seen.now:%Y-%m-%d %H:%M}")

        done = await apart(
            address, seed=seed, as_fast_as_possible=as_fast_as_possible, until=until, progress=tell, quantum_s=quantum
        )
    say(
        "cli.simulated", orders=done.orders, ended=done.orders_ended, wall=f"{done.wall_s:.1f}",
        requests=done.ok, refused=done.refused,
    )  # fmt: skip


dlq = typer.Typer(help=text("cli.help.dlq"), no_args_is_help=True)
app.add_typer(dlq, name="dlq")
Which = Annotated[str, typer.Argument(help=text("cli.help.dlq.service"))]


@dlq.command("list", help=text("cli.help.dlq.list"))
def dlq_list(home: Home = None) -> None:
    with plain_errors():
        client.with_instance(_settings(home), parked.show_keys)


@dlq.command("show", help=text("cli.help.dlq.show"))
def dlq_show(
    service: Which,
    topic: Annotated[str, typer.Argument(help=text("cli.help.dlq.topic"))],
    key: Annotated[str, typer.Argument(help=text("cli.help.dlq.key"))],
    home: Home = None,
) -> None:
    with plain_errors():
        client.with_instance(_settings(home), lambda http: parked.show_events(http, service, topic, key))


@dlq.command("replay", help=text("cli.help.dlq.replay"))
def dlq_replay(
    service: Which,
    topic: Annotated[str, typer.Argument(help=text("cli.help.dlq.topic"))] = "",
    key: Annotated[str, typer.Argument(help=text("cli.help.dlq.key"))] = "",
    everything: Annotated[bool, typer.Option("--all", help=text("cli.help.dlq.all"))] = False,
    home: Home = None,
) -> None:
    with plain_errors():
        if not everything and not (topic and key):
            raise Invalid("dlq.which", field="key")
        wish = None if everything else (topic, key)
        if client.with_instance(_settings(home), lambda http: parked.replay(http, service, wish)):
            raise typer.Exit(1)


offline.register(_command)


@_command("doctor")
def doctor(port: Port = None, home: Home = None) -> None:
    marks = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "wrong": "[bold red]✗[/]"}
    wrong = 0
    for each in examine(_settings(home, port)):
        out.print(f"{marks[each.verdict]} {escape(text(each.code, **each.params))}", highlight=False)
        wrong += each.verdict == "wrong"
    if wrong:
        say("doctor.wrong", count=wrong)
        raise typer.Exit(1)
    say("doctor.fine")


@_command("backup")
def backup(target: Annotated[Path, typer.Argument(help=text("cli.help.backup_target"))], home: Home = None) -> None:
    folder = home_of(_settings(home))
    if look_at(folder).version is None:
        raise NotFound("cli.no_data", home=str(folder))
    server = EmbeddedServer(folder)
    running = not HomeLock(folder).is_free()
    if running and not server.attach():
        raise Unavailable("cli.server_not_running", home=str(folder))
    if not running:
        server.start()
    try:
        with working("cli.backing_up", target=str(target)):
            made = back_up(server, target, product=product_version())
    finally:
        if not running:
            server.stop()
    say("cli.backed_up", target=str(target), mb=made.bytes >> 20, files=made.files, taken=made.taken_at)


@_command("restore")
def restore_command(
    source: Annotated[Path, typer.Argument(help=text("cli.help.restore_source"))], home: Home = None
) -> None:
    folder = home_of(_settings(home))
    if folder.is_dir() and not HomeLock(folder).is_free():
        raise Conflict("embedded.home_not_empty", home=str(folder))
    with working("cli.restoring", source=str(source), home=str(folder)):
        made = restore(source, folder)
    say("cli.restored", home=str(folder), taken=made.taken_at, files=made.files)


@_command("rebuild")
def rebuild_command(
    service: Annotated[str, typer.Argument(help=text("cli.help.rebuild.service"))],
    projection: Annotated[str, typer.Argument(help=text("cli.help.rebuild.projection"))],
    home: Home = None,
) -> None:
    client.with_instance(_settings(home), lambda http: log_commands.rebuild(http, service, projection))


@_command("redeliver")
def redeliver_command(
    service: Annotated[str, typer.Argument(help=text("cli.help.redeliver.service"))],
    topic: Annotated[str, typer.Option(help=text("cli.help.redeliver.topic"))],
    from_offset: Annotated[int, typer.Option(help=text("cli.help.redeliver.from_offset"), min=0)] = 0,
    partition: Annotated[int | None, typer.Option(help=text("cli.help.redeliver.partition"), min=0)] = None,
    since: Annotated[str | None, typer.Option(help=text("cli.help.redeliver.since"))] = None,
    home: Home = None,
) -> None:
    wish = {"topic": topic, "from_offset": from_offset, "partition": partition, "since": since}
    client.with_instance(_settings(home), lambda http: log_commands.redeliver(http, service, wish))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of `mes` and `python -m services`."""
    # Told to end, a command ends as by Ctrl-C: what it has started, the database too, is stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    if "--help" in sys.argv or len(sys.argv) == 1:
        terminal.translate_help()
    app()
