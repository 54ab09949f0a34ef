"""Backups of the whole embedded server (all databases and the event log in one consistent copy) and their restore."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from mes.embedded.home import RECORD, SECRETS, HomeLock, make_home
from mes.embedded.server import ADMIN, HOST, EmbeddedServer, look_at
from mes.errors import Conflict, Invalid, Unavailable

MANIFEST = "mes-backup.json"
# What of a home goes with its data: without the record, real data would come back as a sample's.
_BESIDE = (SECRETS, RECORD)


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup. sha256: of PostgreSQL's own manifest, which holds a checksum of every file."""

    taken_at: str
    postgres: int
    product: str
    bytes: int
    files: int
    sha256: str


def back_up(server: EmbeddedServer, target: Path, *, product: str, now: datetime | None = None) -> Backup:
    """Copy the running server into the new folder `target` while it works on, and verify the copy.

    Raises Conflict when the target is not empty, Unavailable when the copy fails; a failed copy leaves nothing behind.
    """
    target = target.expanduser().absolute()
    if target.exists() and any(target.iterdir()):
        raise Conflict("embedded.backup_target_not_empty", target=str(target))
    staging = server.folder / "backup.new"
    shutil.rmtree(staging, ignore_errors=True)
    fresh = target.with_name(f".{target.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _base_backup(server, staging)
        # Copied, not moved: the target may be another disk, and belongs to the caller.
        fresh.mkdir(parents=True)
        shutil.copytree(staging, fresh / "data")
        for name in _BESIDE:
            if (server.home / name).is_file():
                shutil.copy2(server.home / name, fresh / name)
        if wrong := first_difference(fresh / "data"):
            raise Unavailable("embedded.backup_failed", target=str(target), reason=wrong)
        backup = _describe(server, fresh, product, now or datetime.now(UTC))
        (fresh / MANIFEST).write_text(json.dumps(asdict(backup), indent=2), encoding="utf-8")
        if target.exists():
            target.rmdir()
        fresh.rename(target)
    except OSError as error:
        raise Unavailable("embedded.backup_failed", target=str(target), reason=str(error)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
    return backup


def _base_backup(server: EmbeddedServer, staging: Path) -> None:
    password = {"PGPASSWORD": server.passwords["admin"]}
    done = server.programs.run(
        "pg_basebackup", "-D", staging, "-h", HOST, "-p", str(server.port), "-U", ADMIN, "-X", "stream", "-c", "fast",
        "--manifest-checksums=SHA256", cwd=server.folder, env=password, timeout=24 * 3600,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable("embedded.backup_failed", target=str(staging), reason=done.stderr.strip()[-500:])


def first_difference(data: Path) -> str | None:
    """The first file that is not as PostgreSQL's manifest says, None when all are.

    The wheel's own pg_verifybackup ends with a segmentation fault, so its comparison is made here.
    """
    manifest = json.loads((data / "backup_manifest").read_text(encoding="utf-8"))
    for entry in manifest["Files"]:
        name = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode()
        try:
            with (data / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return str(name)
        if digest != entry["Checksum"]:
            return str(name)
    return None


def _describe(server: EmbeddedServer, folder: Path, product: str, now: datetime) -> Backup:
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    return Backup(
        taken_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        postgres=server.programs.version,
        product=product,
        bytes=sum(path.stat().st_size for path in files),
        files=len(files),
        sha256=hashlib.sha256((folder / "data" / "backup_manifest").read_bytes()).hexdigest(),
    )


def read_backup(source: Path) -> Backup:
    """What a backup says of itself. Raises Invalid when the folder is none, or was changed."""
    try:
        backup = Backup(**json.loads((source / MANIFEST).read_text(encoding="utf-8")))
        digest = hashlib.sha256((source / "data" / "backup_manifest").read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError) as error:
        raise Invalid("embedded.not_a_backup", field="source", source=str(source)) from error
    if digest != backup.sha256:
        raise Invalid("embedded.backup_damaged", field="source", source=str(source), reason="backup_manifest")
    return backup


def restore(source: Path, home: Path, *, databases: tuple[str, ...] | None = None) -> Backup:
    """Put a backup into a home without data, checked against its checksums, then start it once and stop it.

    Raises Conflict when the home has data, Invalid when the backup is not whole.
    """
    source = source.expanduser().absolute()
    backup = read_backup(source)
    home = make_home(home)
    if look_at(home).version is not None:
        raise Conflict("embedded.home_not_empty", home=str(home))
    lock = HomeLock(home)
    lock.acquire()
    try:
        server = EmbeddedServer(home, version=backup.postgres, databases=databases or ())
        _lay_out(server, source)
    finally:
        lock.release()
    server.start()
    server.stop()
    return backup


def _lay_out(server: EmbeddedServer, source: Path) -> None:
    fresh, account = server.folder / "data.new", server.programs.account
    server.folder.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source / "data", fresh)
    fresh.chmod(0o700)
    if account:
        for path in [server.folder, fresh, *fresh.rglob("*")]:
            account.own(path)
    if wrong := first_difference(fresh):
        shutil.rmtree(fresh, ignore_errors=True)
        raise Invalid("embedded.backup_damaged", field="source", source=str(source), reason=wrong)
    for name in _BESIDE:
        if (source / name).is_file():
            shutil.copy2(source / name, server.home / name)
    (server.home / SECRETS).chmod(0o600)
    fresh.rename(server.data)
