"""I5, the other half: the journal's seals, checked again from the documented format.

A seal covers entries by chain and number; its Merkle root is that of RFC 9162 over their hashes in the order in which it names
them; its hash runs over its fields and the hash of the seal before; its signature, Ed25519, over that hash. What an anchor
noted outside must be in the database, unless a later epoch has left it behind.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from simulators.oracle.evidence import Evidence, Row
from simulators.oracle.findings import Check

HASHES: Final = {"aes-sha256": "sha256", "sm4-sm3": "sm3"}
EMPTY: Final = "0" * 64
_FIELDS: Final = ("region", "number", "epoch", "at", "suite", "entries", "root")
_LINKS: Final = ("before", "signer", "note")
_DIGITS: Final = 8


def algorithm_of(evidence: Evidence) -> str:
    """The hash that this database was made with."""
    suites = [row["suite"] for row in evidence.tables["key_check"] if row["suite"]]
    return HASHES[suites[0]] if suites else "sha256"


def purged_of(evidence: Evidence) -> Mapping[str, Sequence[str]]:
    """By chain, the hashes of entries whose time was over."""
    found: dict[str, list[str]] = {}
    for row in sorted(evidence.tables["journal_purged"], key=lambda row: (row["chain"], row["first"])):
        text = row["hashes"].hex()
        found.setdefault(row["chain"], []).extend(text[place : place + 64] for place in range(0, len(text), 64))
    return found


def noted(anchor: Path | None) -> Sequence[Row]:
    """The heads that an anchor has, as far as they are whole lines."""
    lines = anchor.read_text(encoding="utf-8").splitlines(keepends=True) if anchor is not None else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def seals_agree(check: Check, evidence: Evidence, heads: Sequence[Row], *, stopped: bool) -> None:
    """Every seal follows from the one before and covers what is there; ``stopped``: nothing may be left uncovered.

    ``heads``: what an anchor had noted before the tables were read.
    """
    algorithm = algorithm_of(evidence)
    hashes = {(chain, seq): found for chain, all_ in purged_of(evidence).items() for seq, found in enumerate(all_, 1)}
    hashes |= {(row["chain"], row["seq"]): row["hash"] for row in evidence.tables["journal"]}
    seals = sorted(evidence.tables["seal"], key=lambda row: row["number"])
    before = EMPTY
    covered: set[tuple[str, int]] = set()
    for place, seal in enumerate(seals, 1):
        name = f"seal {seal['number']}"
        check.expect(seal["number"] == place, f"{name}: seal {place} is missing before it")
        check.expect(seal["before"] == before, f"{name}: does not follow from the seal before it")
        check.expect(seal["signer"] == seals[0]["signer"], f"{name}: has another signer than the first seal")
        check.expect(_is_genuine(algorithm, seal), f"{name}: its hash or its signature is wrong")
        named = _named(seal)
        there = [hashes.get(entry, "") for entry in named]
        whole = _root(algorithm, there) == seal["root"] and len(named) == seal["entries"]
        check.expect(whole, f"{name}: the entries that it covers are not the ones that are there")
        covered |= set(named)
        before = seal["hash"]
    if stopped:
        check.expect(not hashes.keys() - covered, f"{len(hashes.keys() - covered)} entries are not sealed")
    _compare(check, {(seal["epoch"], seal["number"]): seal["hash"] for seal in seals}, heads)


def _is_genuine(algorithm: str, seal: Row) -> bool:
    covers = hashlib.new(algorithm, seal["covers"].encode()).hexdigest()
    body = [*(seal[name] for name in _FIELDS), covers, *(seal[name] for name in _LINKS)]
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    if hashlib.new(algorithm, text.encode()).hexdigest() != seal["hash"]:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal["signer"]))
        key.verify(bytes.fromhex(seal["signature"]), seal["hash"].encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _named(seal: Row) -> list[tuple[str, int]]:
    return [
        (chain, seq)
        for chain, first, digits in json.loads(seal["covers"])
        for seq in range(first, first + len(digits) // _DIGITS)
    ]


def _root(algorithm: str, hashes: Sequence[str]) -> str:
    """By the recursion of RFC 9162, so that a mistake in a loop elsewhere shows."""
    if len(hashes) == 1:
        return hashlib.new(algorithm, b"\0" + bytes.fromhex(hashes[0])).hexdigest()
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    children = b"".join(bytes.fromhex(_root(algorithm, part)) for part in (hashes[:half], hashes[half:]))
    return hashlib.new(algorithm, b"\1" + children).hexdigest()


def _compare(check: Check, here: Mapping[tuple[int, int], str], heads: Sequence[Row]) -> None:
    newest = max((epoch for epoch, _ in here), default=0)
    for head in heads:
        same = here.get((head["epoch"], head["number"])) == head["hash"]
        check.expect(same or head["epoch"] < newest, f"seal {head['number']}: noted at the anchor, not here")
