"""``onedoor channels`` and ``onedoor files`` beside a running hub."""

import json
from pathlib import Path

from contracts.errors import TemporaryError
from contracts.exchange import Collected, FileState
from contracts.situation import AutoFallback, ChannelStatus, Situation
from hub.file_watch import file_systems
from hub.web.server import serving
from tests.integration.test_channels import always, paper, until_seen
from tests.integration.test_files_book import Exchange, file, one_batch, until_empty, way
from tests.integration.test_operator_commands import Onedoor, onedoor, told
from tests.scripted import Scripted, rows, scripted_channel, scripted_hub, settled, submit
from tests.small_city import GRANTED

__all__ = ["onedoor"]  # a fixture


async def test_channels_are_shown_and_a_delivery_goes_to_paper_and_back(tmp_path: Path, onedoor: Onedoor) -> None:
    api = always(TemporaryError("refused"))
    sheets, way_back = paper(rule=AutoFallback(breaker_open_minutes=600, due_within_working_days=0))
    slow = {"retry": {"first_seconds": 600, "cap_seconds": 600}}
    async with scripted_hub(tmp_path, slow, api=(scripted_channel(api), way_back)) as hub, serving(hub):
        await submit(hub, "API1")
        delivery = str((await until_seen(api)).id)
        await settled(hub, ["due"])
        shown = await told(onedoor, "channels", "show", "AA-api")
        assert [(one["situation"], one["status"], one["waiting"]) for one in shown] == [
            ("api", "sending", 1),
            ("paper", "fallback", 0),
        ]
        code, out, _ = await onedoor("channels", "show")
        assert code == 0
        assert "fewer than 0" in out.replace("\n", " ")
        assert "case_no" in await told(onedoor, "channels", "fallback", delivery, "--to", "paper")
        await until_seen(sheets)
        await settled(hub, ["waiting"])
        code, _, err = await onedoor("channels", "fallback", delivery, "--to", "paper")
        assert (code, "already" in err) == (2, True)
        code, _, err = await onedoor("channels", "hand-back", delivery)
        assert (code, "its own channel" in err) == (0, True)
        await settled(hub, ["due"])
        code, _, err = await onedoor("channels", "shadow", "AA-api")
        assert (code, "has no shadow channel" in err) == (2, True)


async def test_a_shadow_run_is_reported_without_a_value(tmp_path: Path, onedoor: Onedoor) -> None:
    copies = Scripted(lambda delivery: GRANTED)
    ways = (
        scripted_channel(Scripted(lambda delivery: GRANTED), Situation.PAPER),
        scripted_channel(copies, Situation.API, status=ChannelStatus.SHADOW),
    )
    async with scripted_hub(tmp_path, paper=ways) as hub, serving(hub):
        await submit(hub, "PAPER1")
        await settled(hub, ["done"])
        await until_seen(copies)
        found = await told(onedoor, "channels", "shadow", "CC-paper")
        code, out, _ = await onedoor("channels", "shadow", "CC-paper")
    assert (found["copies"], found["different"]) == (1, [])
    assert code == 0
    assert "1 copies" in out


async def test_a_day_is_shown_explained_and_closed(tmp_path: Path, onedoor: Onedoor) -> None:
    gateway = Exchange()
    async with scripted_hub(tmp_path, file=way(gateway)) as hub, serving(hub):
        await one_batch(hub, gateway, 1)
        gateway.inbox.append(Collected(file=file("IN_2.txt", state=FileState.QUARANTINED, reason="md5")))
        gateway.inbox.append(Collected(file=file("IN_3.txt", sequence=3, scope="20260302")))
        await until_empty(gateway)
        assert [system.name for system in file_systems(hub)] == ["BB-file"]
        today = hub.city.calendar.local_day(hub.runtime.now()).isoformat()
        alarms = await told(onedoor, "files", "alarms")
        assert [one["key"] for one in alarms["BB-file"]] == ["gap:20260302:1", "gap:20260302:2"]
        code, out, _ = await onedoor("files", "alarms")
        assert (code, "gap:20260302:2" in out.replace("\n", "")) == (0, True)
        code, out, _ = await onedoor("files", "reconcile", "--day", today, "--report", str(tmp_path / "kept"), "--json")
        assert code == 1, "differences without an explanation"
        (day,) = json.loads(out)
        assert (day["sent"], day["pending"], len(day["differences"])) == (1, 1, 3)
        assert (tmp_path / "kept" / f"files-{today}-BB-file.json").exists()
        code, _, err = await onedoor("files", "close", "--day", today)
        assert (code, "is not over" in err) == (2, True)
        for difference in day["differences"]:
            code, _, err = await onedoor(
                "files", "explain", difference["key"], "--day", today, "--system", "BB-file", "--reason", "test_file"
            )
            assert code == 0, err
        code, _, err = await onedoor(
            "files", "explain", "nothing", "--day", today, "--system", "BB-file", "--reason", "test_file"
        )
        assert (code, "has no difference nothing" in err) == (2, True)
        code, out, _ = await onedoor("files", "reconcile", "--day", today, "--system", "BB-file")
        assert code == 0
        assert "(test_file)" in out
        code, _, err = await onedoor("files", "reconcile", "--day", today, "--system", "AA-api")
        assert (code, "exchanges no files" in err) == (2, True)
        closed = await told(onedoor, "files", "close", "--day", "2026-01-05", "--system", "BB-file")
        assert closed[0]["sent"] == 0
        (row,) = await rows(hub, "SELECT day, by FROM day_closing WHERE day = '2026-01-05'")
        assert row["by"] == "operator"


async def test_without_a_hub_the_commands_say_so(tmp_path: Path, onedoor: Onedoor) -> None:
    async with scripted_hub(tmp_path):
        pass
    code, _, err = await onedoor("channels", "show")
    assert (code, "no hub is running" in err) == (2, True)
