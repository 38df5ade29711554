#!/usr/bin/env python3
"""Verifies a journal of Onedoor. One file that imports nothing of Onedoor: copy it, read it, run it.

    python journal_verifier.py DATABASE [--anchor FILE] [--key HEX] [--head EPOCH-NUMBER-HASH] [--sealed] [--json]

Python 3.11 or newer, its standard library, and ``cryptography`` for the Ed25519 signatures. The database may be in use.
Every hash is computed again from the documented format (docs/journal.md):

* entry  hash(hash before, [region, chain, seq, at, by, changes]); chains are numbered from 1 without a gap
* seal   covers entries by chain and number, with the first eight digits of each hash; Merkle root (RFC 9162) over the hashes;
         the seal's hash is over its fields and the hash of the seal before, and is signed
* anchor what was noted outside must be in the database, unless a later epoch says that it was restored

Each finding names the row. Exit code 0: whole; 1: something was found; 2: it could not be looked at.
"""

import argparse
import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any
from urllib.parse import quote

HASHES = {"aes-sha256": "sha256", "sm4-sm3": "sm3"}
EMPTY = "0" * 64
FINGERPRINT = 8
BODY = ("region", "number", "epoch", "at", "suite", "entries", "root", "covers_hash", "before", "signer", "note")

Row = dict[str, Any]
Genuine = Callable[[str, int, str, str], bool]
"""Whether a mark belongs to chain, number and hash of an entry; only who has the hub's key can tell."""


@dataclass(frozen=True)
class Finding:
    """``kind``: changed, missing, inserted, forged, unsealed, seal, signature, rollback, anchor. ``seal`` or ``chain`` name the row."""

    kind: str
    text: str
    chain: str | None = None
    seq: int | None = None
    seal: int | None = None


@dataclass
class Verdict:
    """What was looked at and what was found. ``pending``: entries that no seal covers yet; ``head``: the newest seal."""

    entries: int = 0
    chains: int = 0
    seals: int = 0
    epoch: int = 0
    pending: int = 0
    purged: int = 0
    head: str | None = None
    signer: str | None = None
    restored: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class CannotLook(Exception):
    """The database or an anchor cannot be read; the text says why."""


class Verifier:
    """One pass over one region's journal. ``hashes`` holds, by chain, 32 bytes an entry."""

    def __init__(self, connection: sqlite3.Connection, genuine: Genuine | None) -> None:
        self.connection = connection
        self.genuine = genuine
        self.verdict = Verdict()
        self.hashes: dict[str, bytearray] = {}
        self.covered: dict[str, int] = {}
        self.blamed: dict[str, int] = {}
        self._named: set[tuple[str, int]] = set()
        self._runs: dict[str, str] = {}
        self._vouched: list[tuple[int, str]] = []

    def find(self, kind: str, text: str, **where: Any) -> None:
        """Note a finding; ``where``: chain and seq, or seal."""
        self.verdict.findings.append(Finding(kind, text, **where))

    def blame(self, kind: str, chain: str, seq: int, text: str) -> None:
        """Note a finding about an entry, once for each entry."""
        if (chain, seq) not in self._named:
            self._named.add((chain, seq))
            self.find(kind, f"{chain} entry {seq} {text}", chain=chain, seq=seq)
        self.blamed.setdefault(chain, seq)

    def read_purged(self, region: str, algorithm: str) -> None:
        """Entries whose time was over: their hashes stand in for them; a journaled and sealed run vouches for each."""
        runs: dict[str, list[bytes]] = {}
        statement = "SELECT chain, first, run, hashes FROM journal_purged WHERE region = ? ORDER BY chain, first"
        for chain, first, run, found in self.connection.execute(statement, (region,)):
            known = self.hashes.setdefault(chain, bytearray())
            if len(known) != 32 * (first - 1):
                self.blame("missing", chain, first, "what was purged does not follow from what was purged before")
            known += found
            self.verdict.purged += len(found) // 32
            runs.setdefault(str(run), []).append(f"{chain} {first} {found.hex()}\n".encode())
        self._runs = {run: hashlib.new(algorithm, b"".join(texts)).hexdigest() for run, texts in runs.items()}

    def read_entries(self, region: str, algorithm: str) -> None:
        """Every entry in the order of its chain: numbered without a gap, each hash following from the one before."""
        hasher = hashlib.sha256 if algorithm == "sha256" else lambda content: hashlib.new(algorithm, content)
        start = f"[{encode_basestring(region)},"
        chain, known, before, expected, shown = "", bytearray(), EMPTY, 1, ""
        entries = chains = 0
        cursor = self.connection.cursor()
        cursor.row_factory = None
        for name, seq, at, by, changes, found in cursor.execute(
            'SELECT chain, seq, at, "by", changes, hash FROM journal WHERE region = ? ORDER BY chain, seq', (region,)
        ):
            if name != chain:
                chain, shown = name, encode_basestring(name)
                known = self.hashes.setdefault(chain, bytearray())
                expected = len(known) // 32 + 1
                before = known[-32:].hex() if known else EMPTY
                chains += 1
            entries += 1
            if not isinstance(seq, int) or seq < expected:
                self.blame("inserted", chain, seq, "stands where an entry is already")
                continue
            try:
                text = f"{before}{start}{shown},{seq},{at},{encode_basestring(by)},{encode_basestring(changes)}]"
                is_whole = hasher(text.encode()).hexdigest() == found
                raw = bytes.fromhex(found)
            except (TypeError, ValueError):
                is_whole, raw = False, b""
            if seq != expected:
                self._gap(chain, seq, expected, known)
            elif not is_whole:
                self.blame("changed", chain, seq, "does not follow from the one before it")
            elif name == JOURNAL and changes.startswith(PURGE):
                self._vouched.append((seq, changes))
            if len(raw) != 32:
                raw = bytes(32)
            known += raw
            before = found
            expected = seq + 1
        self.verdict.entries, self.verdict.chains = entries, chains

    def check_purges(self) -> None:
        """Every purge has an entry that vouches for it, and a seal over that: what anybody can append vouches for nothing."""
        for seq, changes in self._vouched:
            for _, run, _, _, codes in json.loads(changes):
                if seq <= self.covered.get(JOURNAL, 0) and self._runs.get(run) == codes.get("digest"):
                    del self._runs[run]
        for run in sorted(self._runs):
            self.find("missing", f"entries were deleted as purge {run}, which no entry of the journal vouches for")

    def _gap(self, chain: str, seq: int, expected: int, known: bytearray) -> None:
        for missing in range(expected, min(seq, expected + 1000)):
            self.blame("missing", chain, missing, "is missing")
        known += bytes(32) * min(seq - expected, 1_000_000)

    def read_seals(self, region: str, trusted: str | None) -> list[Row]:
        """Every seal: numbered without a gap, linked, signed, and covering exactly the entries that are there."""
        before, number, epoch = EMPTY, 0, 0
        seals: list[Row] = []
        cursor = self.connection.execute("SELECT * FROM seal WHERE region = ? ORDER BY number", (region,))
        names = [column[0] for column in cursor.description]
        for row in (dict(zip(names, values, strict=True)) for values in cursor):
            number += 1
            while number < row["number"]:
                self.find("seal", f"seal {number} is missing", seal=number)
                before, number = "", number + 1
            trusted = trusted or row["signer"]
            self._seal(row, before, trusted, epoch)
            self._cover(row)
            before, epoch = row["hash"], max(epoch, row["epoch"])
            if row["note"] == "restored":
                self.verdict.restored.append(f"epoch {row['epoch']} begins with seal {number}")
            seals.append(row)
        self.verdict.seals, self.verdict.epoch, self.verdict.signer = len(seals), epoch, trusted
        if seals:
            self.verdict.head = f"{seals[-1]['epoch']}-{seals[-1]['number']}-{seals[-1]['hash']}"
        return seals

    def _seal(self, row: Row, before: str, trusted: str, epoch: int) -> None:
        number = row["number"]
        algorithm = HASHES.get(row["suite"], "sha256")
        covers_hash = hashlib.new(algorithm, row["covers"].encode()).hexdigest()
        body = {**row, "covers_hash": covers_hash}
        text = json.dumps([body[name] for name in BODY], separators=(",", ":"), ensure_ascii=False)
        if hashlib.new(algorithm, text.encode()).hexdigest() != row["hash"]:
            self.find("seal", f"seal {number} was changed", seal=number)
        elif not is_signed(row["signer"], row["hash"], row["signature"]):
            self.find("signature", f"seal {number} is not signed by its signer", seal=number)
        if row["signer"] != trusted:
            self.find("signature", f"seal {number} is signed with another key than the trusted one", seal=number)
        if before and row["before"] != before:
            self.find("seal", f"seal {number} does not follow from the seal before it", seal=number)
        if row["epoch"] < epoch:
            self.find("seal", f"seal {number} goes back to an earlier epoch", seal=number)

    def _cover(self, row: Row) -> None:
        """Hold the covered entries against the fingerprints, then all of them against the root."""
        number = row["number"]
        algorithm = HASHES.get(row["suite"], "sha256")
        leaves: list[bytes] = []
        try:
            covers = json.loads(row["covers"])
            for chain, first, prints in covers:
                self._cover_chain(chain, first, prints, leaves)
            blamed = any(chain in self.blamed for chain, _, _ in covers)
        except (ValueError, TypeError):
            self.find("seal", f"seal {number} does not say what it covers", seal=number)
            return
        if not blamed and merkle_root(algorithm, leaves) != row["root"]:
            self.find("seal", f"seal {number} has another root than the entries it covers", seal=number)

    def _cover_chain(self, chain: str, first: int, prints: str, leaves: list[bytes]) -> None:
        known = self.hashes.get(chain, b"")
        last = first + len(prints) // FINGERPRINT - 1
        covered = self.covered.get(chain, 0)
        for seq in range(covered + 1, first):
            self.blame("inserted", chain, seq, "was never sealed, though later ones were")
        for seq in range(first, last + 1):
            there = bytes(known[32 * (seq - 1) : 32 * seq])
            leaves.append(there)
            wanted = prints[FINGERPRINT * (seq - first) : FINGERPRINT * (seq - first + 1)]
            if there.hex()[:FINGERPRINT] == wanted:
                continue
            if not there:
                self.blame("missing", chain, seq, "was sealed and is missing")
            elif self.blamed.get(chain, seq) >= seq:
                self.blame("changed", chain, seq, "is not the one that was sealed")
        self.covered[chain] = max(covered, last)

    def read_pending(self, region: str, *, sealed: bool) -> None:
        """Entries after the last seal. Who has the hub's key tells its entries from others; ``sealed``: there must be none."""
        for chain, known in self.hashes.items():
            count, covered = len(known) // 32, self.covered.get(chain, 0)
            for seq in range(covered + 1, count + 1):
                self.verdict.pending += 1
                if sealed:
                    self.blame("unsealed", chain, seq, "is not sealed, though the hub was stopped")
            if self.genuine is not None and count > covered:
                rows = self.connection.execute(
                    "SELECT seq, hash, mark FROM journal WHERE region = ? AND chain = ? AND seq > ?",
                    (region, chain, covered),
                )
                for seq, found, mark in rows:
                    if not self.genuine(chain, seq, found, mark or ""):
                        self.blame("forged", chain, seq, "was not written by the hub")

    def compare(self, noted: Iterable[Row], seals: list[Row]) -> None:
        """Heads that were noted outside: each is in the database, or lies on a branch that a later epoch has left."""
        here = {row["number"]: row for row in seals}
        newest = self.verdict.epoch
        lost: list[Row] = []
        for head in noted:
            number, epoch = head["number"], head["epoch"]
            if "signature" in head and not is_signed(head["signer"], head["hash"], head["signature"]):
                self.find("anchor", f"the anchor's line about seal {number} is not signed by its signer", seal=number)
                continue
            row = here.get(number)
            if row is not None and row["hash"] == head["hash"]:
                continue
            if epoch >= newest:
                lost.append(head)
        if lost:
            first, last = lost[0], lost[-1]
            self.find(
                "rollback",
                f"seals {first['number']} to {last['number']} of epoch {last['epoch']} were noted outside and are not here:"
                f" the database is an older or another copy, which ends at seal {max(here, default=0)}",
                seal=first["number"],
            )


JOURNAL, PURGE = "journal", '[["purge",'


def merkle_root(algorithm: str, hashes: Sequence[bytes]) -> str:
    """The root of RFC 9162 over at least one hash."""
    level = [hashlib.new(algorithm, b"\0" + one).digest() for one in hashes]
    while len(level) > 1:
        paired = [
            hashlib.new(algorithm, b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0].hex() if level else ""


def is_signed(signer: str, content: str, signature: str) -> bool:
    """Whether the Ed25519 signature (hex) over the text is by the key (hex)."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - so that the rest can be read without it
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - the same
    except ImportError as error:
        raise CannotLook("signatures need the package cryptography: pip install cryptography") from error
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer)).verify(bytes.fromhex(signature), content.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(
    connection: sqlite3.Connection,
    *,
    key: str | None = None,
    heads: Sequence[Row] = (),
    sealed: bool = False,
    genuine: Genuine | None = None,
    region: str | None = None,
) -> Verdict:
    """The verdict on one region's journal in one snapshot. ``key``: the public key to trust, else that of the first head or seal.

    ``heads``: what was noted outside. ``sealed``: the hub was stopped in order, so nothing may be pending.
    """
    found = connection.execute(
        "SELECT region FROM seal UNION SELECT region FROM journal UNION SELECT region FROM key_check ORDER BY 1"
    ).fetchall()
    region = region or (found[0][0] if found else next((head["region"] for head in heads if "region" in head), ""))
    suite = connection.execute(
        "SELECT suite FROM (SELECT suite, number FROM seal WHERE region = :r UNION ALL"
        " SELECT suite, 0 FROM key_check WHERE region = :r AND suite IS NOT NULL) ORDER BY number DESC LIMIT 1",
        {"r": region},
    ).fetchone()
    algorithm = HASHES.get(suite[0], "sha256") if suite else "sha256"
    noted = [head for head in heads if head.get("region", region) == region]
    if key is None:
        key = next((head["signer"] for head in noted if "signer" in head), None)
    verifier = Verifier(connection, genuine)
    verifier.read_purged(region, algorithm)
    verifier.read_entries(region, algorithm)
    seals = verifier.read_seals(region, key)
    verifier.check_purges()
    verifier.read_pending(region, sealed=sealed)
    verifier.compare(noted, seals)
    return verifier.verdict


def opened(database: Path) -> sqlite3.Connection:
    """The database, for reading one snapshot. Raises CannotLook."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=ro", uri=True, isolation_level=None)
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM seal LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise CannotLook(f"{database} cannot be read: {error}") from error
    return connection


def anchored(file: Path) -> list[Row]:
    """The heads of an anchor file; a last line that was cut off counts for nothing. Raises CannotLook."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError) as error:
        raise CannotLook(f"the anchor {file} cannot be read: {error}") from error


def typed(text: str) -> Row:
    """A head as it was printed: EPOCH-NUMBER-HASH. Raises CannotLook."""
    epoch, _, rest = text.replace(" ", "").partition("-")
    number, _, found = rest.partition("-")
    if not (epoch.isdigit() and number.isdigit() and len(found) == 64):
        raise CannotLook(f"{text} is not a head: EPOCH-NUMBER-HASH, as `onedoor journal head` prints it")
    return {"epoch": int(epoch), "number": int(number), "hash": found.lower()}


def told(verdict: Verdict, most: int = 50) -> list[str]:
    """The verdict for people."""
    lines = [finding.text for finding in verdict.findings[:most]]
    if len(verdict.findings) > most:
        lines.append(f".. and {len(verdict.findings) - most} more")
    counts = (
        f"{verdict.entries} entries in {verdict.chains} chains under {verdict.seals} seals, epoch {verdict.epoch},"
        f" {verdict.pending} not sealed yet, {verdict.purged} purged"
    )
    lines += verdict.restored
    lines += [f"head {verdict.head}"] if verdict.head else []
    lines += [f"signed by {verdict.signer}"] if verdict.signer else []
    return [*lines, f"{counts}: {'whole' if verdict.is_whole else f'{len(verdict.findings)} FINDINGS'}"]


def as_json(verdict: Verdict) -> str:
    """The verdict for programs."""
    return json.dumps({"whole": verdict.is_whole, **asdict(verdict)}, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--anchor", type=Path, action="append", default=[], help="an anchor file; repeat for more")
    parser.add_argument("--key", help="the public key to trust (`onedoor journal key`), 64 hex digits")
    parser.add_argument("--head", action="append", default=[], help="a head that was printed; repeat for more")
    parser.add_argument("--sealed", action="store_true", help="the hub was stopped in order: nothing may be unsealed")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    try:
        heads = [head for file in options.anchor for head in anchored(file)] + [typed(text) for text in options.head]
        verdict = verify(opened(options.database), key=options.key, heads=heads, sealed=options.sealed)
    except CannotLook as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(as_json(verdict) + "\n" if options.json else "\n".join(told(verdict)) + "\n")
    return 0 if verdict.is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
