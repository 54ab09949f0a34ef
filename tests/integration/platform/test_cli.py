"""The command `mes` as somebody new meets it: help, refusals that say what to do, a start and a stop."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mes.config import Settings
from mes.embedded import look_at
from mes.embedded.server import free_port
from mes.errors import Conflict, Invalid
from mes.i18n import LANGUAGES, t

from services.cli.composition import load_services, service_names
from services.cli.doctor import examine
from services.cli.installation import Installation, installation_of, require_free_port
from services.cli.sample import business_epoch, sample_settings
from tests.faults.victim import ROOT, Victim

_SOURCES = os.pathsep.join([str(ROOT), str(ROOT / "libs")])


def mes(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "services", *words], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120,
        env={**os.environ, "PYTHONPATH": _SOURCES, "LANG": "C", "COLUMNS": "200", **env},
    )  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mes-home-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


COMMANDS = (
    "run", "serve", "migrate", "import", "export", "template", "simulate", "solve", "check", "generate-shop",
    "doctor", "backup", "restore",
)  # fmt: skip


@pytest.mark.parametrize(("language", "env"), [("en", {}), ("zh-CN", {"LANG": "zh_CN.UTF-8"})])
def test_help_speaks_the_readers_language(language: str, env: dict[str, str]) -> None:
    said = mes("--help", **env).stdout
    for command in COMMANDS:
        assert re.search(rf"│ {command} +{re.escape(t(f'cli.help.{command}', language)[:30])}", said), command
    assert t("cli.panel.commands", language) in said


def test_problems_in_files_are_written_planned_and_checked(tmp_path: Path) -> None:
    shop, plan = tmp_path / "shop.json", tmp_path / "plan.json"
    assert mes("generate-shop", "--operations", "60", "--seed", "3", "--out", str(shop)).returncode == 0
    done = mes("solve", str(shop), "--seconds", "1", "--json", "--out", str(plan))
    answer = json.loads(done.stdout)
    assert {"status", "makespan", "objective", "bound", "first_plan_seconds", "seconds", "plan"} <= answer.keys()
    assert (done.returncode, answer["valid"], answer["plan"]) == (0, True, json.loads(plan.read_text()))
    assert mes("check", str(shop), str(plan)).returncode == 0
    wrong = json.loads(plan.read_text())
    wrong["operations"][0]["end"] += 60
    plan.write_text(json.dumps(wrong))
    checked = mes("check", str(shop), str(plan), "--json")
    assert checked.returncode == 1
    assert not json.loads(checked.stdout)["valid"]
    assert json.loads(mes("solve", "--schema").stdout)["$defs"].keys() >= {"Problem", "Plan"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '{"kind": "problem"', "a.json"),
        ("b.json", '{"kind": "problem", "version": 7}', "version"),
        ("c.txt", "2 2\n0 3 1 2\n0 3 9 2\n", "line 3"),
        ("d.txt", "", "line 1"),
    ],
)
def test_a_file_that_is_no_problem_ends_with_status_2(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    done = mes("--lang", "en", "solve", str(tmp_path / name))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_the_language_may_stand_anywhere() -> None:
    for words in (("--lang", "zh", "serve", "nothing"), ("serve", "nothing", "--lang=zh")):
        done = mes(*words)
        assert done.returncode == 1
        assert "没有服务 nothing" in done.stderr


def test_a_wrong_setting_is_named_with_its_remedy() -> None:
    done = mes("doctor", MES_PORT="abc")
    assert done.returncode == 1
    assert "MES_PORT=abc" in done.stderr
    assert "unset MES_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named_with_its_process_and_a_free_one(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Conflict) as refused:
            require_free_port("127.0.0.1", port)
        assert (refused.value.params["port"], refused.value.params["pid"]) == (port, os.getpid())
        require_free_port("127.0.0.1", refused.value.params["free"])
        findings = list(examine(Settings(home=home, port=port)))
    wrong = [each for each in findings if each.verdict == "wrong"]
    assert [each.code for each in wrong] == ["cli.port_taken"]
    assert f"--port {wrong[0].params['free']}" in t("cli.port_taken", "en", **wrong[0].params)


def test_a_full_disk_is_named_before_anything_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.doctor.LEAST_DISK", 1 << 60)
    (found,) = [each for each in examine(Settings(home=home, port=free_port())) if each.verdict == "wrong"]
    assert found.code == "embedded.disk_full"
    for language in LANGUAGES:
        assert "df -h" in t(found.code, language, **found.params)


def test_sample_and_real_data_are_never_mixed(home: Path) -> None:
    assert installation_of(home, None) == Installation("foshan")
    Installation("none").save(home)
    assert installation_of(home, None) == Installation("none")
    assert installation_of(home, "foshan") == Installation("foshan"), "nothing is there yet"
    _pretend_data(home)
    for wish in ("foshan", "none"):
        Installation("none" if wish == "foshan" else "foshan", loaded=wish == "none").save(home)
        with pytest.raises(Conflict) as refused:
            installation_of(home, wish)
        assert refused.value.code == "cli.other_sample"


def test_data_that_no_run_began_never_get_a_sample_on_top(home: Path) -> None:
    _pretend_data(home)
    assert installation_of(home, None) == Installation("none")
    with pytest.raises(Conflict):
        installation_of(home, "foshan")


def _pretend_data(home: Path) -> None:
    """What an import without a running instance leaves, as far as it is looked at here."""
    (home / "pg" / "data").mkdir(parents=True)
    (home / "pg" / "data" / "PG_VERSION").write_text("18")


def test_real_use_runs_in_real_time_and_the_sample_faster() -> None:
    real = sample_settings(Settings(clock_factor=60, clock_start="2026-03-02T00:00:00Z"), Installation("none"))
    assert (real.clock_factor, real.clock_start) == (1.0, "")
    sample = sample_settings(Settings(), Installation("foshan"))
    assert (sample.clock_factor, sample.clock_start) == (
        60.0, business_epoch(ROOT / "examples" / "foshan-hardware.xlsx"),
    )  # fmt: skip
    assert sample_settings(Settings(clock_factor=5), Installation("foshan")).clock_factor == 5


def test_all_services_are_found_in_the_order_of_starting() -> None:
    assert service_names() == ["order", "scheduling", "equipment", "quality"]
    assert [each.name for each in load_services()] == service_names()


def test_a_file_that_cannot_be_imported_is_refused_before_anything_starts(tmp_path: Path) -> None:
    from services.cli.client import read_import

    for name, code in (("orders.pdf", "cli.import_kind"), ("missing.xlsx", "cli.unreadable")):
        with pytest.raises(Invalid) as refused:
            read_import(tmp_path / name)
        assert refused.value.code == code


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_start_a_second_start_and_a_stop(home: Path) -> None:
    victim = Victim("services", ("run", "--sample", "none"), home, free_port(), home / "output.log")
    try:
        victim.start()
        victim.wait_ready()
        looked = mes("doctor", "--home", str(home))
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert f"Answers at {victim.address}" in looked.stdout
        second = mes("run", "--home", str(home), "--port", str(free_port()))
        assert second.returncode == 1
        assert str(victim._process.pid if victim._process else 0) in second.stderr
        assert victim.stop() == 0
        assert victim.remains() == []
    finally:
        victim.kill(database_too=True)
    after = mes("doctor", "--home", str(home), "--port", str(victim.port))
    assert after.returncode == 0, after.stdout
    assert "Data of PostgreSQL 18, stopped" in after.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_database_that_dies_is_started_again_while_the_services_go_on(home: Path) -> None:
    victim = Victim("services", ("serve", "quality"), home, free_port(), home / "output.log")
    try:
        victim.start()
        victim.wait_ready()
        before, services = look_at(home), victim._process
        assert before.pid is not None
        psutil.Process(before.pid).kill()
        deadline = time.monotonic() + 60
        while look_at(home).pid in (None, before.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        victim.wait_ready()
        assert look_at(home).port == before.port
        assert victim._process is services
        assert victim.stop() == 0
        assert victim.remains() == []
    finally:
        victim.kill(database_too=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_command_told_to_end_stops_all_it_has_started(home: Path) -> None:
    words = [sys.executable, "-m", "services", "simulate", "examples/foshan-hardware.xlsx", "--home", str(home)]
    env = {**os.environ, "PYTHONPATH": _SOURCES, "LANG": "C"}
    with subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as command:
        try:
            started = _until_it_runs(command, "services.simulator")
            command.terminate()
            said = command.communicate(timeout=60)[1].decode()
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in psutil.Process(command.pid).children(recursive=True):
                    each.kill()
            command.kill()
    assert command.returncode == 130
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
    assert look_at(home).pid is None


def _until_it_runs(command: subprocess.Popen[bytes], module: str) -> list[psutil.Process]:
    """All that the command has started, once a process of the module is among it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and command.poll() is None:
        started = psutil.Process(command.pid).children(recursive=True)
        if any(module in _words_of(each) for each in started):
            return started
        time.sleep(0.05)
    raise AssertionError(f"{module} was not started")


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
def test_the_wheel_holds_everything_and_runs_from_where_it_lies(tmp_path: Path) -> None:
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    listed = subprocess.run(["git", "ls-files", "libs/mes", "services", "examples"], cwd=ROOT, capture_output=True)
    names = [name.removeprefix("libs/") for name in listed.stdout.decode().splitlines()]
    assert [name for name in names if not (tmp_path / "site" / name).is_file()] == []
    assert (tmp_path / "site" / "mes" / "proto" / "mes" / "events" / "v1" / "order.proto").is_file()
    code = "import mes, services.__main__ as m, sys; print(mes.__file__); sys.argv[1:] = ['--version']; m.main()"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8")
    assert str(tmp_path / "site") in done.stdout
    assert "lingnan-mes" in done.stdout
