"""A delivery that changes its channel: to a fallback and back, by a person, by a rule, or because the site is configured otherwise."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import AwaitingReply, Completed, Decision, Delivery, Lookup, NotFound
from contracts.envelope import TaskCompletion
from contracts.errors import CredentialsError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Channel
from contracts.situation import AutoFallback, Batching, ChannelStatus, Limits, Situation
from contracts.task_sheet import TaskSheet
from hub import fallback, results
from hub.app import Hub
from hub.clock import calendar
from hub.results import Change, NotAllowed, Overtaken
from hub.store.connection import Connection
from tests.scripted import (
    Answer,
    Asked,
    Batched,
    Scripted,
    from_start,
    reply,
    rows,
    scripted_channel,
    scripted_hub,
    settled,
    submit,
    until,
)
from tests.small_city import GRANTED, REFUSED, small_calendar, systems

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def on_paper(delivery: Delivery) -> Answer:
    """As the paper channel answers: with a sheet, and with the warning where somebody else may have the message."""
    notice = "可能已在系统受理，请先查询" if delivery.possible_duplicate else ""
    return AwaitingReply(
        task_sheet=TaskSheet(
            form="X", title_zh="样例", title_en="Sample", todo_zh="", todo_en="", lines=[], boxes=[], notice_zh=notice
        )
    )


def paper(status: ChannelStatus = ChannelStatus.FALLBACK, rule: AutoFallback | None = None) -> tuple[Scripted, Channel]:
    gateway = Scripted(on_paper)
    return gateway, scripted_channel(gateway, Situation.PAPER, status=status, auto_fallback=rule)


def always(answer: Answer) -> Scripted:
    return Scripted(lambda delivery: answer)


async def switch(hub: Hub, delivery: str, situation: str | None, **more: Any) -> Change:
    def unit(connection: Connection) -> Change:
        return results.switch(connection, hub.city, delivery, situation, "operator-1", hub.now_ms(), **more)

    return await hub.commit("test", unit)


async def only(hub: Hub) -> dict[str, Any]:
    (row,) = await rows(hub, "SELECT * FROM delivery")
    return row


async def until_seen(gateway: Scripted, number: int = 1) -> Delivery:
    async def check() -> bool:
        return len(gateway.seen) >= number

    await until(check)
    return gateway.seen[number - 1]


@pytest.mark.parametrize(
    ("answer", "state", "doubtful"),
    [
        (TemporaryError("refused"), "due", False),
        (CredentialsError("login"), "held", False),
        (PermanentError("format"), "dead", False),
        (OutcomeUnknownError("timeout"), "unknown", True),
        (AwaitingReply(), "waiting", True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_person_sends_by_the_fallback_under_the_same_id_and_a_doubt_is_on_the_sheet(
    tmp_path: Path, answer: Answer, state: str, doubtful: bool
) -> None:
    api, (sheets, way) = always(answer), paper()
    hours = {"retry": {"first_seconds": 600, "cap_seconds": 600}}
    sending = scripted_channel(api, resend_is_safe=False)
    async with scripted_hub(tmp_path, hours, api=(sending, way)) as hub:
        await submit(hub, "API1")
        first = await until_seen(api)
        await settled(hub, [state])
        await switch(hub, str(first.id), "paper")
        second = await until_seen(sheets)
        await settled(hub, ["waiting"])
        (sheet,) = await rows(hub, "SELECT delivery, version FROM sheet")
        tasks = await rows(hub, "SELECT kind FROM task WHERE state = 'ready' AND step = 's2'")
        (attempt,) = await rows(hub, "SELECT possible_duplicate FROM attempt WHERE situation = 'paper'")
    assert second.id == first.id
    assert sheet == {"delivery": str(first.id), "version": 1}
    assert second.possible_duplicate is doubtful
    assert attempt["possible_duplicate"] == doubtful
    assert [task["kind"] for task in tasks] == ["sheet"], "nobody is asked about it any more"
    assert len(api.seen) == 1


async def test_a_reply_of_the_former_channel_counts_and_a_contradicting_sheet_goes_to_a_person(tmp_path: Path) -> None:
    api, (sheets, way) = always(AwaitingReply()), paper()
    async with scripted_hub(tmp_path, api=(scripted_channel(api), way)) as hub:
        await submit(hub, "API1")
        first = await until_seen(api)
        await settled(hub, ["waiting"])
        await switch(hub, str(first.id), "paper")
        await until_seen(sheets)
        await settled(hub, ["waiting"])
        assert (await reply(hub, first, GRANTED)).verdict == "applied"
        (task,) = await rows(hub, "SELECT id, state, sheet_no FROM task WHERE kind = 'sheet'")
        assert task["state"] == "obsolete"
        same = TaskCompletion(id="c1", by="clerk-1", sheet_no=task["sheet_no"], sheet_version=1, result_code="A")
        with pytest.raises(Overtaken):
            await complete(hub, task["id"], same, Completed(decision=Decision.GRANTED, fields={}))
        other = TaskCompletion(id="c2", by="clerk-1", sheet_no=task["sheet_no"], sheet_version=1, result_code="B")
        told = await complete(hub, task["id"], other, REFUSED)
        kinds = await rows(hub, "SELECT kind FROM task WHERE state = 'ready' AND kind = 'contradiction'")
        assert (await only(hub))["state"] == "done"
    assert told.verdict == "contradiction"
    assert len(kinds) == 1


async def complete(hub: Hub, task: str, told: TaskCompletion, outcome: Completed) -> Change:
    return await hub.commit("test", lambda c: results.complete(c, hub.city, task, told, hub.now_ms(), outcome))


async def test_a_sheet_is_handed_back_only_while_it_is_void_and_in_nobodys_hands(tmp_path: Path) -> None:
    answers: list[Answer] = [TemporaryError("refused"), GRANTED]
    api, (sheets, way) = Scripted(lambda delivery: answers.pop(0)), paper()
    slow = {"retry": {"first_seconds": 600, "cap_seconds": 600}}
    async with scripted_hub(tmp_path, slow, api=(scripted_channel(api), way)) as hub:
        await submit(hub, "API1")
        delivery = str((await until_seen(api)).id)
        await settled(hub, ["due"])
        with pytest.raises(NotAllowed, match="own channel already"):
            await switch(hub, delivery, None)
        await switch(hub, delivery, "paper")
        await until_seen(sheets)
        await settled(hub, ["waiting"])
        (task,) = await rows(hub, "SELECT id, sheet_no FROM task WHERE kind = 'sheet'")
        number = task["sheet_no"]

        async def act(unit: Callable[[Connection], Any]) -> None:
            await hub.commit("test", unit)

        await act(lambda c: results.reserve(c, hub.city, task["id"], "clerk-1", hub.now_ms()))
        with pytest.raises(NotAllowed, match="in the hands of clerk-1"):
            await switch(hub, delivery, None)
        await act(lambda c: results.release(c, hub.city, task["id"], "clerk-1", hub.now_ms()))
        await act(lambda c: results.count_print(c, hub.city, number, hub.now_ms(), "clerk-1"))
        with pytest.raises(NotAllowed, match="printed 1 times"):
            await switch(hub, delivery, None)
        await switch(hub, delivery, None, sheet_void=True)
        await settled(hub, ["done"])
        with pytest.raises(NotAllowed, match="void"):
            await act(lambda c: results.count_print(c, hub.city, number, hub.now_ms(), "clerk-1"))
        told = TaskCompletion(id="c1", by="clerk-1", sheet_no=number, sheet_version=1, result_code="A")
        with pytest.raises(NotAllowed, match="void"):
            await complete(hub, task["id"], told, REFUSED)
    assert [seen.possible_duplicate for seen in api.seen] == [False, True], "the department may have seen the print"


async def test_a_delivery_that_comes_to_paper_again_gets_a_new_version_of_its_sheet(tmp_path: Path) -> None:
    api, (sheets, way) = always(PermanentError("format")), paper()
    async with scripted_hub(tmp_path, api=(scripted_channel(api), way)) as hub:
        await submit(hub, "API1")
        delivery = str((await until_seen(api)).id)
        await settled(hub, ["dead"])
        await switch(hub, delivery, "paper")
        await settled(hub, ["waiting"])
        await switch(hub, delivery, None)
        await settled(hub, ["dead"])
        await switch(hub, delivery, "paper")
        await settled(hub, ["waiting"])
        (sheet,) = await rows(hub, "SELECT version, voided_at FROM sheet")
    assert sheet == {"version": 2, "voided_at": None}
    assert len(sheets.seen) == 2


async def test_nothing_goes_by_a_channel_that_is_no_fallback_or_while_it_is_under_way(tmp_path: Path) -> None:
    stay = asyncio.Event()

    async def held(delivery: Delivery) -> Answer:
        await stay.wait()
        return GRANTED

    _, way = paper()
    async with scripted_hub(tmp_path, api=(scripted_channel(Scripted(held)), way)) as hub:
        await submit(hub, "API1")
        await settled(hub, ["sending"])
        delivery = (await only(hub))["id"]
        with pytest.raises(NotAllowed, match="cannot change its channel"):
            await switch(hub, delivery, "paper")
        with pytest.raises(NotAllowed, match="has no fallback channel file_drop"):
            await switch(hub, delivery, "file_drop")
        stay.set()
        await settled(hub, ["done"])


async def test_a_rule_takes_the_fallback_when_the_breaker_stays_open_and_what_comes_later_follows(
    tmp_path: Path,
) -> None:
    rule = AutoFallback(breaker_open_minutes=1)
    api, (sheets, way) = always(TemporaryError("refused")), paper(rule=rule)
    quick = {"clock": from_start(MONDAY, 600.0), "breaker_failures": 2, "breaker_seconds": 30}
    async with scripted_hub(tmp_path, quick, api=(scripted_channel(api), way)) as hub:
        await submit(hub, "API1")
        await until_seen(sheets)
        await submit(hub, "API1")
        await until_seen(sheets, 2)
        await settled(hub, ["waiting", "waiting"])
        journal = await rows(hub, "SELECT by FROM journal WHERE by LIKE 'rule:%'")
    assert {row["by"] for row in journal} == {"rule:breaker_open"}
    assert not any(seen.possible_duplicate for seen in sheets.seen)


async def test_a_rule_moves_what_is_due_soon_and_from_waiting_only_where_it_says_so(tmp_path: Path) -> None:
    api, (sheets, way) = always(AwaitingReply()), paper(rule=AutoFallback(due_within_working_days=30))
    quick = {"clock": from_start(MONDAY, 600.0)}
    async with scripted_hub(tmp_path, quick, api=(scripted_channel(api), way)) as hub:
        await submit(hub, "API1")
        await settled(hub, ["waiting"])
        await asyncio.sleep(0.5)
        assert sheets.seen == []
    _, way = paper(rule=AutoFallback(due_within_working_days=30, also_from=("waiting",)))
    async with scripted_hub(tmp_path, quick, api=(scripted_channel(api), way)) as hub:

        async def by_paper() -> bool:
            return bool((await only(hub))["via"] == "paper")

        await until(by_paper)
        await settled(hub, ["waiting"])
        (attempt,) = await rows(hub, "SELECT possible_duplicate FROM attempt WHERE situation = 'paper'")
    assert attempt["possible_duplicate"]


def test_nearer_counts_working_days_of_the_sites_calendar() -> None:
    table = calendar("Asia/Shanghai", small_calendar())
    eve = datetime(2026, 4, 30, 4, 0, tzinfo=UTC)  # Friday the 1st of May is a holiday
    assert fallback.nearer_than(eve, 1, table) == datetime(2026, 5, 3, 16, 0, tzinfo=UTC)
    assert fallback.nearer_than(datetime(2026, 12, 31, 4, 0, tzinfo=UTC), 1, table) is None


async def test_what_the_encoding_cannot_carry_goes_to_paper_where_the_system_declares_it(tmp_path: Path) -> None:
    class Narrow(Batched):
        def prepare(self, delivery: Delivery, /) -> bytes:
            raise PermanentError("needs_paper")

    sheets, way = paper()
    files = scripted_channel(
        Narrow(lambda batch: {}), Situation.FILE_DROP, batching=Batching(max_size=1, max_wait_seconds=0.1)
    )
    async with scripted_hub(tmp_path, file=(files, way)) as hub:
        await submit(hub, "FILE1")
        await until_seen(sheets)
        await settled(hub, ["waiting"])
        assert (await only(hub))["via"] == "paper"
    assert not sheets.seen[0].possible_duplicate, "nothing has left before"


async def test_a_system_that_moves_from_files_to_an_interface_takes_its_cases_along(tmp_path: Path) -> None:
    """Waiting, unknown, frozen into a file that never got through, and new: with a restart of the hub in between."""
    answers: list[Any] = []

    def verdicts(batch: Any) -> Any:
        answer = answers.pop(0) if answers else TemporaryError("connect_refused")
        if isinstance(answer, Exception):
            raise answer
        return {delivery.id: answer for delivery in batch.deliveries}

    files = Batched(verdicts)

    def as_file(status: ChannelStatus) -> Channel:
        return scripted_channel(
            files, Situation.FILE_DROP, batching=Batching(max_size=1), resend_is_safe=False, status=status
        )

    slow = {"retry": {"first_seconds": 600, "cap_seconds": 600}}
    answers += [AwaitingReply(), OutcomeUnknownError("timeout"), TemporaryError("connect_refused")]
    async with scripted_hub(tmp_path, slow, file=as_file(ChannelStatus.SENDING)) as hub:
        for state in ("waiting", "unknown", "due"):
            await submit(hub, "FILE1")
            await settled(hub, [*["waiting", "unknown", "due"][: ["waiting", "unknown", "due"].index(state) + 1]])
        waiting = files.batches[0].deliveries[0]
    api = always(GRANTED)
    quick = {"retry": {"first_seconds": 0.02, "cap_seconds": 0.1}}
    both = (scripted_channel(api, Situation.API), as_file(ChannelStatus.FORMER))
    async with scripted_hub(tmp_path, quick, file=both) as hub:
        await hub.commit("test", lambda c: c.run("UPDATE delivery SET next_at = 0 WHERE state = 'due'"))
        await submit(hub, "FILE1")
        await settled(hub, ["waiting", "unknown", "done", "done"])
        assert (await reply(hub, waiting, GRANTED)).verdict == "applied"
        await settled(hub, ["done", "unknown", "done", "done"])
        unknown = (await rows(hub, "SELECT id FROM delivery WHERE state = 'unknown'"))[0]["id"]
        await hub.commit("test", lambda c: results.operate(c, hub.city, unknown, "resend", "staff", hub.now_ms()))
        await settled(hub, ["done"] * 4)
    assert [seen.possible_duplicate for seen in api.seen] == [False, False, True]


async def test_an_unknown_of_a_former_channel_is_asked_there_and_never_resent_by_itself(tmp_path: Path) -> None:
    asked = Asked(lambda delivery: OutcomeUnknownError("timeout"), lambda delivery: NotFound(what=Lookup.CANNOT_TELL))
    former = scripted_channel(asked, resend_is_safe=True, status=ChannelStatus.FORMER)
    slow = {"retry": {"first_seconds": 0.02, "cap_seconds": 0.1}}
    gate = asyncio.Event()

    async def stuck(delivery: Delivery) -> Answer:
        await gate.wait()
        return GRANTED

    async with scripted_hub(tmp_path, slow, api=scripted_channel(Scripted(stuck))) as hub:
        await submit(hub, "API1")
        await settled(hub, ["sending"])
        for lane in hub.all_lanes():
            for task in lane._tasks:
                task.cancel()
    sheets, way = paper(status=ChannelStatus.SENDING)
    async with scripted_hub(tmp_path, slow, api=(way, former)) as hub:

        async def a_person_is_asked() -> bool:
            return bool(await rows(hub, "SELECT id FROM task WHERE kind = 'unknown'"))

        await until(a_person_is_asked)
        assert (await only(hub))["state"] == "unknown"
    assert len(asked.asked) == 1
    assert sheets.seen == []


async def test_a_person_gets_what_runs_out_of_time_although_its_lane_is_held(tmp_path: Path) -> None:
    hours = 24.0 * 14 * 2
    quick = {"clock": from_start(MONDAY, 60_000.0)}
    limits = Limits(hand_over_hours=hours)
    async with scripted_hub(tmp_path, quick, api=scripted_channel(always(GRANTED), limits=limits)) as hub:
        await hub.lanes["AA-api"].hold("operator-1")
        await submit(hub, "API1")

        async def handed_over() -> bool:
            return bool(await rows(hub, "SELECT id FROM task WHERE kind = 'dead'"))

        await until(handed_over, 30)
        row = await only(hub)
        assert (row["state"], row["cause"]) == ("held", "deadline")
        assert hub.now_ms() < row["send_before"] + 30 * 86_400_000


def test_hand_over_leaves_at_least_half_of_the_time() -> None:
    facts = systems()["AA-api"]
    assert facts.hand_over_at({"send_before": 10_000, "created_at": 0}) == 10_000
    day = int(timedelta(days=1) / timedelta(milliseconds=1))
    careful = replace(facts, hand_over_ms=day)
    assert careful.hand_over_at({"send_before": 10 * day, "created_at": 0}) == 9 * day
    assert careful.hand_over_at({"send_before": day, "created_at": 0}) == day // 2
