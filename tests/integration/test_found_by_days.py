"""What days of the virtual city found in the hub, each told again in a few lines. The seeds themselves are in ``test_day.py``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import Batch, Outcome
from contracts.envelope import CaseEventKind as Event
from contracts.errors import TemporaryError
from contracts.situation import Batching, ExpectedFile, FileRules, Limits, Situation
from hub import reconciliation, results
from hub.city import milliseconds
from hub.reconciliation import FileSystem
from hub.results import NotAllowed
from tests.scripted import Batched, rows, scripted_channel, scripted_hub, settled, submit
from tests.small_city import DONE, GRANTED, SmallCity


def test_a_result_is_not_served_while_its_case_is_suspended(tmp_path: Path) -> None:
    """Served then, the case was left decided after its resumption, with nobody who would ever move it."""
    city = SmallCity(tmp_path)
    case = city.submit("API1")
    city.tell(case, Event.SUSPEND, reason_code="hearing")
    city.send("AA-api", GRANTED)
    (serve,) = city.tasks(case)
    with pytest.raises(NotAllowed, match="no result to hand over yet"):
        city.complete(serve["id"], decision="done")
    city.tell(case, Event.RESUME)
    assert city.status(case) == "50"
    city.complete(serve["id"], decision="done")
    assert city.status(case) == "70"


def test_what_is_handed_out_before_the_decision_need_not_wait_for_it(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    case = city.submit("NOTICE1")
    (notice,) = city.tasks(case)
    city.complete(notice["id"], decision="done")
    city.send("AA-api", GRANTED)
    (second,) = city.tasks(case)
    city.complete(second["id"], decision="done")
    (serve,) = city.tasks(case)
    assert city.complete(serve["id"], decision="done").status == "70"


async def test_what_a_person_says_of_a_member_does_not_acknowledge_a_file_that_never_arrived(tmp_path: Path) -> None:
    """The journal said ``sent`` and ``acknowledged`` of a file that stood in no folder."""

    def away(batch: Batch) -> dict[object, Outcome]:
        raise TemporaryError("connect_refused")

    gateway = Batched(away)  # type: ignore[arg-type]
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=2), limits=Limits(max_attempts=1))
    async with scripted_hub(tmp_path, file=way) as hub:
        case, _ = await submit(hub, "FILE1"), await submit(hub, "FILE1")
        await settled(hub, ["dead", "dead"])
        (delivery,) = await rows(hub, "SELECT id FROM delivery WHERE case_no = :case_no", case_no=case)
        await hub.commit(
            "decide",
            lambda c: results.decide(c, hub.city, delivery["id"], results.Verdict.DONE, DONE, "staff-1", hub.now_ms()),
        )
        assert await rows(hub, "SELECT state FROM batch") == [{"state": "sealed"}]


def test_a_batch_that_is_full_before_its_cut_off_expects_no_file_for_the_cut_off_before(tmp_path: Path) -> None:
    """The alarm for a missing file rang at once: what it was expected for had been due before the batch left."""
    city = SmallCity(tmp_path)
    rule = ExpectedFile(after_cut_off="20:00", days=1, by="07:00", alarm_after_minutes=60)
    system = FileSystem(name="BB-file", batching=Batching(cut_offs=("20:00",)), rules=FileRules(expected=(rule,)))

    def sealed(identity: str, at: datetime) -> None:
        row: dict[str, Any] = {
            "region": "310000",
            "id": identity,
            "system": "BB-file",
            "situation": "file_drop",
            "state": "sent",
        }
        row |= {"sequence": int(identity), "digest": "", "blob": "", "members": 5000}
        row |= {"sealed_at": milliseconds(at), "changed_at": milliseconds(at)}
        city.unit(lambda c: c.insert("batch", row))

    def alarms(at: datetime) -> list[str]:
        return [one.key for one, _ in reconciliation.missing(city.connection, city.city, system, milliseconds(at))]

    full = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)  # 16:00
    sealed("1", full)
    assert alarms(full + timedelta(hours=2)) == []
    sealed("2", full + timedelta(hours=4))
    assert alarms(full + timedelta(hours=20)) == ["missing:2026-03-03:20:00"]
