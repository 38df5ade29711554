"""A backup is a folder: the database as of one moment, the stored files that it names, and a manifest. Keys are never in it.

    backup.json    when, of what schema, digests and counts
    onedoor.db     made by SQLite's own online backup in one step: a snapshot, while the hub goes on writing
    blobs/         copied after the snapshot: a file is stored before the row that names it, so that none can be missing

The folder is made under another name, checked, synced, and then renamed: there is a whole backup or none.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from contracts.errors import OnedoorError
from contracts.records import adapter, record
from hub.store import integrity
from hub.store.schema import DATABASE

MANIFEST = "backup.json"
BLOBS = "blobs"


class BackupRefused(OnedoorError):
    """A backup cannot be made there, or cannot be used. The text says what to do."""


@record
class Backup:
    """The manifest. ``made_at``: everything acknowledged before is in it; ``journal``: number of entries."""

    folder: str
    made_at: datetime
    region: str
    schema: str
    database_sha256: str
    database_bytes: int
    cases: int
    journal: int
    blobs: int
    blob_bytes: int


def make(data: Path, target: Path, region: str, now: datetime) -> Backup:
    """Make a backup of the data folder as ``target``, which must not exist yet, beside a running hub or without one. Blocks.

    Raises BackupRefused.
    """
    target = target.absolute()
    check_target(data, target)
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        _copy_database(data / DATABASE, part / DATABASE)
        found = integrity.damage(part / DATABASE)
        if found:
            raise BackupRefused(f"the database is damaged ({found[0]}): restore an older backup, this one is not kept")
        count, size = _copy_blobs(data / BLOBS, part / BLOBS)
        made = _describe(part / DATABASE, target, region, now, count, size)
        _write(part / MANIFEST, adapter(Backup).dump_json(made, indent=2))
        _sync_tree(part)
        part.rename(target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupRefused(f"no backup at {target}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def check_target(data: Path, target: Path) -> None:
    """Raises BackupRefused where no backup may be made."""
    if target.exists():
        raise BackupRefused(f"{target} is there already: name a folder that is not")
    if data.resolve() in (target.resolve(), *target.resolve().parents):
        raise BackupRefused(f"{target} lies in the data folder: a backup belongs on another disk")


def read(folder: Path) -> Backup:
    """The manifest of a backup whose files are whole. Raises BackupRefused. Blocks."""
    try:
        made = adapter(Backup).validate_json((folder / MANIFEST).read_bytes())
        digest = _digest(folder / DATABASE)
    except (OSError, ValueError) as error:
        raise BackupRefused(f"{folder} is no backup: name the folder that `onedoor backup` made") from error
    if digest != made.database_sha256:
        raise BackupRefused(f"the database in {folder} is not the one that was put there: take another backup")
    found = integrity.damage(folder / DATABASE)
    if found:
        raise BackupRefused(f"the database in {folder} is damaged ({found[0]}): take another backup")
    missing = missing_blobs(folder)
    if missing:
        raise BackupRefused(f"{len(missing)} stored files are missing in {folder}: take another backup")
    return made


def missing_blobs(folder: Path) -> list[str]:
    """Names of stored files that the database of a folder names and the folder does not hold."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        named = {row[0] for row in connection.execute("SELECT key FROM material UNION SELECT blob FROM batch")}
    return sorted(name for name in named if name and not (folder / BLOBS / name[:2] / name).exists())


@contextmanager
def staged(folder: Path, data: Path) -> Iterator[Path]:
    """A copy of a backup's files in the data folder, under another name, gone again when the context ends. Blocks."""
    stage = data / "restoring.part"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        shutil.copyfile(folder / DATABASE, stage / DATABASE)
        (stage / DATABASE).chmod(0o600)
        _copy_blobs(folder / BLOBS, stage / BLOBS)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def put_in_place(stage: Path, data: Path, now: datetime) -> Path | None:
    """Move what is staged to where a hub looks for it; what lies there goes aside, never away. Returns where to. Blocks."""
    _sync_tree(stage)
    aside = None
    there = [path for path in (*data.glob(f"{DATABASE}*"), data / BLOBS) if path.exists()]
    if there:
        aside = data / f"replaced-{now:%Y%m%dT%H%M%S.%fZ}"
        aside.mkdir(mode=0o700)
        for path in there:
            path.rename(aside / path.name)
    for name in (BLOBS, DATABASE):
        (stage / name).rename(data / name)
    _sync(data)
    return aside


def _copy_database(source: Path, target: Path) -> None:
    """In one step: SQLite begins anew at each step that finds the source changed, and under load would never come to its end."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=30)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _copy_blobs(source: Path, target: Path) -> tuple[int, int]:
    target.mkdir(mode=0o700, exist_ok=True)
    count = size = 0
    for path in source.glob("??/*") if source.exists() else ():
        if path.suffix == ".part":
            continue
        place = target / path.parent.name
        place.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):  # erased meanwhile
            shutil.copyfile(path, place / path.name)
            (place / path.name).chmod(0o600)
            count, size = count + 1, size + path.stat().st_size
    return count, size


def _describe(database: Path, target: Path, region: str, now: datetime, count: int, size: int) -> Backup:
    with closing(sqlite3.connect(database)) as connection:
        one = {
            "schema": "SELECT version_num FROM alembic_version",
            "cases": "SELECT count(*) FROM case_file",
            "journal": "SELECT count(*) FROM journal",
        }
        found = {name: connection.execute(statement).fetchone()[0] for name, statement in one.items()}
    return Backup(
        folder=str(target),
        made_at=now,
        region=region,
        schema=str(found["schema"]),
        database_sha256=_digest(database),
        database_bytes=database.stat().st_size,
        cases=int(found["cases"]),
        journal=int(found["journal"]),
        blobs=count,
        blob_bytes=size,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content + b"\n")
    path.chmod(0o600)


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if path.is_file() or path.is_dir():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
