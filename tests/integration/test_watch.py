"""What happens without a message goes on, whatever one case, one delivery or one reply does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import CaseApplication
from hub import results
from hub.app import Hub
from hub.results import Change, NewCase
from tests.scripted import from_start, rows, scripted_hub, until
from tests.small_city import CENTRE, START

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
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_hub(tmp_path, DAY_IN_A_TENTH) as hub:
        broken, sound = await hand_in(hub, "1"), await hand_in(hub, "2")
        assert broken < sound
        await change(hub, "UPDATE case_file SET item = '赵样例' WHERE case_no = :n", n=broken)
        await deemed_accepted(hub, sound)
    told = capsys.readouterr()
    assert "NotReceivable" in told.out + told.err
    assert "赵样例" not in told.out + told.err


async def test_a_turn_that_fails_is_followed_by_the_next_one(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path, DAY_IN_A_TENTH) as hub:
        case_no = await hand_in(hub, "1")
        for name in ("case_step", "delivery"):
            await change(hub, f"ALTER TABLE {name} RENAME TO {name}_away")
        await asyncio.sleep(0.5)
        for name in ("case_step", "delivery"):
            await change(hub, f"ALTER TABLE {name}_away RENAME TO {name}")
        await deemed_accepted(hub, case_no)
        states = await rows(hub, "SELECT status FROM case_file")
    assert states != [{"status": "10"}]
