"""What days of the virtual city found in the hub, each told again in a few lines. The seeds themselves are in ``test_day.py``."""

from pathlib import Path

import pytest

from contracts.delivery import Batch, Outcome
from contracts.envelope import CaseEventKind as Event
from contracts.errors import TemporaryError
from contracts.situation import Batching, Limits, Situation
from hub import results
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
