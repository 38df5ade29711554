"""Purging the journal: entries whose time is over are deleted, and a proof of them stays.

Only whole chains of archived cases go, and only what is sealed. Of each entry its hash is kept, 32 bytes, so that every seal can still
be checked; a journaled, sealed entry vouches for the run with a digest of all of them, so that nobody else can pass a deletion off
as a purge.
"""

from contracts.records import record
from hub import seals
from hub.case_states import CaseState
from hub.journal import Chain
from hub.keys import Keys
from hub.seals import JOURNAL_CHAIN
from hub.store import purged
from hub.store.connection import Connection


@record
class Purge:
    """``run``: its number, 0 when there was nothing to do."""

    run: int
    chains: int
    entries: int


def purge(connection: Connection, region: str, keys: Keys, before: int, at: int, by: str) -> Purge:
    """A unit of work while no hub runs: chains of archived cases with no entry since ``before`` (ms UTC)."""
    seals.seal_now(connection, region, keys, at)
    chains = purged.chains_before(connection, region, CaseState.ARCHIVED.value, before)
    if not chains:
        return Purge(run=0, chains=0, entries=0)
    run = purged.last_run(connection, region) + 1
    proof: list[str] = []
    entries = 0
    for chain in chains:
        hashes = purged.take(connection, region, chain, run)
        proof.append(f"{chain} 1 {hashes.hex()}\n")
        entries += len(hashes) // 32
    digest = keys.suite.digest("".join(proof).encode())
    told = Chain(keys.journal(region), JOURNAL_CHAIN, at)
    codes: dict[str, str | int | bool | None] = {
        "chains": len(chains),
        "entries": entries,
        "before": before,
        "digest": digest,
    }
    told.add("purge", str(run), None, "purged", codes)
    told.write(connection, by)
    seals.seal_now(connection, region, keys, at)
    return Purge(run=run, chains=len(chains), entries=entries)
