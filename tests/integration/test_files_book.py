"""The book of files over a running hub: contents count once, numbers have no gaps, every day adds up or stays open."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.delivery import AwaitingReply, Batch, Reply
from contracts.errors import DeliveryError, PermanentError
from contracts.exchange import BatchReceipt, Collected, ExchangedFile, FileState, ReceiptVerdict
from contracts.plugin import Channel
from contracts.situation import Batching, ExpectedFile, FileRules, Limits, Situation
from hub import file_watch, files, metrics, reconciliation
from hub.app import Hub
from hub.file_watch import close_day, file_systems, keep_report
from hub.reconciliation import FileSystem, SystemDay
from hub.results import NotAllowed
from hub.store.connection import Connection
from tests.scripted import Batched, from_start, rows, scripted_channel, scripted_hub, settled, submit, until
from tests.small_city import GRANTED, REFUSED, SmallCity

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
OFTEN = Limits(collect_seconds=0.05)


class Exchange(Batched):
    """Takes batches under a name and hands out whatever a test lays there, each once; ``refused`` is what the hub threw in."""

    def __init__(self) -> None:
        super().__init__(lambda batch: {one.id: AwaitingReply() for one in batch.deliveries})
        self.inbox: list[Collected] = []
        self.refused: list[DeliveryError] = []

    def batch_name(self, batch: Batch, /) -> str:
        return f"OUT_{batch.sequence}_{batch.day_sequence}.txt"

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        while self.inbox:
            try:
                yield self.inbox[0]
            except PermanentError as error:
                self.refused.append(error)
            del self.inbox[0]


def way(gateway: Exchange, rules: FileRules | None = None, batching: Batching | None = None) -> Channel:
    made = scripted_channel(
        gateway, Situation.FILE_DROP, batching=batching or Batching(max_size=100, max_wait_seconds=0.05), limits=OFTEN
    )
    return replace(made, files=rules or FileRules())


def file(name: str, content: str = "", **more: Any) -> ExchangedFile:
    digest = hashlib.sha256((content or name).encode()).hexdigest()
    return ExchangedFile(**{"name": name, "digest": digest, "size": 1, "state": FileState.TAKEN, **more})


def results_for(batch: Batch, outcomes: Sequence[Any], name: str = "IN_1.txt", **more: Any) -> Collected:
    replies = tuple(
        Reply(delivery_id=delivery.id, outcome=outcome, happened_at=MONDAY)
        for delivery, outcome in zip(batch.deliveries, outcomes, strict=False)
    )
    return Collected(replies=replies, file=file(name, lines=len(replies), **more))


async def one_batch(hub: Hub, gateway: Exchange, members: int) -> Batch:
    before = len(gateway.batches)
    for _ in range(members):
        await submit(hub, "FILE1")

    async def all_sent() -> bool:
        return sum(len(batch.deliveries) for batch in gateway.batches[before:]) == members

    await until(all_sent)
    await settled(hub, ["waiting"] * len(await rows(hub, "SELECT id FROM delivery")))
    return gateway.batches[before]


async def until_empty(gateway: Exchange) -> None:
    async def empty() -> bool:
        return not gateway.inbox

    await until(empty)
    await asyncio.sleep(0.05)


async def day_of(hub: Hub, day: date | None = None) -> SystemDay:
    (system,) = file_systems(hub)
    wanted = day or hub.city.calendar.local_day(hub.runtime.now())
    return await hub.read(lambda c: reconciliation.system_day(c, hub.city, system, wanted, hub.now_ms()))


async def test_a_day_adds_up_by_number_and_by_case_and_what_does_not_fit_has_a_name(tmp_path: Path) -> None:
    gateway = Exchange()
    batching = Batching(max_size=4, max_wait_seconds=30)
    async with scripted_hub(tmp_path, file=way(gateway, batching=batching)) as hub:
        batch = await one_batch(hub, gateway, 4)
        stranger = Reply(delivery_id=uuid4(), outcome=GRANTED, happened_at=MONDAY)
        found = results_for(batch, [GRANTED, REFUSED, PermanentError("format")])
        gateway.inbox.append(
            replace(found, replies=(*found.replies, stranger), file=file("IN_1.txt", unread=1, lines=5))
        )
        gateway.inbox.append(Collected(file=file("IN_2.txt", state=FileState.QUARANTINED, reason="md5")))
        await until_empty(gateway)
        day = await day_of(hub)
        assert (day.files_out, day.files_in) == (1, 2)
        assert (day.sent, day.accepted, day.rejected, day.pending) == (4, 2, 1, 1)
        assert day.sent == day.accepted + day.rejected + day.pending
        assert sorted(one.kind for one in day.differences) == ["quarantined", "unknown_delivery", "unread"]
        assert {one.stands for one in day.entries} == {"accepted", "rejected", "pending"}
        assert {one.file for one in day.entries} == {"OUT_1_1.txt"}
        json_path, csv_path = keep_report(tmp_path / "reports", day)
        assert json.loads(json_path.read_text())["sent"] == 4
        assert len(csv_path.read_text().splitlines()) == 5
        assert "样例" not in json_path.read_text() + csv_path.read_text()


async def test_the_same_content_counts_once_under_whatever_name(tmp_path: Path) -> None:
    gateway = Exchange()
    async with scripted_hub(tmp_path, file=way(gateway)) as hub:
        batch = await one_batch(hub, gateway, 1)
        gateway.inbox.append(results_for(batch, [GRANTED], "IN_1.txt", content="one"))
        gateway.inbox.append(results_for(batch, [GRANTED], "IN_1.txt", content="one"))
        gateway.inbox.append(results_for(batch, [GRANTED], "IN_7.txt", content="one"))
        await until_empty(gateway)
        await settled(hub, ["done"])
        kept = await rows(hub, "SELECT name, state, times FROM exchanged_file ORDER BY name")
        (reply,) = await rows(hub, "SELECT times FROM reply")
    assert kept == [
        {"name": "IN_1.txt", "state": "taken", "times": 2},
        {"name": "IN_7.txt", "state": "repeated", "times": 1},
    ]
    assert reply == {"times": 1}, "its lines are not even looked at again"


def test_empty_files_are_all_alike_and_each_new_name_answers_another_cut_off(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    cut_offs = [MONDAY + timedelta(days=day, hours=8, minutes=1) for day in range(2)]
    sealed(city, *cut_offs)
    for number, at in enumerate(cut_offs, 1):
        entered(city, at + timedelta(hours=2), file(f"IN_{number}.txt", content="nothing"))
    again, with_lines = file("IN_2.txt", content="nothing"), file("IN_3.txt", content="nothing", lines=1)
    for one in (again, with_lines):
        entered(city, MONDAY + timedelta(days=2), one)
    assert keys(city, expected(), MONDAY + timedelta(days=3)) == []
    kept = city.connection.rows("SELECT name, state, times FROM exchanged_file ORDER BY name", {})
    assert [(one["name"], one["state"], one["times"]) for one in kept] == [
        ("IN_1.txt", "taken", 1),
        ("IN_2.txt", "taken", 2),
        ("IN_3.txt", "repeated", 1),
    ]
    city.close()


def entered(city: SmallCity, at: datetime, one: ExchangedFile) -> None:
    """A file, taken as a look into the folder takes it."""

    def unit(connection: Connection) -> None:
        stands = files.standing(connection, city.city, "BB-file", one)
        files.note(connection, city.city, ("BB-file", "file_drop"), stands.file, int(at.timestamp() * 1000))

    city.unit(unit)


async def test_a_known_name_with_other_content_is_refused_and_applies_nothing(tmp_path: Path) -> None:
    gateway = Exchange()
    async with scripted_hub(tmp_path, file=way(gateway)) as hub:
        batch = await one_batch(hub, gateway, 1)
        gateway.inbox.append(Collected(file=file("IN_1.txt", "one")))
        gateway.inbox.append(results_for(batch, [GRANTED], "IN_1.txt", content="two"))
        await until_empty(gateway)
        await settled(hub, ["waiting"])
        day = await day_of(hub)
    assert [error.code for error in gateway.refused] == ["name_reused"]
    assert [one.kind for one in day.differences] == ["quarantined"]


async def test_a_gap_in_the_numbers_is_an_alarm_until_somebody_explains_it_or_the_file_comes(tmp_path: Path) -> None:
    gateway = Exchange()
    async with scripted_hub(tmp_path, file=way(gateway)) as hub:
        (system,) = file_systems(hub)
        for number in (1, 4):
            gateway.inbox.append(Collected(file=file(f"IN_{number}.txt", sequence=number, scope="20260302")))
        await until_empty(gateway)
        told: dict[str, frozenset[str]] = {}
        await file_watch._alarms(hub, system, told)
        assert metrics.FILE_SEQUENCE_GAPS.labels("BB-file")._value.get() == 2
        assert told["BB-file"] == {"gap:20260302:2", "gap:20260302:3"}
        gateway.inbox.append(Collected(file=file("IN_3.txt", sequence=3, scope="20260302")))
        await until_empty(gateway)
        today = hub.city.calendar.local_day(hub.runtime.now())
        await hub.commit(
            "test",
            lambda c: reconciliation.explain(
                c, hub.city, "BB-file", today, "gap:20260302:2", "test_file", "operator", hub.now_ms()
            ),
        )
        await file_watch._alarms(hub, system, told)
        assert metrics.FILE_SEQUENCE_GAPS.labels("BB-file")._value.get() == 0
        assert [one.reason for one in (await day_of(hub)).differences] == ["test_file"]


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([("", 7), ("", 8)], []),
        ([("", 7), ("", 10)], [":8", ":9"]),
        ([("d1", 2), ("d2", 1)], ["d1:1"]),
        ([("d1", 1), ("d1", 1), ("d1", 2)], []),
        ([("", 7), ("", 70_000)], [f":{number}" for number in range(8, 108)]),
    ],
    ids=["from the first one on", "for good", "within a day from one", "twice", "a jump"],
)
def test_which_numbers_are_missing(numbers: list[tuple[str, int]], missing: list[str]) -> None:
    listed = [{"scope": scope, "sequence": number, "name": "", "day": ""} for scope, number in numbers]
    assert list(files.gaps(listed)) == missing


async def test_a_receipt_acknowledges_the_batch_and_a_wrong_count_is_a_difference(tmp_path: Path) -> None:
    gateway = Exchange()
    rules = FileRules(receipt_within_minutes=60 * 24 * 365)
    async with scripted_hub(tmp_path, file=way(gateway, rules)) as hub:
        batch = await one_batch(hub, gateway, 1)
        name = gateway.batch_name(batch)
        gateway.inbox.append(Collected(receipt=BatchReceipt(name=name, verdict=ReceiptVerdict.ACCEPTED, rows=2)))
        gateway.inbox.append(Collected(receipt=BatchReceipt(name="OUT_9_9.txt", verdict=ReceiptVerdict.ACCEPTED)))
        await until_empty(gateway)
        (row,) = await rows(hub, "SELECT state, receipt, receipt_rows FROM batch")
        day = await day_of(hub)
    assert row == {"state": "acknowledged", "receipt": "accepted", "receipt_rows": 2}
    assert {one.kind for one in day.differences} == {"receipt_rows", "quarantined"}


@pytest.mark.parametrize(
    ("verdict", "state"), [(ReceiptVerdict.REFUSED, "dead"), (ReceiptVerdict.AGAIN, "due")], ids=["for good", "again"]
)
async def test_a_refused_file_ends_its_members_as_the_receipt_says(
    tmp_path: Path, verdict: ReceiptVerdict, state: str
) -> None:
    gateway = Exchange()
    slow = Batching(max_size=2, max_wait_seconds=600)
    async with scripted_hub(tmp_path, file=way(gateway, batching=slow)) as hub:
        batch = await one_batch(hub, gateway, 2)
        name = gateway.batch_name(batch)
        gateway.inbox.append(Collected(receipt=BatchReceipt(name=name, verdict=verdict, code="98")))
        await settled(hub, [state, state])
        (row,) = await rows(hub, "SELECT state FROM batch")
        assert row == {"state": "rejected"}
        assert [one.kind for one in (await day_of(hub)).differences] == ["refused"]


async def test_a_day_with_an_unexplained_difference_cannot_be_closed(tmp_path: Path) -> None:
    gateway = Exchange()
    later = {"clock": from_start(MONDAY, 1.0)}
    async with scripted_hub(tmp_path, later, file=way(gateway)) as hub:
        batch = await one_batch(hub, gateway, 1)
        gateway.inbox.append(results_for(batch, [GRANTED]))
        gateway.inbox.append(Collected(file=file("IN_2.txt", state=FileState.QUARANTINED, reason="md5")))
        await until_empty(gateway)
        (system,) = file_systems(hub)
        today = hub.city.calendar.local_day(hub.runtime.now())
        with pytest.raises(NotAllowed, match="is not over"):
            await hub.commit("test", lambda c: reconciliation.close(c, hub.city, system, today, "me", hub.now_ms()))
        (difference,) = (await day_of(hub)).differences
        tomorrow = hub.now_ms() + 86_400_000
        with pytest.raises(NotAllowed, match="1 differences of BB-file"):
            await hub.commit("test", lambda c: reconciliation.close(c, hub.city, system, today, "me", tomorrow))
        await hub.commit(
            "test",
            lambda c: reconciliation.explain(
                c, hub.city, "BB-file", today, difference.key, "sent_again", "me", hub.now_ms()
            ),
        )
        closed = await hub.commit("test", lambda c: reconciliation.close(c, hub.city, system, today, "me", tomorrow))
        assert (closed.sent, closed.accepted) == (1, 1)
        again = await close_day(hub, system, today, "hub")
        assert again is not None
        assert again.closed_by == "me"
        (kept,) = await rows(hub, "SELECT sent, accepted, rejected, pending, by FROM day_closing")
    assert kept == {"sent": 1, "accepted": 1, "rejected": 0, "pending": 0, "by": "me"}


async def test_each_day_is_reconciled_and_closed_by_itself_when_it_is_over(tmp_path: Path) -> None:
    gateway = Exchange()
    quick = {"clock": from_start(MONDAY, 20_000.0)}
    async with scripted_hub(tmp_path, quick, file=way(gateway)) as hub:
        await one_batch(hub, gateway, 1)

        async def closed() -> bool:
            return bool(await rows(hub, "SELECT day FROM day_closing"))

        await until(closed, 30)
        (row,) = await rows(hub, "SELECT day, by, sent, pending FROM day_closing LIMIT 1")
        await asyncio.sleep(0.3)
    assert (row["by"], row["sent"], row["pending"]) == ("hub", 1, 1)
    assert (tmp_path / "data/reports" / f"files-{row['day']}-BB-file.json").exists()
    assert (tmp_path / "data/reports" / f"files-{row['day']}-BB-file.csv").stat().st_mode & 0o777 == 0o600


FRIDAY = datetime(2026, 4, 30, 9, 5, tzinfo=UTC)  # Thursday 17:05; Friday the 1st of May is a holiday


def expected(cut_offs: tuple[str, ...] = ("11:30", "17:00"), **more: Any) -> FileSystem:
    rule = ExpectedFile(**{"after_cut_off": "17:00", "days": 1, "by": "09:30", **more})
    return FileSystem(name="BB-file", batching=Batching(cut_offs=cut_offs), rules=FileRules(expected=(rule,)))


def sealed(city: SmallCity, *times: datetime) -> None:
    for number, at in enumerate(times, 1):
        at_ms = int(at.timestamp() * 1000)
        row = {
            "region": "310000",
            "id": f"b{number}",
            "system": "BB-file",
            "situation": "file_drop",
            "sequence": number,
            "state": "sent",
            "digest": "",
            "blob": "",
            "members": 0,
            "sealed_at": at_ms,
            "changed_at": at_ms,
        }
        city.unit(lambda c: c.insert("batch", row))  # noqa: B023 - run at once


def arrived(city: SmallCity, at: datetime, name: str = "IN_1.txt") -> None:
    queue = ("BB-file", "file_drop")
    city.unit(lambda c: files.note(c, city.city, queue, file(name), int(at.timestamp() * 1000)))


def keys(city: SmallCity, system: FileSystem, now: datetime) -> list[str]:
    found = reconciliation.missing(city.connection, city.city, system, int(now.timestamp() * 1000))
    return [one.key for one, _ in found]


def test_an_expected_file_is_missing_after_working_days_and_the_grace_of_the_alarm(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    sealed(city, FRIDAY)
    monday = datetime(2026, 5, 4, 1, 30, tzinfo=UTC)  # 09:30 on the first working day after the holiday
    assert keys(city, expected(), monday + timedelta(minutes=59)) == []
    assert keys(city, expected(), monday + timedelta(minutes=61)) == ["missing:2026-04-30:17:00"]
    assert keys(city, expected(calendar="daily"), FRIDAY + timedelta(hours=18)) == ["missing:2026-04-30:17:00"]
    arrived(city, monday + timedelta(hours=2))
    assert keys(city, expected(), monday + timedelta(hours=3)) == []
    city.close()


def test_a_late_file_answers_the_oldest_cut_off_and_not_two(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    sealed(city, MONDAY + timedelta(hours=8, minutes=1), MONDAY + timedelta(days=1, hours=8, minutes=1))
    arrived(city, MONDAY + timedelta(days=2))
    late = MONDAY + timedelta(days=3)
    assert keys(city, expected(), late) == ["missing:2026-03-03:17:00"]
    city.close()


def test_files_of_other_cut_offs_expect_nothing_and_an_unpublished_year_is_not_guessed(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    sealed(city, MONDAY + timedelta(hours=3), datetime(2026, 12, 31, 9, 5, tzinfo=UTC))
    assert keys(city, expected(), MONDAY + timedelta(days=9)) == []
    assert keys(city, expected(), datetime(2027, 1, 20, tzinfo=UTC)) == []
    city.close()


def test_a_receipt_that_does_not_come_is_an_alarm(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    sealed(city, MONDAY)
    system = FileSystem(name="BB-file", batching=None, rules=FileRules(receipt_within_minutes=120))

    def told(after: timedelta) -> list[str]:
        now = int((MONDAY + after).timestamp() * 1000)
        return [one.key for one in reconciliation.alarms(city.connection, city.city, system, now)]

    assert told(timedelta(minutes=119)) == []
    assert told(timedelta(minutes=121)) == ["no_receipt:1"]
    city.close()


def test_results_late_out_of_order_and_over_several_files_each_count_once(tmp_path: Path) -> None:
    """Two files that answer half of each of two batches, the second day's before the first day's."""
    city = SmallCity(tmp_path)
    cases = [city.submit("FILE1") for _ in range(4)]
    claimed = city.claim("BB-file")
    for row in claimed:
        city.end(city.begin(row), AwaitingReply())
    order = [claimed[3], claimed[0], claimed[2], claimed[1]]
    for row in order:
        city.later(days=2)
        assert city.reply(row["id"], GRANTED).verdict == "applied"
        assert city.reply(row["id"], GRANTED).verdict == "duplicate"
    assert {city.status(case) for case in cases} == {"50"}
    assert city.deliveries(cases[0])[0]["state"] == "done"
    stranger = Reply(delivery_id=UUID(int=1), outcome=GRANTED, happened_at=city.now)
    from hub import results  # noqa: PLC0415 - only here

    change = city.unit(lambda c: results.reply(c, city.city, "BB-file", stranger, city.at))
    assert change.verdict == "unknown_delivery"
    city.close()
