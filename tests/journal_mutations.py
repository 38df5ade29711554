"""What somebody could do to a journal who may write to the database but has no key: ten thousand times if need be.

A journal is made by real units of work and sealed in a row of seals. Each mutation is applied in a transaction, looked at by
the verifier, and taken back. ``expected`` names the rows of which one at least must be named.
"""

import hashlib
import json
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.delivery import AwaitingReply, Completed, Decision
from contracts.records import adapter
from hub import seals
from hub.journal_verifier import BODY, EMPTY, HASHES, Finding, merkle_root, verify
from hub.seals import Head
from tests.small_city import SUITE, SmallCity

Row = dict[str, Any]
Names = set[tuple[str, int]]
"""Entries by chain and number, seals as ("seal", number)."""


@dataclass
class Sealed:
    """A sealed journal in ``file``; ``copies``: the database as it was after each seal; ``heads``: what the anchor noted."""

    file: Path
    copies: list[Path]
    heads: list[Row]
    key: str
    connection: sqlite3.Connection
    entries: list[tuple[str, int]] = field(default_factory=list)


def make(folder: Path, cases: int = 48, seals_: int = 6) -> Sealed:
    """Cases in every state, some after each seal."""
    city = SmallCity(folder)
    heads: list[Head] = []
    copies: list[Path] = []
    for turn in range(seals_):
        for one in range(cases // seals_):
            city.submit(("API1", "CENTRE1", "JOIN1", "PAPER1")[one % 4])
        city.send("AA-api", Completed(decision=Decision.GRANTED, fields={}) if turn % 2 else AwaitingReply())
        city.send("BB-file", AwaitingReply())
        city.later(hours=1)
        head = city.unit(lambda c: seals.seal_now(c, city.city.region, city.city.keys, city.at))
        assert head is not None
        heads.append(head)
        copies.append(folder / f"copy-{turn}.db")
        city.connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(folder / "onedoor.db", copies[-1])
    city.connection.close()
    connection = sqlite3.connect(folder / "onedoor.db", isolation_level=None)
    made = Sealed(
        file=folder / "onedoor.db",
        copies=copies,
        heads=[adapter(Head).dump_python(head) for head in heads],
        key=seals.signer_of(city.city.keys),
        connection=connection,
    )
    made.entries = connection.execute("SELECT chain, seq FROM journal ORDER BY chain, seq").fetchall()
    return made


def looked_at(made: Sealed, connection: sqlite3.Connection | None = None) -> list[Finding]:
    """What the verifier finds, told that the hub was stopped, with the anchor and the key."""
    return verify(connection or made.connection, key=made.key, heads=made.heads, sealed=True).findings


def named(findings: list[Finding]) -> Names:
    """The rows that the findings name."""
    return {(one.chain, one.seq) for one in findings if one.chain is not None and one.seq is not None} | {
        ("seal", one.seal) for one in findings if one.seal is not None
    }


@contextmanager
def taken_back(made: Sealed) -> Iterator[sqlite3.Connection]:
    """A transaction that leaves nothing."""
    made.connection.execute("BEGIN IMMEDIATE")
    try:
        yield made.connection
    finally:
        made.connection.execute("ROLLBACK")


# --- the mutations: each changes the database and says which rows should be named ------------------------------------


def entry(connection: sqlite3.Connection, chain: str, seq: int) -> Row:
    """An entry."""
    cursor = connection.execute("SELECT * FROM journal WHERE chain = ? AND seq = ?", (chain, seq))
    return dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))


def put(connection: sqlite3.Connection, row: Row) -> None:
    """Insert an entry."""
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"INSERT INTO journal ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def length(connection: sqlite3.Connection, chain: str) -> int:
    """The number of a chain's last entry."""
    return int(connection.execute("SELECT max(seq) FROM journal WHERE chain = ?", (chain,)).fetchone()[0])


def hash_of(before: str, row: Row) -> str:
    """As the format says."""
    told = [row[name] for name in ("region", "chain", "seq", "at", "by", "changes")]
    text = before + json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    return hashlib.new(HASHES[SUITE.name], text.encode()).hexdigest()


def rechain(connection: sqlite3.Connection, chain: str, since: int) -> None:
    """Compute the hashes of a chain anew from an entry on, as anybody can."""
    before = entry(connection, chain, since - 1)["hash"] if since > 1 else EMPTY
    for seq in range(since, length(connection, chain) + 1):
        before = hash_of(before, entry(connection, chain, seq))
        connection.execute("UPDATE journal SET hash = ? WHERE chain = ? AND seq = ?", (before, chain, seq))


def spoil(dice: random.Random, row: Row) -> Row:
    """The entry with one of its columns changed."""
    column = dice.choice(("at", "by", "changes", "changes", "changes"))
    if column == "at":
        return {**row, "at": row["at"] + dice.choice((-1, 1, 86_400_000))}
    if column == "by":
        return {**row, "by": row["by"] + "x"}
    told = json.loads(row["changes"])
    told[dice.randrange(len(told))][dice.choice((1, 3))] = "spoilt"
    return {**row, "changes": json.dumps(told, separators=(",", ":"))}


def write(connection: sqlite3.Connection, row: Row) -> None:
    """Put a changed entry in place of the old one."""
    connection.execute(
        'UPDATE journal SET at = :at, "by" = :by, changes = :changes, hash = :hash WHERE chain = :chain AND seq = :seq',
        row,
    )


def edit(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    chain, seq = dice.choice(made.entries)
    row = entry(connection, chain, seq)
    write(connection, {**row, "hash": row["hash"][::-1]} if dice.random() < 0.2 else spoil(dice, row))
    return {(chain, seq)}


def delete_in_the_middle(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    chain, seq = dice.choice([one for one in made.entries if one[1] < length(connection, one[0])])
    connection.execute("DELETE FROM journal WHERE chain = ? AND seq = ?", (chain, seq))
    if dice.random() < 0.5:  # close the gap
        _shift(connection, chain, seq + 1, -1)
        if dice.random() < 0.5:
            rechain(connection, chain, seq)
    return {(chain, seq)}


def cut_the_tail(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    chain, _ = dice.choice(made.entries)
    last = length(connection, chain)
    keep = dice.randrange(last)
    connection.execute("DELETE FROM journal WHERE chain = ? AND seq > ?", (chain, keep))
    return {(chain, keep + 1)}


def cut_the_tail_with_its_seals(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    """Only the anchor knows that there was more."""
    keep = dice.randrange(len(made.heads))
    for (covers,) in connection.execute("SELECT covers FROM seal WHERE number > ?", (keep,)).fetchall():
        for chain, first, _ in json.loads(covers):
            connection.execute("DELETE FROM journal WHERE chain = ? AND seq >= ?", (chain, first))
    connection.execute("DELETE FROM seal WHERE number > ?", (keep,))
    return {("seal", keep + 1)}


def swap(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    """Contents of two entries, in one chain or in two."""
    while True:
        one, other = (entry(connection, *place) for place in dice.sample(made.entries, 2))
        if any(one[name] != other[name] for name in ("at", "by", "changes")):
            break
    parts = ("at", "by", "changes", *(("hash",) if dice.random() < 0.5 else ()))
    write(connection, {**one, **{name: other[name] for name in parts}})
    write(connection, {**other, **{name: one[name] for name in parts}})
    return {(one["chain"], one["seq"]), (other["chain"], other["seq"])}


def insert(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    """An entry of its own making between two others, or at the end; hashed as it should be, or not."""
    chain, seq = dice.choice(made.entries)
    if dice.random() < 0.3:
        seq = length(connection, chain) + 1
    _shift(connection, chain, seq, 1)
    row = spoil(dice, {**entry(connection, chain, seq - 1 or 2), "seq": seq})
    put(connection, row)
    if dice.random() < 0.7:
        rechain(connection, chain, seq)
    return {(chain, seq)}


def duplicate(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    """An entry a second time, right behind itself or at the end."""
    chain, seq = dice.choice(made.entries)
    place = seq + 1 if dice.random() < 0.5 else length(connection, chain) + 1
    _shift(connection, chain, place, 1)
    put(connection, {**entry(connection, chain, seq), "seq": place})
    if dice.random() < 0.5:
        rechain(connection, chain, place)
    return {(chain, place)}


def _shift(connection: sqlite3.Connection, chain: str, since: int, by: int) -> None:
    """Number the entries of a chain anew from one on."""
    far = 1_000_000
    connection.execute("UPDATE journal SET seq = seq + ? WHERE chain = ? AND seq >= ?", (far, chain, since))
    connection.execute("UPDATE journal SET seq = seq - ? + ? WHERE chain = ? AND seq > ?", (far, by, chain, far))


def rechain_without_the_key(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    """An edit with every hash after it put right; sometimes the seals too, as far as that goes without the key."""
    chain, seq = dice.choice(made.entries)
    write(connection, spoil(dice, entry(connection, chain, seq)))
    rechain(connection, chain, seq)
    depth = dice.choice(("entries", "entries", "seals", "own key"))
    if depth == "entries":
        return {(chain, seq)}
    _reseal(connection, Ed25519PrivateKey.generate() if depth == "own key" else None)
    rows = connection.execute("SELECT number, covers FROM seal ORDER BY number").fetchall()
    return {("seal", number) for number, covers in rows if any(name == chain for name, _, _ in json.loads(covers))}


def _reseal(connection: sqlite3.Connection, own: Ed25519PrivateKey | None) -> None:
    """Covers, roots, links and hashes put right in every seal; signed with a key of one's own, or left as they were."""
    before = EMPTY
    cursor = connection.execute("SELECT * FROM seal ORDER BY number")
    names = [column[0] for column in cursor.description]
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        algorithm = HASHES[row["suite"]]
        covers, leaves = [], []
        for chain, first, prints in json.loads(row["covers"]):
            last = first + len(prints) // 8 - 1
            found = [entry(connection, chain, seq)["hash"] for seq in range(first, last + 1)]
            covers.append((chain, first, "".join(one[:8] for one in found)))
            leaves += [bytes.fromhex(one) for one in found]
        row["covers"] = json.dumps(covers, separators=(",", ":"))
        row["root"], row["before"] = merkle_root(algorithm, leaves), before
        if own is not None:
            row["signer"] = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        body = {**row, "covers_hash": hashlib.new(algorithm, row["covers"].encode()).hexdigest()}
        text = json.dumps([body[name] for name in BODY], separators=(",", ":"))
        before = row["hash"] = hashlib.new(algorithm, text.encode()).hexdigest()
        if own is not None:
            row["signature"] = own.sign(before.encode()).hex()
        connection.execute(
            "UPDATE seal SET covers = :covers, root = :root, before = :before, signer = :signer, hash = :hash,"
            " signature = :signature WHERE number = :number",
            row,
        )


def change_a_seal(dice: random.Random, made: Sealed, connection: sqlite3.Connection) -> Names:
    number = dice.randrange(1, len(made.heads) + 1)
    if dice.random() < 0.3 and number < len(made.heads):
        connection.execute("DELETE FROM seal WHERE number = ?", (number,))
        return {("seal", number)}
    column = dice.choice(("at", "epoch", "entries", "root", "covers", "before", "note", "hash", "signature"))
    connection.execute(f"UPDATE seal SET {column} = {column} || '1' WHERE number = ?", (number,))
    return {("seal", number)}


Mutation = Callable[[random.Random, Sealed, sqlite3.Connection], Names]
MUTATIONS: Mapping[str, Mutation] = {
    "edit": edit,
    "delete in the middle": delete_in_the_middle,
    "tail cut": cut_the_tail,
    "tail cut with its seals": cut_the_tail_with_its_seals,
    "swap": swap,
    "insert": insert,
    "duplicate": duplicate,
    "re-chain without the key": rechain_without_the_key,
    "changed seal": change_a_seal,
}


def rolled_back(dice: random.Random, made: Sealed) -> bool:
    """The whole database is an older copy: found and told where it ends?"""
    number = dice.randrange(len(made.copies) - 1)
    connection = sqlite3.connect(made.copies[number])
    try:
        findings = looked_at(made, connection)
    finally:
        connection.close()
    return [(one.kind, one.seal) for one in findings] == [("rollback", number + 2)]


@dataclass
class Tally:
    """How many of each kind were made, and the ones that were not detected or not located."""

    made: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)


def run(made: Sealed, number: int, seed: int) -> Tally:
    """So many mutations, every kind as often as the others."""
    dice = random.Random(seed)
    kinds = [*MUTATIONS, "rollback of the whole database"]
    tally = Tally()
    for turn in range(number):
        kind = kinds[turn % len(kinds)]
        tally.made[kind] += 1
        if kind not in MUTATIONS:
            if not rolled_back(dice, made):
                tally.missed.append(f"{turn} {kind}")
            continue
        with taken_back(made) as connection:
            expected = MUTATIONS[kind](dice, made, connection)
            findings = looked_at(made)
        if not findings:
            tally.missed.append(f"{turn} {kind} {sorted(expected)}")
        elif not expected & named(findings):
            tally.misplaced.append(f"{turn} {kind} {sorted(expected)}: {findings[0].text}")
    return tally
