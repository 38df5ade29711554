"""What those who run the hub do about deliveries, beside a running hub and on the file where none runs."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import hub.cli
from contracts.delivery import AwaitingReply, Delivery, Lookup, NotFound, Outcome
from contracts.errors import OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Channel
from contracts.situation import Limits
from hub.app import Hub
from hub.masking import masked
from hub.web.server import serving
from tests.scripted import SITE, Asked, Scripted, rows, scripted_channel, scripted_hub, settled, submit
from tests.small_city import GRANTED

Onedoor = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def onedoor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Onedoor]:
    """Run a command in a thread of this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "onedoor.toml").write_text(f'data = "data"\nsite = "{SITE}"\nmaster_key = "master.key"\nport = 0\n')

    def call(arguments: tuple[str, ...]) -> int:
        monkeypatch.setattr(sys, "argv", ["onedoor", *arguments, "--demo"])
        try:
            hub.cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(call, arguments)
        return code, *capsys.readouterr()

    with capture_logs():
        yield run


async def told(onedoor: Onedoor, *arguments: str) -> Any:
    """The JSON of a command that must succeed."""
    code, out, err = await onedoor(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


async def done(onedoor: Onedoor, *arguments: str) -> str:
    """What a command that must succeed says on either stream."""
    code, out, err = await onedoor(*arguments)
    assert code == 0, err
    return out + err


async def refused(onedoor: Onedoor, *arguments: str) -> str:
    """The one sentence of a command that must be refused."""
    code, _, err = await onedoor(*arguments)
    assert (code, err.count("\n")) == (2, 1), err
    return err


@asynccontextmanager
async def open_door(
    folder: Path, with_settings: dict[str, Any] | None = None, **channels: Channel
) -> AsyncIterator[Hub]:
    """A hub over scripted departments with its local socket open."""
    async with scripted_hub(folder, {"port": 0, **(with_settings or {})}, **channels) as opened, serving(opened):
        yield opened


async def journal_of(opened: Hub, *kinds: str) -> list[tuple[str, str, str | None]]:
    """Who, what and where to, of some kinds of changes."""
    found = []
    for entry in await rows(opened, "SELECT by, changes FROM journal ORDER BY at, seq"):
        found += [(entry["by"], kind, to) for kind, _, _, to, _ in json.loads(entry["changes"]) if kind in kinds]
    return found


async def test_dead_letters_are_counted_shown_and_sent_again_under_their_ids(onedoor: Onedoor, tmp_path: Path) -> None:
    refusing = True
    gateway = Scripted(lambda delivery: PermanentError("http_422") if refusing else GRANTED)
    async with open_door(tmp_path, api=scripted_channel(gateway)) as opened:
        cases = [await submit(opened, "API1") for _ in range(3)]
        await settled(opened, ["dead"] * 3, *cases)
        (cause,) = await told(onedoor, "dead-letters", "list")
        assert (cause["system"], cause["error_code"], cause["number"]) == ("AA-api", "http_422", 3)
        assert await told(onedoor, "dead-letters", "list", "--error", "other") == []
        assert await told(onedoor, "dead-letters", "list", "--system", "BB-file") == []
        assert await told(onedoor, "dead-letters", "list", "--since", "2099-01-01") == []
        assert len(await told(onedoor, "dead-letters", "list", "--since", "2h")) == 1
        each = await told(onedoor, "dead-letters", "list", "--each", "--limit", "2")
        assert (len(each["deliveries"]), each["more"]) == (2, True)
        name = each["deliveries"][0]["id"]
        life = await told(onedoor, "dead-letters", "show", name)
        assert life["request"] == {"applicant_name": "赵**"}
        assert [(one["number"], one["state"], one["error_code"]) for one in life["attempts"]] == [
            (1, "permanent", "http_422")
        ]
        assert life["line"]["next_at"] is None
        assert "赵样例" not in json.dumps(life, ensure_ascii=False)
        table = await done(onedoor, "dead-letters", "show", name)
        assert "permanent" in table
        refusing = False
        assert "3 dead letters would be" in await done(onedoor, "dead-letters", "replay", "--all", "--dry-run")
        await settled(opened, ["dead"] * 3, *cases)
        assert await told(onedoor, "dead-letters", "replay", name, "--by", "zhang") == {"found": 1, "replayed": 1}
        assert await told(onedoor, "dead-letters", "replay", "--error", "http_422", "--by", "li") == {
            "found": 2,
            "replayed": 2,
        }
        await settled(opened, ["done"] * 3, *cases)
        assert await told(onedoor, "dead-letters", "replay", name) == {"found": 0, "replayed": 0}
        again = [
            (by, to) for by, kind, to in await journal_of(opened, "delivery") if to == "due" and by in ("zhang", "li")
        ]
    assert sorted(again) == [("li", "due"), ("li", "due"), ("zhang", "due")]
    assert len({seen.id for seen in gateway.seen}) == 3
    assert len(gateway.seen) == 6


async def test_many_at_a_stroke_need_a_second_person(onedoor: Onedoor, tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: PermanentError("http_422") if delivery.attempt == 1 else GRANTED)
    async with open_door(tmp_path, api=scripted_channel(gateway)) as opened:
        for _ in range(21):
            await submit(opened, "API1")
        await settled(opened, ["dead"] * 21)
        assert "second person" in await refused(onedoor, "dead-letters", "replay", "--all", "--by", "zhang")
        alone = ("dead-letters", "replay", "--all", "--by", "zhang", "--confirmed-by", "zhang")
        assert "another one" in await refused(onedoor, *alone)
        await settled(opened, ["dead"] * 21)
        assert "21 dead letters" in await done(onedoor, "dead-letters", "replay", "--all", "--by", "zhang", "--dry-run")
        found = await told(onedoor, "dead-letters", "replay", "--all", "--by", "zhang", "--confirmed-by", "li")
        assert found == {"found": 21, "replayed": 21}
        await settled(opened, ["done"] * 21)
        confirmed = await journal_of(opened, "confirmed")
    assert confirmed == [("zhang", "confirmed", "replay")] * 21


async def test_a_replay_during_an_outage_gets_its_tries_anew_and_goes_at_the_rate_of_its_lane(
    onedoor: Onedoor, tmp_path: Path
) -> None:
    down = True
    gateway = Scripted(lambda delivery: TemporaryError("refused") if down else GRANTED)
    limits = Limits(max_attempts=2, concurrency=2, rate_per_second=40)
    async with open_door(tmp_path, {"breaker_failures": 1000}, api=scripted_channel(gateway, limits=limits)) as opened:
        cases = [await submit(opened, "API1") for _ in range(10)]
        await settled(opened, ["dead"] * 10, *cases)
        await done(onedoor, "dead-letters", "replay", "--all")
        await settled(opened, ["dead"] * 10, *cases)
        assert len(gateway.seen) == 10 * 2 * 2
        down = False
        sent = len(gateway.seen)
        await done(onedoor, "dead-letters", "replay", "--all")
        await done(onedoor, "dead-letters", "replay", "--all")
        await settled(opened, ["done"] * 10, *cases)
        at = gateway.at[sent:]
    assert len(at) == 10
    assert at[-1] - at[0] > 0.15  # ten departures, 25 ms apart
    assert gateway.most <= 2


async def test_what_is_still_being_sent_cannot_be_replayed(onedoor: Onedoor, tmp_path: Path) -> None:
    free = asyncio.Event()

    async def slow(delivery: Delivery) -> Outcome:
        await free.wait()
        return GRANTED

    gateway = Scripted(slow)
    async with open_door(tmp_path, api=scripted_channel(gateway)) as opened:
        case = await submit(opened, "API1")
        await settled(opened, ["sending"], case)
        name = str(gateway.seen[0].id)
        assert await told(onedoor, "dead-letters", "replay", name) == {"found": 0, "replayed": 0}
        assert "cannot be told" in await refused(onedoor, "unknown", "decide", name, "resend")
        assert "cannot be told to be done" in await refused(onedoor, "unknown", "decide", name, "done")
        free.set()
        await settled(opened, ["done"], case)
    assert len(gateway.seen) == 1


async def test_unknown_outcomes_are_listed_asked_about_and_decided(onedoor: Onedoor, tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: OutcomeUnknownError("timeout") if delivery.attempt == 1 else GRANTED)
    async with open_door(tmp_path, api=scripted_channel(gateway, resend_is_safe=False)) as opened:
        cases = [await submit(opened, "API1") for _ in range(5)]
        await settled(opened, ["unknown"] * 5, *cases)
        listed = (await told(onedoor, "unknown", "list"))["deliveries"]
        assert {(one["state"], one["error_code"], one["next_at"]) for one in listed} == {("unknown", "timeout", None)}
        names = [one["id"] for one in listed]
        assert "cannot be asked" in await refused(onedoor, "unknown", "enquire", names[0])
        decide = ("unknown", "decide")
        await done(
            onedoor, *decide, names[0], "done", "--decision", "granted", "--field", "decision_no=7", "--by", "zhang"
        )
        await done(onedoor, *decide, names[1], "not-done", "--by", "zhang")
        await done(onedoor, *decide, names[2], "resend", "--by", "li")
        await done(onedoor, *decide, names[3], "give-up", "--by", "li")
        await done(onedoor, *decide, names[4], "cancel", "--by", "li")
        assert "reason code" in await refused(onedoor, *decide, names[3], "done", "--decision", "returned")
        assert "something else" in await refused(onedoor, *decide, names[3], "done", "--decision", "perhaps")
        assert "name=value" in await refused(onedoor, *decide, names[3], "done", "--field", "x")
        await done(onedoor, *decide, names[3], "done", "--decision", "returned", "--reason", "R1", "--by", "li")
        await settled(opened, ["done", "done", "done", "returned", "cancelled"], *cases)
        said = await journal_of(opened, "decided")
    verdicts = [
        ("zhang", "done"),
        ("zhang", "not-done"),
        ("li", "resend"),
        ("li", "give-up"),
        ("li", "cancel"),
        ("li", "done"),
    ]
    assert sorted((by, to) for by, _, to in said) == sorted(verdicts)
    again = [seen for seen in gateway.seen if seen.attempt == 2]
    assert sorted(str(seen.id) for seen in again) == sorted(names[1:3])
    assert all(seen.possible_duplicate for seen in again)


async def test_a_department_that_can_be_asked_is_asked_at_once(onedoor: Onedoor, tmp_path: Path) -> None:
    knows = False
    gateway = Asked(
        lambda delivery: AwaitingReply(), lambda delivery: GRANTED if knows else NotFound(what=Lookup.CANNOT_TELL)
    )
    async with open_door(tmp_path, api=scripted_channel(gateway)) as opened:
        case = await submit(opened, "API1")
        await settled(opened, ["waiting"], case)
        knows = True
        await done(onedoor, "unknown", "enquire", str(gateway.seen[0].id), "--by", "zhang")
        await settled(opened, ["done"], case)
        assert ("zhang", "enquiry", "asked") in await journal_of(opened, "enquiry")
        assert "not asked about" in await refused(onedoor, "unknown", "enquire", str(gateway.seen[0].id))
    assert len(gateway.asked) == 1


async def test_lanes_are_listed_paused_and_resumed(onedoor: Onedoor, tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: GRANTED)
    async with open_door(tmp_path, api=scripted_channel(gateway)) as opened:
        await done(onedoor, "lanes", "pause", "AA-api", "--by", "zhang")
        case = await submit(opened, "API1")
        await settled(opened, ["held"], case)
        lanes = {one["system"]: one for one in await told(onedoor, "lanes", "list")}
        assert (lanes["AA-api"]["held"], lanes["AA-api"]["held_deliveries"]) == ("paused", 1)
        assert lanes["AA-api"]["breaker"] == "closed"
        (line,) = (await told(onedoor, "deliveries", "list", "--state", "held", "--case", case))["deliveries"]
        assert line["system"] == "AA-api"
        await done(onedoor, "lanes", "resume", "AA-api", "--by", "li")
        await settled(opened, ["done"], case)
        assert await journal_of(opened, "lane") == [("zhang", "lane", "paused"), ("li", "lane", "open")]
        assert "no lane sends to NOBODY" in await refused(onedoor, "lanes", "pause", "NOBODY")
        assert "open" in await done(onedoor, "lanes", "list")


async def test_the_hold_of_one_delivery_is_lifted_by_its_id(onedoor: Onedoor, tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: GRANTED)
    async with open_door(tmp_path, api=scripted_channel(gateway)) as opened:
        lane = opened.lanes["AA-api"]
        await lane.hold("zhang")
        case, other = await submit(opened, "API1"), await submit(opened, "API1")
        await settled(opened, ["held", "held"], case, other)
        first, second = (one["id"] for one in (await told(onedoor, "deliveries", "list"))["deliveries"])
        lane.held = None  # as for one that was held for its date alone
        await done(onedoor, "deliveries", "release", first, "--by", "zhang")
        await settled(opened, ["done", "held"], case, other)
        assert "not held" in await refused(onedoor, "deliveries", "release", first)
        await done(onedoor, "deliveries", "cancel", second, "--by", "zhang")
        await settled(opened, ["done", "cancelled"], case, other)


async def test_where_no_hub_runs_the_same_is_done_in_the_file(onedoor: Onedoor, tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: PermanentError("http_422") if delivery.attempt == 1 else GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as opened:
        cases = [await submit(opened, "API1") for _ in range(3)]
        await settled(opened, ["dead"] * 3, *cases)
    (cause,) = await told(onedoor, "dead-letters", "list")
    assert cause["number"] == 3
    names = [one["id"] for one in (await told(onedoor, "deliveries", "list"))["deliveries"]]
    assert (await told(onedoor, "deliveries", "show", names[0]))["line"]["state"] == "dead"
    assert (await told(onedoor, "dead-letters", "replay", "--all", "--dry-run"))["found"] == 3
    await done(onedoor, "unknown", "decide", names[0], "done", "--decision", "granted", "--by", "zhang")
    assert (await told(onedoor, "dead-letters", "replay", "--all"))["replayed"] == 2
    assert "no hub is running" in await refused(onedoor, "unknown", "enquire", names[1])
    await done(onedoor, "lanes", "pause", "BE-fast", "--by", "zhang")
    lanes = {one["system"]: one for one in await told(onedoor, "lanes", "list")}
    assert (lanes["BE-fast"]["held"], lanes["AA-api"]["due"]) == ("paused", 2)
    await done(onedoor, "lanes", "resume", "BE-fast")
    assert "no lane sends" in await refused(onedoor, "lanes", "resume", "NOBODY")
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as opened:
        await settled(opened, ["done"] * 3, *cases)
    assert len(gateway.seen) == 3 + 2


async def test_options_that_make_no_sense_are_refused_in_one_sentence(onedoor: Onedoor, tmp_path: Path) -> None:
    async with scripted_hub(tmp_path):
        pass
    assert "say which" in await refused(onedoor, "dead-letters", "replay")
    assert "say which" in await refused(onedoor, "dead-letters", "replay", "--all", "--system", "AA-api")
    assert "--since takes" in await refused(onedoor, "dead-letters", "list", "--since", "yesterday")
    assert "no delivery id" in await refused(onedoor, "dead-letters", "show", "7")
    nobody = "01900000-0000-7000-8000-000000000000"
    assert "there is no delivery" in await refused(onedoor, "deliveries", "show", nobody)
    assert "there is no delivery" in await refused(onedoor, "unknown", "decide", nobody, "resend")
    assert "a reference" in await refused(onedoor, "lanes", "pause", "BE-fast", "--by", "Zhang San")


def test_what_a_resident_wrote_is_shown_in_its_shape_alone() -> None:
    assert masked({"name": "赵样例", "ok": True, "gap": None, "n": 310101, "rows": [{"x": "y"}], "": ""}) == {
        "name": "赵**",
        "ok": True,
        "gap": None,
        "n": "3*****",
        "rows": [{"x": "*"}],
        "": "",
    }
    assert masked("x" * 1000) == "x" + "*" * 12
