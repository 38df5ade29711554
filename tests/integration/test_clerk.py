"""The simulated clerk against a hub that is a real HTTP server: reads, decides, confirms, keeps his ledger."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from contracts.delivery import Completed, Confirmation, Decision, Returned
from contracts.envelope import TaskCompletion
from contracts.errors import TemporaryError
from contracts.records import adapter
from contracts.task_sheet import parse_sheet_code
from simulators.clerk import Desk, Tally, clerk, decide
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.ledger import Ledger
from simulators.sheet_reader import Blank, ReadSheet, UnreadableSheetError, read_sheet
from tests.paper_world import CASE_NO, MAC, NUMBER, a_sheet, delivery, gateway, numbered, system

SECONDS = 20


@dataclass
class Hub:
    """What arrives at ``POST /v1/tasks/{number}/complete``; ``answers``: statuses to give first, 200 after that."""

    answers: list[int] = field(default_factory=list)
    calls: list[tuple[str, str, TaskCompletion]] = field(default_factory=list)

    async def complete(self, request: web.Request) -> web.Response:
        status = self.answers.pop(0) if self.answers else 200
        completion = adapter(TaskCompletion).validate_json(await request.read())
        self.calls.append((request.match_info["number"], request.headers["Authorization"], completion))
        return web.json_response({}, status=status, headers={"Retry-After": "0"} if status == 503 else {})

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/tasks/{number}/complete", self.complete)
        return app

    @property
    def completions(self) -> list[TaskCompletion]:
        return [completion for _number, _key, completion in self.calls]


@asynccontextmanager
async def served(hub: Hub, port: int | None = None) -> AsyncIterator[str]:
    server = TestServer(hub.app(), port=port)
    await server.start_server()
    try:
        yield str(server.make_url(""))
    finally:
        await server.close()


async def put_sheet(folder: Path, name: str = "sheet.pdf", number: str = NUMBER, **changes: Any) -> None:
    async with gateway() as desk:
        pdf = await desk.print_sheets([numbered(await a_sheet(desk), number=number, **changes)])
    (folder / f"{name}.part").write_bytes(pdf)
    (folder / f"{name}.part").rename(folder / name)


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not there():  # noqa: ASYNC110 - what is waited for happens in another task and tells nobody
            await asyncio.sleep(0.01)


async def work(desk: Desk, meanwhile: Callable[[Tally], Awaitable[None]]) -> Tally:
    """Let the clerk work while ``meanwhile`` runs, then stop him."""
    stop, tally = asyncio.Event(), Tally()
    at_work = asyncio.create_task(clerk(desk, stop, tally))
    try:
        await asyncio.wait({at_work, asyncio.ensure_future(meanwhile(tally))}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
    assert await at_work is tally
    return tally


def entries(path: Path) -> list[tuple[str, str, str]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["kind"], line["delivery_id"], line["note"]) for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    (tmp_path / "in").mkdir()
    with Ledger(tmp_path / "clerk.jsonl") as ledger:

        def make(hub: str, *, habits: dict[Fault, float] | None = None, **more: Any) -> Desk:
            values: dict[str, Any] = {"dial": FaultDial(habits or {}, seed=1), "seed": 4, "pace_seconds": 0.02}
            return Desk(folder=tmp_path / "in", hub=hub, key="k", ledger=ledger, **(values | more))

        yield make


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_sheet_is_known_by_its_paper_alone(tmp_path: Path, language: str) -> None:
    path = tmp_path / "sheet.pdf"
    async with gateway(system(sheet={"language": language})) as channel:
        path.write_bytes(await channel.print_sheets([numbered(await a_sheet(channel), version=3)]))
    sheet = read_sheet(path)

    zh = language == "zh"
    assert parse_sheet_code(sheet.code).mac == MAC
    assert (sheet.number, sheet.version, sheet.form, sheet.case_no) == (NUMBER, 3, "SF-AID-01", CASE_NO)
    assert [code for code, _words in sheet.boxes] == ["A", "B", "C", "E", "F"]
    assert sheet.boxes[1] == ("B", "不同意" if zh else "not agreed")
    assert [blank.kind for blank in sheet.blanks] == ["money", "date", "int", "bool", "string", "string", "string"]
    assert "".join(sheet.blanks[0].label.split()) == ("核定月补助金额合计" if zh else "Monthlyamountintotal")
    assert sheet.papers == ("居民户口簿", "起诉状")
    assert sheet.pages == 3


async def test_what_he_writes_is_understood_by_the_channel_whatever_he_decides(tmp_path: Path) -> None:
    path = tmp_path / "sheet.pdf"
    outcomes: Counter[type] = Counter()
    async with gateway() as channel:
        path.write_bytes(await channel.print_sheets([numbered(await a_sheet(channel))]))
        sheet = read_sheet(path)
        for seed in range(300):
            ticked = decide(sheet, random.Random(seed))
            outcome = channel.confirm(
                delivery(),
                Confirmation(
                    result_code=ticked.box, fields=ticked.fields, reason_code=ticked.reason_code, wanted=ticked.wanted
                ),
            )
            assert isinstance(outcome, Completed | Returned)
            outcomes[type(outcome)] += 1
            if isinstance(outcome, Completed):
                outcomes[str(outcome.decision)] += 1  # type: ignore[index]
                wanted = {"reason"} if outcome.decision is Decision.REFUSED else {"amount", "valid_until", "level"}
                assert wanted <= set(outcome.fields)
        assert isinstance(channel.confirm(delivery(), Confirmation(result_code="E", fields={})), TemporaryError)

    assert outcomes["granted"] > 200  # type: ignore[index]
    assert outcomes["refused"] > 5  # type: ignore[index]
    assert outcomes[Returned] > 5


async def test_he_logs_and_confirms_each_sheet_once(tmp_path: Path, desk: Callable[..., Desk]) -> None:
    hub, at = Hub(), datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
    numbers = [f"ABCDEFGH{place:04d}" for place in range(3)]
    for number in numbers:
        await put_sheet(tmp_path / "in", f"{number}.pdf", number)

    async with served(hub) as url:
        tally = await work(desk(url, clock=lambda: at), lambda tally: until(lambda: tally.confirmed == 3))

    assert (tally.sheets, tally.unreadable, tally.verdicts) == (3, 0, Counter({200: 3}))
    assert sorted(number for number, _key, _completion in hub.calls) == numbers
    for number, key, completion in hub.calls:
        assert key == "Bearer k"
        assert parse_sheet_code(completion.sheet_code or "").number == number
        assert completion.by == "clerk"
        assert completion.happened_at == at
        assert completion.result_code in {"A", "B", "C"}
    assert len({completion.id for completion in hub.completions}) == 3
    kinds = Counter((kind, number) for kind, number, _note in entries(tmp_path / "clerk.jsonl"))
    assert kinds == {(kind, number): 1 for kind in ("arrival", "effect", "reply") for number in numbers}


async def test_a_reprint_gets_the_first_answer_again_and_no_second_effect(
    tmp_path: Path, desk: Callable[..., Desk]
) -> None:
    hub = Hub(answers=[200, 409])
    await put_sheet(tmp_path / "in")

    async def reprinted(tally: Tally) -> None:
        await until(lambda: tally.confirmed == 1)
        await put_sheet(tmp_path / "in", print_no=2)
        await until(lambda: tally.verdicts[409] == 1)

    async with served(hub) as url:
        await work(desk(url), reprinted)

    first, again = hub.completions
    assert (first.id, first.result_code, first.fields) == (again.id, again.result_code, again.fields)
    kinds = Counter(kind for kind, _number, _note in entries(tmp_path / "clerk.jsonl"))
    assert kinds == {"arrival": 2, "effect": 1, "reply": 2}


async def test_a_clerk_who_starts_again_decides_as_before_and_does_not_act_twice(
    tmp_path: Path, desk: Callable[..., Desk]
) -> None:
    hub = Hub()
    await put_sheet(tmp_path / "in")

    async with served(hub) as url:
        for _morning in range(2):
            await work(desk(url), lambda tally: until(lambda: tally.confirmed == 1))

    first, again = hub.completions
    assert first == again
    assert [kind for kind, *_ in entries(tmp_path / "clerk.jsonl")].count("effect") == 1


async def test_two_people_key_the_same_stamped_sheet(tmp_path: Path, desk: Callable[..., Desk]) -> None:
    hub = Hub()
    await put_sheet(tmp_path / "in")

    async with served(hub) as url:
        await work(desk(url, habits={Fault.DUPLICATE_REPLY: 1.0}), lambda tally: until(lambda: tally.confirmed == 2))

    first, second = hub.completions
    assert first.id != second.id
    assert (first.by, first.confirmed_by) == (second.confirmed_by, second.by) == ("clerk", "clerk-colleague")
    assert (first.result_code, first.fields) == (second.result_code, second.fields)
    assert [kind for kind, *_ in entries(tmp_path / "clerk.jsonl")] == ["arrival", "effect", "reply", "reply"]


async def test_a_closed_door_and_a_full_desk_only_cost_time(tmp_path: Path, desk: Callable[..., Desk]) -> None:
    hub = Hub()
    at_desk = desk("", habits={Fault.REFUSE: 1.0})
    await put_sheet(tmp_path / "in")

    async with served(hub) as url:
        await work(desk(url, dial=at_desk.dial), lambda tally: until(lambda: tally.confirmed == 1))
        await work(desk(url, habits={Fault.DELAY: 1.0}), lambda tally: until(lambda: tally.confirmed == 1))

    assert at_desk.dial.counts == {Fault.REFUSE: 1}
    assert [note for kind, _number, note in entries(tmp_path / "clerk.jsonl") if kind == "arrival"] == ["", "delay"]


async def test_a_lost_sheet_is_either_reported_by_number_or_found_much_later(
    tmp_path: Path, desk: Callable[..., Desk]
) -> None:
    hub = Hub()
    numbers = [f"ABCDEFGH{place:04d}" for place in range(12)]
    for number in numbers:
        await put_sheet(tmp_path / "in", f"{number}.pdf", number)

    async with served(hub) as url:
        habits = {Fault.LOST_REPLY: 1.0}
        await work(desk(url, habits=habits), lambda tally: until(lambda: tally.confirmed == 12))
        reported = [completion for completion in hub.completions if completion.result_code == "E"]
        for completion in reported:
            number = completion.sheet_no or ""
            await put_sheet(tmp_path / "in", f"{number}.pdf", number, print_no=2)
        effects = [number for kind, number, _note in entries(tmp_path / "clerk.jsonl") if kind == "effect"]
        await work(desk(url), lambda tally: until(lambda: tally.confirmed == 12))

    assert 0 < len(reported) < 12
    assert all(completion.sheet_code is None and completion.sheet_version == 1 for completion in reported)
    assert sorted([*effects, *(completion.sheet_no or "" for completion in reported)]) == numbers
    kinds = Counter((kind, number) for kind, number, _note in entries(tmp_path / "clerk.jsonl"))
    assert [kinds["effect", number] for number in numbers] == [1] * 12


async def test_a_clerk_who_asks_for_no_reprints_finds_every_sheet_again(
    tmp_path: Path, desk: Callable[..., Desk]
) -> None:
    hub = Hub()
    for place in range(4):
        await put_sheet(tmp_path / "in", f"{place}.pdf", f"ABCDEFGH{place:04d}")

    async with served(hub) as url:
        lost = desk(url, habits={Fault.LOST_REPLY: 1.0}, asks_reprints=False)
        await work(lost, lambda tally: until(lambda: tally.confirmed == 4))

    assert all(completion.result_code != "E" for completion in hub.completions)


async def test_he_waits_politely_for_a_hub_that_is_away(tmp_path: Path, desk: Callable[..., Desk]) -> None:
    hub, port = Hub(answers=[503, 429]), unused_port()
    await put_sheet(tmp_path / "in")

    async def back_after_a_while(tally: Tally) -> None:
        await until(lambda: tally.sheets == 1)
        await asyncio.sleep(0.2)
        assert tally.confirmed == 0
        async with served(hub, port):
            await until(lambda: tally.confirmed == 1)

    await work(desk(f"http://127.0.0.1:{port}/"), back_after_a_while)

    assert len(hub.calls) == 3
    assert len({completion.id for completion in hub.completions}) == 1


@pytest.mark.parametrize("status", [401, 404, 409, 422])
async def test_a_final_no_is_not_asked_again(tmp_path: Path, desk: Callable[..., Desk], status: int) -> None:
    hub = Hub(answers=[status])
    await put_sheet(tmp_path / "in")

    async with served(hub) as url:
        tally = await work(desk(url), lambda tally: until(lambda: tally.verdicts.total() == 1))

    assert (tally.confirmed, tally.verdicts, len(hub.calls)) == (0, Counter({status: 1}), 1)


async def test_he_stops_when_told_even_while_nobody_answers(tmp_path: Path, desk: Callable[..., Desk]) -> None:
    await put_sheet(tmp_path / "in")

    async with asyncio.timeout(SECONDS):
        tally = await work(desk(f"http://127.0.0.1:{unused_port()}"), lambda tally: until(lambda: tally.sheets == 1))

    assert tally.confirmed == 0


async def test_foreign_papers_and_half_files_are_left_lying(tmp_path: Path, desk: Callable[..., Desk]) -> None:
    hub, folder = Hub(), tmp_path / "in"
    await put_sheet(folder, "whole.pdf")
    whole = (folder / "whole.pdf").read_bytes()
    (folder / "half.pdf").write_bytes(whole[: len(whole) // 3])
    (folder / "text.pdf").write_text("样例")
    (folder / "notes.txt").write_text("no sheet")

    async def completed(tally: Tally) -> None:
        await until(lambda: tally.unreadable == 2 and tally.confirmed == 1)
        await put_sheet(folder, "half.pdf", "ABCDEFGH0001")
        await until(lambda: tally.confirmed == 2)

    async with served(hub) as url:
        tally = await work(desk(url), completed)

    assert tally.unreadable == 2


async def test_a_page_with_another_code_is_no_sheet(tmp_path: Path) -> None:
    for name, changes in {
        "foreign": {"code": "HTTPS://EXAMPLE.ORG"},
        "contradiction": {"code": numbered(await sheet_content(), number="ABCDEFGH0001").code},
    }.items():
        await put_sheet(tmp_path, f"{name}.pdf", **changes)
        with pytest.raises(UnreadableSheetError):
            read_sheet(tmp_path / f"{name}.pdf")
    async with gateway(system(sheet={"qr": False})) as channel:
        (tmp_path / "bare.pdf").write_bytes(await channel.print_sheets([numbered(await a_sheet(channel))]))
    with pytest.raises(UnreadableSheetError, match="no QR code"):
        read_sheet(tmp_path / "bare.pdf")


async def sheet_content() -> Any:
    async with gateway() as channel:
        return await a_sheet(channel)


def test_a_sheet_without_such_boxes_is_always_done() -> None:
    sheet = ReadSheet(
        code="",
        number=NUMBER,
        version=1,
        form="F",
        case_no=CASE_NO,
        boxes=(("A", "已办"),),
        blanks=(Blank(label="日期", kind="date"), Blank(label="原因", kind="string")),
        papers=(),
        pages=1,
        digest="",
    )

    ticked = [decide(sheet, random.Random(seed)) for seed in range(50)]

    assert {one.box for one in ticked} == {"A"}
    assert all(set(one.fields) == {"日期"} for one in ticked)
