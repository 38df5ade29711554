"""Unlocking a database: the master key is proved, the root key of this database unwrapped; a new database makes its own."""

import hashlib
import os

from hub.keys import KeyRefused, Keys
from hub.store import registry
from hub.store.connection import Connection
from hub.suites import INTERNATIONAL, SUITES

ROOT = "root"
ROTATION = "rotation"
"""The next master key's mark in the ring while the case keys are being wrapped anew."""


def unlock(connection: Connection, region: str, master: Keys) -> Keys:
    """A unit of work: all keys of this database. The first master key to ask becomes the one it is made with.

    Raises KeyRefused, before anything is touched, for another master key, another suite, or a rotation that was cut off.
    """
    _require_sm3(master)
    check = registry.key_check(connection, region)
    if check is None:
        return _first(connection, region, master)
    suite = check["suite"] or INTERNATIONAL.name
    if suite != master.suite.name:
        raise KeyRefused(
            f'this database was made with the algorithms {suite}: set cipher_suite = "{suite}" in the settings'
        )
    if registry.ring(connection, region, ROTATION) is not None:
        raise KeyRefused(
            "a rotation of the master key was cut off: run `onedoor keys rotate` again, it goes on from there"
        )
    if not master.is_proved_by(check["proof"]):
        raise KeyRefused("this database was made with another master key: give the hub that key file")
    wrapped = registry.ring(connection, region, ROOT)
    if wrapped is None:  # made before databases had a root key: what was derived from the master key must stay the same
        wrapped = master.wrap(master.secret(), ROOT)
        registry.set_ring(connection, region, ROOT, wrapped)
    return master.rooted(master.unwrap(wrapped, ROOT))


def _first(connection: Connection, region: str, master: Keys) -> Keys:
    root = os.urandom(32)
    registry.set_key_check(connection, region, master.proof(), master.suite.name)
    registry.set_ring(connection, region, ROOT, master.wrap(root, ROOT))
    return master.rooted(root)


def _require_sm3(master: Keys) -> None:
    if master.suite.hash_name not in hashlib.algorithms_available:
        raise KeyRefused(
            f"the OpenSSL of this Python has no {master.suite.hash_name}: use a Python that has it,"
            f" or one of the other suites ({', '.join(SUITES)})"
        )
