"""A running hub seals what it writes and has it noted outside; what somebody else put there is told from it."""

import asyncio
import json
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import AwaitingReply, Delivery, Outcome
from contracts.plugin import Gateway, Runtime
from contracts.records import Fields
from hub import journal_verifier, seals
from hub.anchor import Anchor, AnchorFailed
from hub.app import Hub
from hub.journal import Chain
from hub.journal_verifier import Verdict
from hub.seals import Head
from hub.store.connection import Connection, StoreRefused
from tests.scripted import Scripted, rows, scripted_channel, scripted_hub, settled, submit, until
from tests.small_city import GRANTED

QUICK = {"seal_seconds": 0.05}


def waiting() -> Scripted:
    """A department that answers later."""
    return Scripted(lambda delivery: AwaitingReply())


def anchor_in(folder: Path) -> Path:
    """Where a hub notes its heads unless it is told otherwise."""
    return folder / "anchor" / "journal-heads.jsonl"


def verdict_on(folder: Path, *, stopped: bool = False, anchor: Path | None = None, **more: Any) -> Verdict:
    """What the verifier says, with the anchor: that is read first, since the hub goes on."""
    file = anchor or anchor_in(folder)
    heads = journal_verifier.anchored(file) if file.exists() else []
    with closing(journal_verifier.opened(folder / "data" / "onedoor.db")) as connection:
        return journal_verifier.verify(connection, heads=heads, sealed=stopped, **more)


async def some_cases(hub: Hub, number: int = 3) -> None:
    """Cases under way."""
    for _ in range(number):
        await submit(hub, "API1")


async def test_what_is_written_is_sealed_and_noted_while_the_hub_works(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path, QUICK, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)

        async def nothing_is_pending() -> bool:
            verdict = verdict_on(tmp_path)
            return verdict.seals > 0 and verdict.pending == 0

        await until(nothing_is_pending)
        beside = verdict_on(tmp_path, key=seals.signer_of(hub.keys))
        assert beside.is_whole
        assert beside.seals > 0
        await some_cases(hub)
    after = verdict_on(tmp_path, stopped=True)
    assert after.is_whole
    assert (after.pending, after.seals > beside.seals) == (0, True)
    noted = journal_verifier.anchored(anchor_in(tmp_path))
    assert [head["number"] for head in noted] == list(range(1, after.seals + 1))
    assert anchor_in(tmp_path).stat().st_mode & 0o077 == 0


async def test_sealing_goes_on_where_the_last_life_ended(tmp_path: Path) -> None:
    for _ in range(3):
        async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
            await some_cases(hub)
    verdict = verdict_on(tmp_path, stopped=True)
    assert verdict.is_whole
    assert verdict.epoch == 1


async def test_a_try_that_is_cut_off_at_the_end_writes_nothing_after_the_last_seal(tmp_path: Path) -> None:
    """It answers while the departments' connections are closed: what it would write then, nobody would seal."""

    async def slow(delivery: Delivery) -> Outcome:
        await asyncio.sleep(0.3)
        return GRANTED

    way = scripted_channel(Scripted(slow))

    @asynccontextmanager
    async def closes_slowly(values: Fields, runtime: Runtime) -> AsyncIterator[Gateway]:
        async with way.open(values, runtime) as gateway:
            yield gateway
            await asyncio.sleep(0.6)

    async with scripted_hub(tmp_path, {"drain_seconds": 0.05}, api=replace(way, open=closes_slowly)) as hub:
        case = await submit(hub, "API1")
        await settled(hub, ["sending"], case)
    after = verdict_on(tmp_path, stopped=True)
    assert (after.is_whole, after.pending) == (True, 0)
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        (first, *_) = await rows(hub, "SELECT state, error_code FROM attempt ORDER BY number")
    assert first == {"state": "unknown", "error_code": "process_lost"}


async def test_a_compacted_database_is_sealed_on_without_a_gap(tmp_path: Path) -> None:
    """VACUUM numbers places anew; entries that were purged before make them move."""
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    with closing(sqlite3.connect(tmp_path / "data" / "onedoor.db", isolation_level=None)) as raw:
        raw.execute(
            "INSERT INTO client (region, id, name, key_hash, scope, created_at) VALUES ('x','x','x','x','{}',0)"
        )
        raw.execute("UPDATE journal SET rowid = rowid + 1000 WHERE rowid > 2")
        raw.execute("UPDATE seal SET place = place + 1000")
        raw.execute("VACUUM")
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    verdict = verdict_on(tmp_path, stopped=True)
    assert verdict.is_whole, verdict.findings


async def test_an_entry_that_the_hub_did_not_write_is_reported_and_never_sealed(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    """Anybody can hash an entry; its mark takes the key."""
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    with closing(sqlite3.connect(tmp_path / "data" / "onedoor.db")) as raw, raw:
        region, chain, seq = raw.execute("SELECT region, chain, max(seq) FROM journal GROUP BY chain").fetchone()
        raw.execute(
            "INSERT INTO journal SELECT region, chain, seq + 1, at, 'somebody', changes, hash, mark FROM journal"
            " WHERE chain = ? AND seq = ?",
            (chain, seq),
        )
    async with scripted_hub(tmp_path, QUICK, api=scripted_channel(waiting())) as hub:
        await submit(hub, "API1")
        keys = hub.keys
    assert "forged_entry" in logged()
    with closing(journal_verifier.opened(tmp_path / "data" / "onedoor.db")) as connection:
        journal = keys.journal(region)
        verdict = journal_verifier.verify(connection, genuine=lambda *one: journal.mark(*one[:3]) == one[3])
    assert {(one.chain, one.seq) for one in verdict.findings} == {(chain, seq + 1)}


async def test_a_database_that_was_set_back_is_not_started(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    shutil.copytree(tmp_path / "data", tmp_path / "older")
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "older", tmp_path / "data")
    (finding,) = verdict_on(tmp_path).findings
    assert finding.kind == "rollback"
    with pytest.raises(
        StoreRefused, match=r"noted seal 2 of .* which this database does not hold: it is an older copy"
    ):
        async with scripted_hub(tmp_path):
            raise AssertionError("it must not open")


async def test_a_restored_database_begins_a_new_epoch_and_everybody_can_see_it(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
        keys, region = hub.keys, hub.city.region
    shutil.copytree(tmp_path / "data", tmp_path / "older")
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "older", tmp_path / "data")
    anchor = Anchor(anchor_in(tmp_path))
    with closing(Connection(tmp_path / "data" / "onedoor.db", writable=True)) as connection:
        noted = anchor.last(region)
        assert noted is not None
        head = seals.raise_epoch(connection, region, keys, 1, noted=noted.epoch)
    assert (head.epoch, head.number) == (2, 2)
    async with scripted_hub(tmp_path, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    verdict = verdict_on(tmp_path, stopped=True)
    assert verdict.is_whole, verdict.findings
    assert verdict.restored == ["epoch 2 begins with seal 2"]
    assert anchor.last(region) is not None
    # Setting it back once more is found again: the lost branch excuses nothing.
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "older", tmp_path / "data")
    assert [one.kind for one in verdict_on(tmp_path).findings] == ["rollback"]


async def test_the_service_goes_on_while_the_anchor_is_away_and_notes_everything_later(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    away = tmp_path / "volume" / "heads.jsonl"
    more = {**QUICK, "anchor": away}
    async with scripted_hub(tmp_path, more, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)

        async def sealed() -> bool:
            return bool(await rows(hub, "SELECT number FROM seal"))

        await until(sealed)
        assert not away.parent.exists()
    assert "not_anchored" in logged()
    away.parent.mkdir()
    async with scripted_hub(tmp_path, more, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    verdict = verdict_on(tmp_path, stopped=True, anchor=away)
    assert verdict.is_whole
    assert len(journal_verifier.anchored(away)) == verdict.seals


async def test_the_anchor_command_is_given_each_head(tmp_path: Path) -> None:
    script = "import sys, pathlib; pathlib.Path(sys.argv[1]).open('ab').write(sys.stdin.buffer.read())"
    command = (sys.executable, "-c", script, str(tmp_path / "sent.jsonl"))
    async with scripted_hub(tmp_path, {"anchor_command": command}, api=scripted_channel(waiting())) as hub:
        await some_cases(hub)
    assert (tmp_path / "sent.jsonl").read_text() == anchor_in(tmp_path).read_text()


def head(number: int) -> Head:
    """A head of no journal."""
    return Head(region="310000", epoch=1, number=number, hash="0" * 64, at=0, signer="", signature="")


def test_an_anchor_that_was_cut_off_in_a_line_takes_the_next_one(tmp_path: Path) -> None:
    anchor = Anchor(tmp_path / "heads.jsonl")
    anchor.note([head(1)])
    with anchor.file.open("ab") as file:
        file.write(b'{"region": "31')
    assert [one.number for one in anchor.heads("310000")] == [1]
    anchor.note([head(2)])
    with pytest.raises(AnchorFailed, match="holds a line that is no head"):
        list(anchor.heads("310000"))


def test_an_anchor_says_why_it_failed(tmp_path: Path) -> None:
    with pytest.raises(AnchorFailed, match=r"cannot be written: No such file"):
        Anchor(tmp_path / "away" / "heads.jsonl").note([head(1)])
    with pytest.raises(AnchorFailed, match=r"cannot be read: Is a directory"):
        list(Anchor(tmp_path).heads("310000"))
    for command, why in (("/no/such", "failed: FileNotFoundError"), (shutil.which("false") or "", "ended with 1")):
        with pytest.raises(AnchorFailed, match=why):
            Anchor(tmp_path / "heads.jsonl", (command,)).note([head(1)])


async def test_a_seal_costs_no_statement_on_the_way_of_a_case(tmp_path: Path) -> None:
    """An entry is one look-up and one insert, as it was before there were seals."""
    async with scripted_hub(tmp_path, {"seal_seconds": 3600}) as hub:
        counted: list[str] = []

        def unit(connection: Connection) -> None:
            connection._raw.set_trace_callback(counted.append)
            chain = Chain(hub.city.journal, "client:test", 1)
            chain.add("client", "test", None, "working", {})
            chain.write(connection, "test")
            connection._raw.set_trace_callback(None)

        await hub.writer.run(unit)
    assert [one.split()[0] for one in counted] == ["SELECT", "INSERT"]
    assert json.loads(anchor_in(tmp_path).read_text().splitlines()[0])["epoch"] == 1
