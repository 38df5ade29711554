"""Seals: a batch of journal entries under one Merkle root, signed with Ed25519, each seal linked to the one before.

``covers`` is compact JSON, ``[[chain, first, fingerprints], ..]`` in the order of the chains: consecutive entries of a chain from
``first`` on, the first eight hex digits of each entry's hash, so that a changed entry is found by name. The Merkle tree is that
of RFC 9162 (leaf: hash of 0x00 and the entry's hash, node: hash of 0x01 and both children) over all covered entries in that
order. A seal's hash is over the compact JSON of its fields in the order of ``_BODY``; the signature is over that hash (ASCII hex).
The epoch grows when the database was restored, so that a restored one is told from one that was set back in secret.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

import orjson
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.records import record
from hub.journal import EMPTY, Chain
from hub.keys import Keys
from hub.store import sealed
from hub.store.connection import Connection, Row
from hub.suites import Suite

FINGERPRINT = 8
"""Hex digits of an entry's hash that ``covers`` repeats."""

JOURNAL_CHAIN = "journal"
"""The chain of what happens to the journal itself: epochs, purges, rotations."""

_BODY = ("region", "number", "epoch", "at", "suite", "entries", "root", "covers_hash", "before", "signer", "note")


@record
class Head:
    """What is noted of a seal outside the database."""

    region: str
    epoch: int
    number: int
    hash: str
    at: int
    signer: str
    signature: str


def signer_of(keys: Keys) -> str:
    """The public key that seals are checked with, 64 hex digits."""
    return keys.seal_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def merkle_root(suite: Suite, hashes: Sequence[bytes]) -> str:
    """The root over at least one hash, lower-case hex."""
    hasher = suite.hasher
    level = [hasher(b"\0" + one).digest() for one in hashes]
    while len(level) > 1:
        paired = [hasher(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[len(paired) * 2 :]
    found: str = level[0].hex()
    return found


def covers_of(rows: Iterable[Row]) -> tuple[str, list[bytes]]:
    """The JSON of what is covered, and the hashes in its order."""
    ordered = sorted(rows, key=itemgetter("chain", "seq"))
    covers: list[tuple[str, int, str]] = []
    # Consecutive numbers of a chain keep their distance to their place in the list.
    for (chain, _), run in groupby(enumerate(ordered), key=lambda pair: (pair[1]["chain"], pair[1]["seq"] - pair[0])):
        entries = [row for _, row in run]
        covers.append((chain, entries[0]["seq"], "".join(row["hash"][:FINGERPRINT] for row in entries)))
    return orjson.dumps(covers).decode(), [bytes.fromhex(row["hash"]) for row in ordered]


@record
class Draft:
    """A seal that only lacks its place in the row of seals. ``place``: of the last entry, in the order of writing."""

    at: int
    entries: int
    root: str
    covers: str
    place: int


def draft(suite: Suite, rows: Sequence[Row], at: int) -> Draft:
    """Gather rows (``chain, seq, hash, place``) under a root. ``at``: ms UTC. Costly: not for the event loop."""
    covers, hashes = covers_of(rows)
    root = merkle_root(suite, hashes)
    return Draft(at=at, entries=len(rows), root=root, covers=covers, place=max(row["place"] for row in rows))


def add(
    connection: Connection, region: str, keys: Keys, drafted: Draft, *, epoch: int | None = None, note: str = ""
) -> Head:
    """A unit of work: link, sign and store a seal. ``epoch`` None: that of the seal before."""
    last = sealed.last(connection, region)
    row: Row = {
        "region": region,
        "number": last["number"] + 1 if last else 1,
        "epoch": epoch or (last["epoch"] if last else 1),
        "at": drafted.at,
        "suite": keys.suite.name,
        "entries": drafted.entries,
        "root": drafted.root,
        "covers": drafted.covers,
        "before": last["hash"] if last else EMPTY,
        "signer": signer_of(keys),
        "note": note,
        "place": drafted.place,
    }
    body = {**row, "covers_hash": keys.suite.digest(drafted.covers.encode())}
    row["hash"] = keys.suite.digest(orjson.dumps([body[name] for name in _BODY]))
    row["signature"] = keys.seal_key.sign(row["hash"].encode()).hex()
    connection.insert("seal", row)
    return head_of(row)


def head_of(row: Row) -> Head:
    """The head that a row of ``seal`` is."""
    names = ("region", "epoch", "number", "hash", "at", "signer", "signature")
    return Head(**{name: row[name] for name in names})


def genuine(keys: Keys, region: str, rows: Iterable[Row], *, unmarked: bool = False) -> tuple[list[Row], list[Row]]:
    """Rows that the hub wrote, and those that somebody else did. ``unmarked``: entries of a release without marks pass."""
    journal = keys.journal(region)
    ours: list[Row] = []
    forged: list[Row] = []
    for row in rows:
        is_ours = (
            unmarked if row["mark"] is None else row["mark"] == journal.mark(row["chain"], row["seq"], row["hash"])
        )
        (ours if is_ours else forged).append(row)
    return ours, forged


def seal_now(
    connection: Connection, region: str, keys: Keys, at: int, *, epoch: int | None = None, note: str = ""
) -> Head | None:
    """A unit of work: seal all that is not sealed yet, at once; None when there is nothing. For a hub that does not run."""
    rows = sealed.unsealed(connection, region, sealed.place(connection, region), limit=None)
    ours, _ = genuine(keys, region, rows, unmarked=sealed.last(connection, region) is None)
    if not ours:
        return None
    return add(connection, region, keys, draft(keys.suite, ours, at), epoch=epoch, note=note)


def raise_epoch(
    connection: Connection, region: str, keys: Keys, at: int, *, noted: int = 0, by: str = "operator"
) -> Head:
    """A unit of work after a restore: journal it, and begin a new epoch with a seal over all there is.

    ``noted``: the highest epoch that the anchor knows (``hub.anchor.Anchor.last``), 0 for none.
    """
    last = sealed.last(connection, region)
    before = max(last["epoch"] if last else 1, noted)
    chain = Chain(keys.journal(region), JOURNAL_CHAIN, at)
    chain.add("epoch", JOURNAL_CHAIN, str(before), str(before + 1), {"cause": "restored"})
    chain.write(connection, by)
    head = seal_now(connection, region, keys, at, epoch=before + 1, note="restored")
    assert head is not None, "the entry about the epoch is there to be sealed"
    return head
