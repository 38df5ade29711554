"""What outcomes, replies, people and time make of a case: the rules beyond the bare transitions."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from contracts.api import BadField
from contracts.delivery import AwaitingReply, Completed, Decision, Reply, Returned
from contracts.envelope import CaseEventKind as Event
from contracts.errors import DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from hub import results
from hub.results import IdConflict, NotAllowed, NotFoundHere, Overtaken
from tests.small_city import DONE, GRANTED, OTHER_CENTRE, REFUSED, SmallCity

WAITING = AwaitingReply(department_ref="R-1")


@pytest.fixture
def city(tmp_path: Path) -> SmallCity:
    return SmallCity(tmp_path)


def journal_kinds(city: SmallCity, case_no: str) -> list[str]:
    rows = city.connection.rows("SELECT changes FROM journal WHERE chain = :n ORDER BY seq", {"n": case_no})
    return [change[0] for row in rows for change in orjson.loads(row["changes"])]


def test_the_same_message_again_gets_the_same_answer_and_other_content_a_conflict(city: SmallCity) -> None:
    first = city.submit("API1", message="m-1")
    assert city.submit("API1", message="m-1") == first
    assert len(city.connection.rows("SELECT case_no FROM case_file")) == 1
    new = results.NewCase(
        application=city.application("API1"),
        item=city.city.item("API1", 1),
        source="/test",
        message_id="m-1",
        digest="another",
        client="test",
    )
    with pytest.raises(IdConflict):
        city.unit(lambda c: results.receive(c, city.city, new, city.at))


def test_a_duplicate_reply_is_a_success_without_effect(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    delivery = city.only(case)["id"]
    assert city.reply(delivery, GRANTED).verdict == "applied"
    before = journal_kinds(city, case)
    assert city.reply(delivery, GRANTED).verdict == "duplicate"
    assert journal_kinds(city, case) == before
    assert city.connection.rows("SELECT times FROM reply") == [{"times": 2}]


def test_a_reply_that_contradicts_goes_to_a_person_and_changes_nothing(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", GRANTED)
    assert city.reply(city.only(case)["id"], REFUSED).verdict == "contradiction"
    assert city.status(case) == "50"
    assert city.case(case)["flags"] == "contradiction"
    (task,) = city.tasks(case, "contradiction")
    city.complete(task["id"], decision="done")
    assert city.case(case)["flags"] == ""


def test_an_answer_about_another_operation_settles_nothing_until_the_right_one_comes(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    delivery = city.only(case)["id"]
    city.reply(delivery, REFUSED, operation="instant")
    assert (city.only(case)["state"], city.only(case)["error_code"]) == ("unknown", "other_operation")
    assert city.status(case) == "40"
    (task,) = city.tasks(case, "unknown")
    assert city.reply(delivery, GRANTED, operation="decide").verdict == "applied"
    assert city.status(case) == "50"
    assert city.tasks(case, "unknown") == []
    assert city.reply(delivery, REFUSED, operation="instant").verdict == "duplicate"
    assert task["delivery"] == delivery


def test_an_answer_after_the_withdrawal_is_recorded_only(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    city.tell(case, Event.WITHDRAW)
    (notify,) = city.tasks(case, "notify")
    assert notify["system"] == "AA-api"
    assert city.reply(city.only(case)["id"], GRANTED).verdict == "late"
    assert city.status(case) == "13"


def test_what_is_being_sent_while_the_case_is_withdrawn_settles_without_moving_it(city: SmallCity) -> None:
    case = city.submit("API1")
    (claimed,) = city.claim("AA-api")
    begun = city.begin(claimed)
    city.tell(case, Event.WITHDRAW)
    city.end(begun, GRANTED)
    assert city.only(case)["state"] == "done"
    assert city.status(case) == "13"
    assert len(city.tasks(case, "notify")) == 1


def test_a_withdrawal_uses_the_operation_that_the_system_declares(city: SmallCity) -> None:
    case = city.submit("REVOKE1")
    city.send("AA-api", WAITING)
    city.tell(case, Event.WITHDRAW)
    sent, withdrawal = city.deliveries(case)
    assert (sent["state"], withdrawal["state"]) == ("cancelled", "due")
    assert (withdrawal["operation"], withdrawal["round"], withdrawal["supersedes"]) == ("withdraw", 2, sent["id"])
    city.send("AA-api", DONE)
    assert city.delivery(withdrawal["id"])["state"] == "done"
    assert city.status(case) == "13"


def test_what_has_not_left_is_simply_cancelled_on_withdrawal(city: SmallCity) -> None:
    case = city.submit("API1")
    city.claim("AA-api")
    city.tell(case, Event.WITHDRAW)
    assert city.only(case)["state"] == "cancelled"
    assert city.tasks(case) == []


def test_a_reply_to_a_delivery_that_was_never_made_is_kept_without_its_content(city: SmallCity) -> None:
    answer = Reply(delivery_id=uuid4(), outcome=GRANTED, happened_at=city.now)
    for times in (1, 2):
        change = city.unit(lambda c: results.reply(c, city.city, "AA-api", answer, city.at))
        assert change.verdict == "unknown_delivery"
        assert city.connection.rows("SELECT times, sealed_body FROM reply") == [{"times": times, "sealed_body": None}]


def test_a_reply_from_another_system_is_no_reply(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    delivery = city.only(case)["id"]
    answer = Reply(delivery_id=uuid4().__class__(delivery), outcome=GRANTED, happened_at=city.now)
    change = city.unit(lambda c: results.reply(c, city.city, "BB-file", answer, city.at))
    assert change.verdict == "unknown_delivery"
    assert city.delivery(delivery)["state"] == "waiting"


def test_a_duplicate_code_on_a_doubtful_attempt_waits_for_the_first_records_result(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", OutcomeUnknownError("reset"))
    city.later(minutes=10)
    city.send("AA-api", DuplicateError("03"))
    assert city.only(case)["state"] == "waiting"
    city.reply(city.only(case)["id"], GRANTED)
    assert city.status(case) == "50"


def test_a_temporary_error_in_the_end_makes_a_dead_letter(city: SmallCity) -> None:
    case = city.submit("API1")
    for _ in range(5):
        city.later(hours=2)
        city.send("AA-api", TemporaryError("http_503"))
    assert city.only(case)["state"] == "dead"
    (task,) = city.tasks(case, "dead")
    city.complete(task["id"], decision="granted", fields={"decision_no": "样例2号"})
    assert city.status(case) == "50"


def test_every_row_of_a_table_is_a_delivery_and_the_step_waits_for_all(city: SmallCity) -> None:
    case = city.submit("MEMBERS1", form={"members": [{"name": "赵样例"}, {"name": "钱样例"}, {"name": "孙样例"}]})
    rows = sorted(city.deliveries(case), key=lambda row: str(row["subject"]))
    assert [row["subject"] for row in rows] == ["1", "2", "3"]
    city.send("AA-api", WAITING)
    for row in rows[:2]:
        city.reply(row["id"], DONE)
    assert city.steps(case)["p1"] == "open"
    city.reply(rows[2]["id"], Returned(reason_code="papers"))
    assert city.status(case) == "32"
    city.tell(case, Event.RESUBMIT)
    again = [row for row in city.deliveries(case) if row["round"] == 2]
    assert [(row["subject"], row["supersedes"]) for row in again] == [("3", rows[2]["id"])]
    city.send("AA-api", DONE)
    assert city.steps(case)["s2"] == "open"


def test_a_table_without_rows_asks_nobody(city: SmallCity) -> None:
    case = city.submit("MEMBERS1", form={"members": []})
    assert city.steps(case)["p1"] == "done"


def test_the_join_hands_on_the_replies_of_its_sources_unchanged(city: SmallCity) -> None:
    case = city.submit("JOIN1")
    city.send("AA-api", Completed(decision=Decision.DONE, fields={"found": False}))
    city.send("BB-file", DONE)
    city.send("CC-paper", DONE)
    work = results.casework.Casework.load(city.connection, city.city, case, city.at, "test")
    rows = results.steps.joined(work, work.definitions["s2"])
    assert [(row["step"], row["status"]) for row in rows] == [
        ("p1", "none_found"),
        ("p2", "answered"),
        ("p3", "answered"),
    ]
    assert rows[1]["reply"] == {"found": True}


def test_a_silent_optional_source_lets_the_join_go_on_and_its_late_answer_is_recorded(city: SmallCity) -> None:
    case = city.submit("QUIET1")
    city.send("AA-api", DONE)
    city.send("BB-file", WAITING)
    city.later(days=2)
    city.time_passes(case)
    assert city.steps(case)["s2"] == "blocked"
    city.later(days=3)
    city.time_passes(case)
    assert city.steps(case) == {"s1": "done", "p1": "done", "p2": "open", "s2": "open", "s9": "blocked"}
    late = next(row for row in city.deliveries(case) if row["step"] == "p2")
    assert city.reply(late["id"], DONE).verdict == "applied"
    assert city.steps(case)["p2"] == "done"
    assert len([row for row in city.deliveries(case) if row["step"] == "s2"]) == 1
    city.send("AA-api", GRANTED)
    assert city.status(case) == "50"


def test_a_source_that_is_silent_to_the_end_does_not_keep_the_case_open(city: SmallCity) -> None:
    case = city.submit("QUIET1")
    city.send("AA-api", DONE)
    city.send("BB-file", WAITING)
    city.later(days=5)
    city.time_passes(case)
    city.send("AA-api", GRANTED)
    assert (city.status(case), city.steps(case)["p2"]) == ("50", "cancelled")
    late = next(row for row in city.deliveries(case) if row["step"] == "p2")
    assert city.reply(late["id"], DONE).verdict == "late"


def test_a_silent_mandatory_source_keeps_the_join_closed(city: SmallCity) -> None:
    case = city.submit("QUIET1")
    city.send("BB-file", DONE)
    (silent,) = city.send("AA-api", WAITING)
    assert city.case(case)["flags"] == ""
    city.later(days=30)
    city.time_passes(case)
    assert city.steps(case)["s2"] == "blocked"
    assert city.case(case)["flags"] == "blocked"
    city.reply(silent["id"], DONE)
    assert city.case(case)["flags"] == ""
    assert city.steps(case)["s2"] == "open"


def test_a_need_that_is_not_met_goes_to_a_person_and_nothing_is_sent(city: SmallCity) -> None:
    case = city.submit("NEEDS1", applicant={"name": "赵样例", "id_type": "414"})
    assert city.deliveries(case) == []
    (task,) = city.tasks(case, "decide")
    city.complete(task["id"], decision="granted")
    assert city.status(case) == "50"


def test_a_retired_system_hands_its_cases_to_the_successor(city: SmallCity) -> None:
    case = city.submit("RETIRED1")
    assert city.only(case)["system"] == "AA-api"


def test_an_instant_case_that_has_to_wait_gets_a_date_from_its_legal_days(city: SmallCity) -> None:
    case = city.submit("INSTANT1")
    assert city.case(case)["due_at"] is None
    city.send("AA-api", TemporaryError("http_503"))
    assert city.status(case) == "40"
    assert city.case(case)["due_at"] is not None
    assert city.case(case)["flags"] == "receipt_due"
    city.later(hours=1)
    city.send("AA-api", GRANTED)
    assert (city.status(case), city.case(case)["flags"]) == ("50", "")


def test_the_date_moves_with_the_pause(city: SmallCity) -> None:
    case = city.submit("CENTRE1")
    before = city.case(case)["due_at"]
    city.later(days=1)
    city.tell(case, Event.SUSPEND, reason_code="hearing")
    city.later(days=7)
    city.tell(case, Event.RESUME)
    assert city.case(case)["due_at"] - before == 7 * 86_400_000


def test_a_year_without_a_calendar_leaves_the_date_open(city: SmallCity) -> None:
    city.later(days=300)
    case = city.submit("CENTRE1")
    assert (city.case(case)["due_at"], city.case(case)["due_open"]) == (None, 1)
    city.time_passes(case)
    assert journal_kinds(city, case).count("alarm") == 1
    assert city.case(case)["due_open"] == 1
    city.publish(2027)
    city.time_passes(case)
    assert (city.case(case)["due_open"], city.case(case)["due_at"] is not None) == (0, True)


def test_guards_say_what_is_missing(city: SmallCity) -> None:
    case = city.submit("API1", accepted=False)
    with pytest.raises(NotAllowed, match="what is missing"):
        city.tell(case, Event.ASK_CORRECTION)
    with pytest.raises(NotAllowed, match="cannot void"):
        city.tell(case, Event.VOID, confirmed_by="staff-2")
    city.tell(case, Event.ACCEPT)
    with pytest.raises(NotAllowed, match="first reception"):
        city.tell(case, Event.REFUSE_ACCEPTANCE)
    with pytest.raises(NotAllowed, match="second person"):
        city.tell(case, Event.VOID, confirmed_by="staff-1")
    with pytest.raises(NotAllowed, match="reason_code"):
        city.tell(case, Event.SUSPEND)
    with pytest.raises(NotAllowed, match="cannot resume"):
        city.tell(case, Event.RESUME)
    with pytest.raises(NotAllowed, match="cannot accept"):
        city.tell(case, Event.ACCEPT)
    city.send("AA-api", GRANTED)
    with pytest.raises(NotAllowed, match="decision has been made"):
        city.tell(case, Event.WITHDRAW)
    with pytest.raises(NotFoundHere):
        city.tell("310104901202603029999990", Event.WITHDRAW)


def test_an_event_is_idempotent_by_its_id(city: SmallCity) -> None:
    case = city.submit("API1", accepted=False)
    city.tell(case, Event.ACCEPT, message="e-1")
    assert city.tell(case, Event.ACCEPT, message="e-1").verdict == "duplicate"
    with pytest.raises(IdConflict):
        city.tell(case, Event.WITHDRAW, message="e-1", digest="another")


def test_received_data_is_validated_again_at_acceptance(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    wrong = (BadField(pointer="/form/note", message="this code is no longer valid"),)
    city.check_forms(lambda item, application, day: wrong if application.form else ())
    case = city.submit("API1", accepted=False, form={"note": "样例"})
    with pytest.raises(NotAllowed, match="/form/note: this code is no longer valid"):
        city.complete(city.tasks(case)[0]["id"], decision="done")
    assert city.status(case) == "10"
    assert city.tasks(case)[0]["state"] == "ready"


def test_a_task_is_done_once_and_says_who_was_faster(city: SmallCity) -> None:
    case = city.submit("CENTRE1")
    (task,) = city.tasks(case)
    city.complete(task["id"], decision="granted", by="staff-7", message="t-1")
    assert city.complete(task["id"], decision="granted", by="staff-7", message="t-1").verdict == "duplicate"
    with pytest.raises(Overtaken, match="staff-7"):
        city.complete(task["id"], decision="refused", by="staff-8", reason_code="income")
    assert city.status(case) == "50"


def test_a_centre_step_may_be_returned_or_refused_with_a_reason(city: SmallCity) -> None:
    case = city.submit("CENTRE1")
    (task,) = city.tasks(case)
    with pytest.raises(NotAllowed, match="reason_code"):
        city.complete(task["id"], decision="refused")
    with pytest.raises(NotAllowed, match="in `decision`"):
        city.complete(task["id"])
    city.complete(task["id"], decision="returned", reason_code="papers")
    assert city.status(case) == "32"
    city.tell(case, Event.RESUBMIT, form={"note": "样例"})
    (task,) = city.tasks(case)
    assert city.complete(task["id"], decision="refused", reason_code="income").verdict == "to_confirm"
    assert city.status(case) == "40"
    with pytest.raises(NotAllowed, match="a second person"):
        city.complete(task["id"], decision="refused", reason_code="income")
    with pytest.raises(NotAllowed, match="differs"):
        city.complete(task["id"], decision="granted", by="staff-2")
    city.complete(task["id"], decision="refused", reason_code="income", by="staff-2")
    assert city.status(case) == "51"
    (serve,) = city.tasks(case)
    city.complete(serve["id"], decision="done")
    assert city.status(case) == "70"


def test_a_refusal_that_comes_with_its_second_person_is_carried_out_at_once(city: SmallCity) -> None:
    case = city.submit("CENTRE1")
    (task,) = city.tasks(case)
    told: dict[str, Any] = {"decision": "refused", "reason_code": "income"}
    assert city.complete(task["id"], **told, confirmed_by="staff-1").verdict == "to_confirm", "that is one person"
    city.unit(lambda c: results.release(c, city.city, task["id"], "staff-2", city.at))
    assert city.complete(task["id"], **told, confirmed_by="staff-2").status == "51"


def test_a_task_cannot_have_happened_in_the_future(city: SmallCity) -> None:
    case = city.submit("CENTRE1")
    soon = city.now.replace(year=2027)
    with pytest.raises(NotAllowed, match="future"):
        city.complete(city.tasks(case)[0]["id"], decision="granted", happened_at=soon)


def test_split_reception_receives_anywhere_and_accepts_at_the_responsible_centre(city: SmallCity) -> None:
    case = city.submit("SPLIT1", accepted=False, accepting_centre=OTHER_CENTRE)
    (task,) = city.tasks(case)
    assert task["centre"] != OTHER_CENTRE
    city.complete(task["id"], decision="done")
    assert (city.status(case), city.case(case)["accepted_at"]) == ("10", None)
    (task,) = city.tasks(case)
    assert task["centre"] == OTHER_CENTRE
    city.complete(task["id"], decision="done")
    assert city.status(case) == "40"


def test_an_unknown_case_can_be_decided_by_a_person(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    city.unit(lambda c: results.lapsed(c, city.city, city.only(case)["id"], city.plan, city.at))
    assert city.only(case)["possible_duplicate"] == 1
    city.operate(city.only(case)["id"], "cancel")
    (task,) = city.tasks(case, "decide")
    assert task["delivery"] is None
    with pytest.raises(NotAllowed, match="cannot be told"):
        city.operate(city.only(case)["id"], "replay")
    with pytest.raises(NotFoundHere):
        city.operate("no-such-delivery", "replay")


def test_nothing_is_sent_after_the_statutory_date_unless_a_person_says_so(city: SmallCity) -> None:
    case = city.submit("API1")
    slow = city.submit("FILE1")
    (claimed,) = city.claim("BB-file")
    city.later(days=60)
    assert city.claim("AA-api") == []
    assert (city.only(case)["state"], city.only(case)["error_code"]) == ("held", "deadline")
    with pytest.raises(results.LeaseLost):
        city.begin({**claimed, "lease_until": city.at + 1})
    (task,) = city.tasks(case, "dead")
    city.complete(task["id"], decision="resend")
    city.send("AA-api", GRANTED)
    assert city.status(case) == "50"
    assert city.status(slow) == "40"


def test_what_was_on_its_way_when_the_case_was_withdrawn_never_goes_again(city: SmallCity) -> None:
    for answer in (TemporaryError("http_503"), OutcomeUnknownError("reset"), results.LostProcess()):
        case = city.submit("API1")
        (claimed,) = city.claim("AA-api")
        begun = city.begin(claimed)
        city.tell(case, Event.WITHDRAW)
        city.end(begun, answer)
        assert city.only(case)["state"] == "cancelled"
        assert city.claim("AA-api") == []


def test_a_second_end_of_the_case_leaves_the_withdrawal_on_its_way(city: SmallCity) -> None:
    case = city.submit("REVOKE1")
    city.send("AA-api", WAITING)
    city.tell(case, Event.WITHDRAW)
    work = results.casework.Casework.load(city.connection, city.city, case, city.at, "test")
    results.cases.drop_open_parts(work, serving_too=True)
    work.save()
    assert [row["state"] for row in city.deliveries(case)] == ["cancelled", "due"]


def test_the_doubt_of_an_overdue_answer_outlives_a_person_and_a_replay(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    name = city.only(case)["id"]
    city.unit(lambda c: results.lapsed(c, city.city, name, city.plan, city.at))
    if city.only(case)["state"] == "unknown":
        city.operate(name, "dead")
        city.operate(name, "replay")
    assert city.only(case)["possible_duplicate"] == 1


def test_busy_twice_is_two_answers(city: SmallCity) -> None:
    case = city.submit("API1")
    for _ in range(2):
        city.send("AA-api", WAITING)
        assert city.reply(city.only(case)["id"], TemporaryError("busy")).verdict == "applied"
        assert city.only(case)["state"] == "due"
        city.later(minutes=5)


def test_the_limit_for_sending_moves_with_the_date(city: SmallCity) -> None:
    case = city.submit("JOIN1")
    city.tell(case, Event.SUSPEND, reason_code="hearing")
    city.later(days=7)
    city.tell(case, Event.RESUME)
    due_at = city.case(case)["due_at"]
    assert {row["send_before"] for row in city.deliveries(case)} == {due_at}


def test_a_dead_letter_that_may_have_arrived_is_told_to_the_department_on_withdrawal(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", OutcomeUnknownError("reset"))
    city.later(hours=1)
    city.send("AA-api", PermanentError("bad"))
    city.tell(case, Event.WITHDRAW)
    assert len(city.tasks(case, "notify")) == 1


def test_only_a_notice_can_be_skipped(city: SmallCity) -> None:
    case = city.submit("CENTRE1")
    with pytest.raises(NotAllowed, match="skipped"):
        city.unit(lambda c: results.skip(c, city.city, city.tasks(case)[0]["id"], "staff-1", city.at))


def test_a_permanent_reply_to_a_waiting_delivery_is_a_dead_letter(city: SmallCity) -> None:
    case = city.submit("API1")
    city.send("AA-api", WAITING)
    city.reply(city.only(case)["id"], PermanentError("01"))
    assert city.only(case)["state"] == "dead"
    assert len(city.tasks(case, "dead")) == 1
    assert city.reply(city.only(case)["id"], TemporaryError("99")).verdict == "ignored"


def test_nothing_personal_is_in_a_column_that_is_not_sealed(city: SmallCity) -> None:
    case = city.submit("API1", form={"note": "样例路一号"})
    city.send("AA-api", GRANTED)
    city.complete(city.tasks(case)[0]["id"], decision="done")
    names = ["inbox", "case_file", "case_step", "delivery", "attempt", "payload", "reply", "task", "journal"]
    for table in names:
        for row in city.connection.rows(f"SELECT * FROM {table}"):
            for value in row.values():
                content = value if isinstance(value, bytes) else str(value).encode()
                for secret in ("赵样例", "样例路一号", "样例1号"):
                    assert secret.encode() not in content, table
