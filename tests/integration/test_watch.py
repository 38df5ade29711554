"""What happens without a message goes on, whatever one case, one delivery or one reply does."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import AwaitingReply, Delivery, NotFound, Outcome, Reply
from contracts.envelope import CaseApplication
from contracts.errors import TemporaryError
from contracts.situation import Limits, Situation
from hub import metrics, results
from hub.app import Hub
from hub.results import Change, NewCase
from hub.systems import OpenChannel
from hub.watch import Watch, collect
from tests.scripted import (
    Asked,
    Scripted,
    from_start,
    rows,
    scripted_channel,
    scripted_hub,
    settled,
    states,
    submit,
    until,
)
from tests.small_city import CENTRE, GRANTED, START

DAY_IN_A_TENTH = {"clock": from_start(START, 864_000.0)}


async def hand_in(hub: Hub, message: str) -> str:
    """A case that nobody has accepted yet."""
    new = NewCase(
        application=CaseApplication(
            item="API1", receiving_centre=CENTRE, applicant={"name": "赵样例", "id_type": "111"}, form={}
        ),
        item=hub.city.item("API1", 1),
        source="/test",
        message_id=message,
        digest=message,
        client="test",
    )
    change: Change = await hub.commit("test", lambda c: results.receive(c, hub.city, new, hub.now_ms()))
    return change.case_no


async def change(hub: Hub, statement: str, **parameters: Any) -> None:
    """Change the database behind the hub's back."""
    await hub.commit("test", lambda c: c.run(statement, parameters))


async def deemed_accepted(hub: Hub, case_no: str) -> None:
    """Wait until the clock has moved the case."""

    async def moved() -> bool:
        (row,) = await rows(hub, "SELECT status FROM case_file WHERE case_no = :n", n=case_no)
        return bool(row["status"] != "10")

    await until(moved)


async def test_a_case_that_cannot_be_moved_does_not_hold_up_the_others(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    async with scripted_hub(tmp_path, DAY_IN_A_TENTH) as hub:
        broken, sound = await hand_in(hub, "1"), await hand_in(hub, "2")
        assert broken < sound
        await change(hub, "UPDATE case_file SET item = '赵样例' WHERE case_no = :n", n=broken)
        await deemed_accepted(hub, sound)
    told = logged()
    assert "NotReceivable" in told
    assert "赵样例" not in told


async def test_a_turn_that_fails_is_followed_by_the_next_one(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path, DAY_IN_A_TENTH) as hub:
        case_no = await hand_in(hub, "1")
        for name in ("case_step", "delivery"):
            await change(hub, f"ALTER TABLE {name} RENAME TO {name}_away")
        await asyncio.sleep(0.5)
        for name in ("case_step", "delivery"):
            await change(hub, f"ALTER TABLE {name}_away RENAME TO {name}")
        await deemed_accepted(hub, case_no)


async def copies(hub: Hub, table: str, number: int, **columns: str) -> None:
    """More rows like the only one of a table; ``columns`` are expressions over the ordinal ``i``."""
    names = [row["name"] for row in await rows(hub, f"PRAGMA table_info({table})")]
    values = ", ".join(columns.get(name, f'"{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    await change(
        hub,
        f"INSERT INTO {table} ({quoted}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)"
        f" SELECT {values} FROM {table}, n WHERE true",
        number=number,
    )


async def test_cases_that_wait_for_a_person_do_not_keep_time_from_the_others(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path) as hub:
        await hand_in(hub, "1")
        await change(hub, "UPDATE case_file SET status = '11', changed_at = changed_at - 3 * 86400000, case_no = '0'")
        await copies(hub, "case_file", 5, case_no="'0' || i")
        due = await hand_in(hub, "2")
        long_ago = "changed_at = changed_at - 20 * 86400000, received_at = received_at - 20 * 86400000"
        await change(hub, f"UPDATE case_file SET {long_ago} WHERE case_no = :n", n=due)
        turns = asyncio.create_task(Watch(hub, {}, page=2).cases())
        await deemed_accepted(hub, due)
        turns.cancel()


class Silent(Asked):
    """A department that never answers an enquiry before the test lets it."""

    def __init__(self) -> None:
        super().__init__(lambda delivery: AwaitingReply(next_poll_at=datetime.now(UTC)), lambda delivery: GRANTED)
        self.answered = asyncio.Event()

    async def enquire(self, delivery: Delivery, /) -> Outcome | NotFound:
        """Wait."""
        await self.answered.wait()
        return await super().enquire(delivery)


async def test_a_department_that_answers_no_enquiry_keeps_nobody_elses_deliveries_waiting(tmp_path: Path) -> None:
    silent = Silent()
    soon = datetime.now(UTC) + timedelta(seconds=1)
    prompt = Asked(lambda delivery: AwaitingReply(next_poll_at=soon), lambda delivery: GRANTED)
    channels = {"api": scripted_channel(silent), "file": scripted_channel(prompt, Situation.FILE_DROP)}
    async with scripted_hub(tmp_path, None, **channels) as hub:
        await settled(hub, ["waiting"], await submit(hub, "API1"))
        await copies(hub, "delivery", 600, id="printf('00000000-0000-4000-8000-%012d', i)", subject="CAST(i AS TEXT)")
        case_no = await submit(hub, "FILE1")
        await settled(hub, ["done"], case_no)
        silent.answered.set()
    assert len(prompt.asked) == 1


async def test_a_delivery_that_cannot_be_looked_at_rests_and_the_next_one_is_looked_at(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    prompt = Asked(
        lambda delivery: AwaitingReply(next_poll_at=datetime.now(UTC) + timedelta(seconds=0.5)),
        lambda delivery: GRANTED,
    )
    async with scripted_hub(tmp_path, api=scripted_channel(prompt)) as hub:
        broken = await submit(hub, "API1")
        await settled(hub, ["waiting"], broken)
        await change(hub, "UPDATE delivery SET sealed_fields = x'00' WHERE case_no = :n", n=broken)
        await settled(hub, ["done"], await submit(hub, "API1"))
        await settled(hub, ["waiting"], broken)
    assert logged().count("look_failed") == 1


class Files(Scripted):
    """A gateway with files to fetch; it remembers which were archived. ``before`` runs before each file is handed over."""

    def __init__(self, before: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__(lambda delivery: AwaitingReply())
        self.files: list[Sequence[Reply]] = []
        self.archived: list[int] = []
        self.before = before
        self.calls = 0

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """What lies there."""
        self.calls += 1
        for number, file in enumerate(self.files):
            if number not in self.archived:
                if self.before is not None:
                    await self.before()
                yield file
                self.archived.append(number)


OFTEN = Limits(collect_seconds=0.05)


def answer(delivery: Delivery, outcome: Outcome = GRANTED) -> Reply:
    """What a file says of a delivery."""
    return Reply(delivery_id=delivery.id, outcome=outcome, happened_at=datetime.now(UTC))


async def archived(gateway: Files, number: int) -> None:
    """Wait for so many archived files."""

    async def so_many() -> bool:
        return len(gateway.archived) == number

    await until(so_many)


async def test_a_reply_that_cannot_be_taken_spoils_neither_its_file_nor_the_next_one(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    gateway = Files()
    before = metrics.BUGS.labels("collect")._value.get()
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=OFTEN)) as hub:
        cases = [await submit(hub, "API1") for _ in range(4)]
        await settled(hub, ["waiting"] * 4, *cases)
        of = {seen.case_no: seen for seen in gateway.seen}
        await change(hub, "UPDATE case_file SET item = '赵样例' WHERE case_no = :n", n=cases[1])
        gateway.files = [[answer(of[case_no]) for case_no in cases[:3]], [answer(of[cases[3]])]]
        await archived(gateway, 2)
        assert await states(hub, *cases) == ["done", "waiting", "done", "done"]
    assert metrics.BUGS.labels("collect")._value.get() == before + 1
    told = logged()
    assert "reply_not_taken" in told
    assert "赵样例" not in told


async def test_a_file_stays_where_it_is_while_nothing_can_be_stored(tmp_path: Path) -> None:
    gateway = Files()
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=OFTEN)) as hub:
        case_no = await submit(hub, "API1")
        await settled(hub, ["waiting"], case_no)
        other = sqlite3.connect(tmp_path / "data" / "onedoor.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        gateway.files = [[answer(gateway.seen[0])]]
        calls = gateway.calls
        await until_called(gateway, calls + 2, seconds=20)
        assert gateway.archived == []
        other.execute("ROLLBACK")
        other.close()
        await archived(gateway, 1)
        await settled(hub, ["done"], case_no)


async def until_called(gateway: Files, calls: int, seconds: float = 10.0) -> None:
    """Wait for so many rounds of collecting."""

    async def so_often() -> bool:
        return gateway.calls >= calls

    await until(so_often, seconds)


async def test_collecting_that_hangs_is_ended_and_tried_again(tmp_path: Path) -> None:
    async def hang() -> None:
        if gateway.calls == 1:
            await asyncio.sleep(3600)

    gateway = Files(hang)
    limits = Limits(collect_seconds=0.05, attempt_seconds=0.1)
    gateway.files = [[]]
    async with scripted_hub(tmp_path) as hub:
        opened = OpenChannel(system="AA-api", channel=scripted_channel(gateway, limits=limits), gateway=gateway)
        collecting = asyncio.create_task(collect(hub, opened, gateway, patience_seconds=0.1))
        await archived(gateway, 1)
        collecting.cancel()
    assert gateway.calls >= 2


@pytest.mark.parametrize(
    "wrong", [RuntimeError("赵样例"), SystemExit(3), TemporaryError("busy", "赵样例"), TimeoutError()]
)
async def test_collecting_goes_on_after_an_error_and_the_log_has_only_its_kind(
    wrong: BaseException, tmp_path: Path, logged: Callable[[], str]
) -> None:
    async def fail() -> None:
        if gateway.calls == 1:
            raise wrong

    gateway = Files(fail)
    gateway.files = [[]]
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=OFTEN)):
        await archived(gateway, 1)
    told = logged()
    assert "赵样例" not in told
    assert "plugin_bug" in told or "collect_failed" in told
