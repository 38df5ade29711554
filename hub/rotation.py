"""Rotating the master key: every case key and the root key are wrapped anew, in steps that each commit; a step may be the last.

What was sealed stays as it is: only its keys get another wrapping. While a rotation is under way the key ring says so and no hub
starts; ``onedoor keys rotate`` goes on wherever the last one ended. The old key file is kept for backups made before.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from hub import seals
from hub.journal import Chain
from hub.keyring import ROOT, ROTATION
from hub.keys import KeyRefused, Keys, read_key, write_key
from hub.seals import JOURNAL_CHAIN
from hub.settings import Settings
from hub.store import registry, wrapping
from hub.store.connection import Connection

CHUNK = 1_000
"""Case keys wrapped anew in one transaction."""


def next_key_file(key_file: Path) -> Path:
    """Where the new key lies until the rotation is done."""
    return key_file.with_name(f"{key_file.name}.next")


def rotate(settings: Settings, connection: Connection, region: str, at: datetime, by: str) -> Iterator[int]:
    """All steps; after each one its commit, or its file, is on the disk. Yields how many case keys were wrapped anew so far.

    Raises KeyRefused when a key is missing, or neither key is the one of this database.
    """
    key_file = settings.key_file
    new_file = next_key_file(key_file)
    demo = settings.allow_demo_keys
    old = read_key(key_file, demo=demo, suite=settings.suite)
    if not new_file.exists():
        write_key(new_file, demo=demo)
    new = read_key(new_file, demo=demo, suite=settings.suite)
    check = registry.key_check(connection, region)
    if check is None or not (old.is_proved_by(check["proof"]) or new.is_proved_by(check["proof"])):
        raise KeyRefused("this database was made with another master key: name that key file in the settings")
    if not new.is_proved_by(check["proof"]):
        yield from _wrap_anew(connection, region, old, new, int(at.timestamp() * 1000), by)
    _put_in_place(key_file, new_file, at)
    yield 0


def _wrap_anew(connection: Connection, region: str, old: Keys, new: Keys, at: int, by: str) -> Iterator[int]:
    mark = registry.ring(connection, region, ROTATION)
    if mark is None:
        _commit(connection, lambda: registry.set_ring(connection, region, ROTATION, new.wrap(b"", ROTATION)))
        yield 0
    else:
        new.unwrap(mark, ROTATION)  # raises KeyRefused for a key that did not begin this
    done, last = 0, ""
    while rows := wrapping.case_keys(connection, region, last, CHUNK):
        fresh = {row["case_no"]: _wrapped(bytes(row["sealed_key"]), old, new) for row in rows}
        changed = {case_no: wrapped for case_no, wrapped in fresh.items() if wrapped is not None}
        _commit(connection, lambda: wrapping.set_case_keys(connection, region, changed))  # noqa: B023 - run at once
        done, last = done + len(changed), rows[-1]["case_no"]
        yield done
    _commit(connection, lambda: _finish(connection, region, (old, new), at, by))
    yield done


def _wrapped(wrapped: bytes, old: Keys, new: Keys) -> bytes | None:
    """The key under the new master key; None where it is already, from before an interruption."""
    try:
        new.unwrap(wrapped, "case key")
    except KeyRefused:
        return new.wrap(old.unwrap(wrapped, "case key"), "case key")
    return None


def _finish(connection: Connection, region: str, keys: tuple[Keys, Keys], at: int, by: str) -> None:
    """From here on the new key is the one of this database."""
    old, new = keys
    wrapped = registry.ring(connection, region, ROOT)
    root = old.unwrap(wrapped, ROOT) if wrapped is not None else old.secret()
    registry.set_ring(connection, region, ROOT, new.wrap(root, ROOT))
    registry.set_key_check(connection, region, new.proof(), new.suite.name)
    registry.drop_ring(connection, region, ROTATION)
    rooted = new.rooted(root)
    chain = Chain(rooted.journal(region), JOURNAL_CHAIN, at)
    chain.add("rotation", "master", None, "rotated", {})
    chain.write(connection, by)
    seals.seal_now(connection, region, rooted, at)


def _put_in_place(key_file: Path, new_file: Path, at: datetime) -> None:
    """The old file is kept under a name with the time; the new one takes its place in one step."""
    kept = key_file.with_name(f"{key_file.name}.until-{at:%Y%m%dT%H%M%SZ}")
    if not kept.exists():
        os.link(key_file, kept)
    new_file.replace(key_file)
    folder = os.open(key_file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _commit(connection: Connection, work: "object") -> None:
    assert callable(work)
    connection.run("BEGIN IMMEDIATE")
    work()
    connection.run("COMMIT")
