"""Java for Kafka, and for the Maven that fetches Kafka: of JAVA_HOME, of the path, or of a wheel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from mes.embedded.java import KAFKA_VERSION, find_java, jars
from mes.errors import Unavailable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs are shell scripts here")


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has a Java on its path and nothing in JAVA_HOME."""
    _program(tmp_path / "jre" / "bin" / "java", "exit 0")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(tmp_path / "jre" / "bin"), str(tmp_path / "bin"), "/usr/bin", "/bin"])
    )
    return tmp_path


def test_java_home_comes_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_java() == str(machine / "jre" / "bin" / "java")
    _program(machine / "other" / "bin" / "java", "exit 0")
    monkeypatch.setenv("JAVA_HOME", str(machine / "other"))
    assert find_java() == str(machine / "other" / "bin" / "java")


def test_maven_is_told_which_java_was_found(machine: Path) -> None:
    fetched = f"""
for word in "$@"; do
    case $word in -DoutputDirectory=*) folder=${{word#*=}} ;; esac
done
mkdir -p "$folder"
echo "$JAVA_HOME" > "$folder/kafka_2.13-{KAFKA_VERSION}.jar"
"""
    _program(machine / "bin" / "mvn", fetched)
    folder = jars(machine / "cache" / "kafka")
    (jar,) = folder.iterdir()
    assert jar.read_text(encoding="utf-8").strip() == str((machine / "jre").resolve())


def test_what_maven_says_is_the_reason(machine: Path) -> None:
    _program(machine / "bin" / "mvn", "echo no network >&2; exit 1")
    with pytest.raises(Unavailable) as refused:
        jars(machine / "cache" / "kafka")
    assert refused.value.code == "kafka.not_fetched"
    assert "no network" in str(refused.value.params["reason"])
    assert not (machine / "cache" / "kafka").exists()
