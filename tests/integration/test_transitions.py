"""Every legal transition of every machine happens in a scenario here; every other one is refused by the gate."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from contracts.delivery import AwaitingReply, Lookup, NotFound, Returned
from contracts.envelope import CaseEventKind as Event
from contracts.errors import CredentialsError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.paper_api import HandingOver
from contracts.task_sheet import SheetBox, TaskSheet, sheet_code
from hub import batches, outbox, results, states
from hub.case_states import CASE_TRANSITIONS
from hub.results import LostProcess, NewHandover, NotAllowed, Overtaken, ReadPage
from hub.states import BatchState, Machine
from hub.store import handovers, scans
from hub.store.connection import Row
from tests.small_city import CENTRE, DONE, GRANTED, REFUSED, SmallCity

WAITING = AwaitingReply(department_ref="R-1")
RETURNED = Returned(reason_code="papers", wanted=("M0001",))
SHEET = TaskSheet(
    form="CC-01",
    title_zh="交办单",
    title_en="Task sheet",
    todo_zh="办理",
    todo_en="Handle",
    lines=(),
    boxes=(SheetBox(code="A", label_zh="同意", label_en="Agreed"),),
)


def replies_in_every_state_that_is_not_final(city: SmallCity) -> None:
    """R6: due, claimed, sending, unknown, waiting, held and dead deliveries all take a reply."""
    for answer, state in (
        (GRANTED, "done"),
        (RETURNED, "returned"),
        (PermanentError("bad"), "dead"),
        (WAITING, "waiting"),
    ):
        due = city.only(city.submit("API1"))["id"]
        claimed = city.only(city.submit("API1"))["id"]
        sending = city.only(city.submit("API1"))["id"]
        held = city.only(city.submit("API1"))["id"]
        rows = {row["id"]: row for row in city.claim("AA-api")}
        back = [rows[due], rows[held]]
        city.unit(lambda c, back=back: outbox.give_back(c, city.city, back, city.at))
        begun = city.begin(rows[sending])
        city.reply(due, answer)
        city.reply(claimed, answer)
        city.reply(sending, answer)
        city.unit(lambda c: results.hold_lane(c, city.city, "AA-api", "paused", "operator-1", city.at))
        city.reply(held, answer)
        assert [city.delivery(one)["state"] for one in (due, claimed, sending, held)] == [state] * 4
        city.end(begun, GRANTED)  # the reply won: the outcome of the attempt moves nothing
        assert city.delivery(sending)["state"] in (state, "done")
        with pytest.raises(results.LeaseLost):
            city.begin(rows[claimed])
        city.unit(lambda c: results.release_lane(c, city.city, "AA-api", "operator-1", city.at))


def outcomes_of_an_attempt(city: SmallCity) -> None:
    """Each class of outcome and error ends where the table says."""
    expected = (
        (GRANTED, "done"),
        (RETURNED, "returned"),
        (WAITING, "waiting"),
        (TemporaryError("http_503"), "due"),
        (OutcomeUnknownError("timeout"), "due"),  # resending is safe here: through unknown
        (PermanentError("http_400"), "dead"),
        (CredentialsError("http_401"), "held"),
        (RuntimeError("a bug"), "due"),
        (DuplicateError("dup"), "dead"),
        (LostProcess(), "due"),
    )
    for result, state in expected:
        delivery = city.only(city.submit("API1"))
        city.send("AA-api", result)
        assert city.delivery(delivery["id"])["state"] == state, result
        if state == "due":
            city.operate(delivery["id"], "cancel")


def unknown_in_every_direction(city: SmallCity) -> None:
    """An unknown delivery waits for an enquiry or a person, and can end in every way."""

    def unknown() -> str:
        name: str = city.only(city.submit("API1"))["id"]
        city.send("AA-api", OutcomeUnknownError("reset"))
        assert city.delivery(name)["state"] == "unknown"
        return name

    def ask(name: str, found: object) -> None:
        city.unit(lambda c: results.enquired(c, city.city, name, found, city.plan, city.at))  # type: ignore[arg-type]

    for found, state in ((GRANTED, "done"), (RETURNED, "returned"), (WAITING, "waiting")):
        name = unknown()
        ask(name, found)
        assert city.delivery(name)["state"] == state
    name = unknown()
    ask(name, NotFound(what=Lookup.NOT_RECEIVED))
    assert city.delivery(name)["state"] == "due"
    assert city.delivery(name)["possible_duplicate"]
    city.operate(name, "cancel")
    name = unknown()
    ask(name, OutcomeUnknownError("enquiry timed out"))
    assert city.delivery(name)["state"] == "unknown"
    city.reply(name, PermanentError("bad"))
    assert city.delivery(name)["state"] == "dead"
    for action, state in (("cancel", "cancelled"), ("dead", "dead"), ("resend", "due")):
        name = unknown()
        city.operate(name, action)
        assert city.delivery(name)["state"] == state
        if state == "due":
            city.operate(name, "cancel")


def waiting_in_every_direction(city: SmallCity) -> None:
    """A waiting delivery takes every kind of reply, grows overdue, is forgotten, or changes its channel."""

    def waiting() -> str:
        name: str = city.only(city.submit("API1"))["id"]
        city.send("AA-api", WAITING)
        return name

    for answer, state in (
        (GRANTED, "done"),
        (RETURNED, "returned"),
        (PermanentError("bad"), "dead"),
        (TemporaryError("busy"), "due"),
    ):
        name = waiting()
        city.reply(name, answer)
        assert city.delivery(name)["state"] == state
        if state == "due":
            city.operate(name, "cancel")
    name = waiting()
    city.unit(lambda c: results.lapsed(c, city.city, name, city.plan, city.at))
    assert city.delivery(name)["state"] == "unknown"
    assert city.delivery(name)["error_code"] == "overdue"
    name = waiting()
    city.unit(lambda c: results.enquired(c, city.city, name, NotFound(what=Lookup.NOT_RECEIVED), city.plan, city.at))
    assert city.delivery(name)["possible_duplicate"]
    city.operate(name, "cancel")
    name = waiting()
    city.operate(name, "resend")
    assert city.delivery(name)["possible_duplicate"]
    city.operate(name, "cancel")
    name = waiting()
    city.operate(name, "cancel")
    assert city.delivery(name)["state"] == "cancelled"


def dead_letters(city: SmallCity) -> None:
    """A dead letter is replayed under the same id, settled by a late reply, or cancelled."""

    def dead() -> str:
        name: str = city.only(city.submit("API1"))["id"]
        city.send("AA-api", PermanentError("bad"))
        return name

    name = dead()
    city.operate(name, "replay")
    assert city.delivery(name)["state"] == "due"
    city.operate(name, "cancel")
    for answer, state in ((GRANTED, "done"), (RETURNED, "returned")):
        name = dead()
        city.reply(name, answer)
        assert city.delivery(name)["state"] == state
    name = dead()
    city.operate(name, "cancel")
    assert city.delivery(name)["state"] == "cancelled"


def holds(city: SmallCity) -> None:
    """A held queue is let go again, resent singly, or cancelled."""
    first, second = (city.only(city.submit("API1"))["id"] for _ in range(2))
    city.unit(lambda c: results.hold_lane(c, city.city, "AA-api", "paused", "operator-1", city.at))
    assert city.claim("AA-api") == []
    city.operate(first, "cancel")
    city.unit(lambda c: results.release_lane(c, city.city, "AA-api", "operator-1", city.at))
    assert city.delivery(second)["state"] == "due"
    city.operate(second, "cancel")


def steps_and_conditions(city: SmallCity) -> None:
    """Steps are skipped, returned and opened again, and cancelled from every open state."""
    urgent = city.submit("WHEN1", form={"urgent": True})
    assert city.steps(urgent)["p1"] == "skipped"
    city.send("BB-file", RETURNED)
    assert city.status(urgent) == "32"
    city.tell(urgent, Event.RESUBMIT)
    assert [row["round"] for row in city.deliveries(urgent)] == [1, 2]
    city.send("BB-file", RETURNED)
    city.tell(urgent, Event.VOID, confirmed_by="staff-2")
    assert city.steps(urgent) == {"s1": "done", "p1": "skipped", "s2": "cancelled", "s9": "cancelled"}
    refused = city.submit("API1")
    city.send("AA-api", REFUSED)
    assert city.status(refused) == "51"


def cases_before_acceptance(city: SmallCity) -> None:
    """Reception: asked once, corrected, accepted, refused, withdrawn, overdue, deemed accepted, archived."""
    case = city.submit("API1", accepted=False)
    city.tell(case, Event.ASK_CORRECTION, wanted=("M0001",))
    city.tell(case, Event.CORRECTED, form={"note": "样例"})
    with pytest.raises(NotAllowed):
        city.tell(case, Event.ASK_CORRECTION, wanted=("M0002",))
    city.complete(city.tasks(case)[0]["id"], decision="done")
    assert city.status(case) == "40"
    case = city.submit("API1", accepted=False)
    city.tell(case, Event.REFUSE_ACCEPTANCE)
    ended = [case]
    case = city.submit("API1", accepted=False)
    city.tell(case, Event.WITHDRAW)
    case = city.submit("API1", accepted=False)
    city.tell(case, Event.ASK_CORRECTION, wanted=("M0001",))
    city.tell(case, Event.WITHDRAW)
    ended.append(case)
    case = city.submit("API1", accepted=False)
    city.tell(case, Event.ASK_CORRECTION, wanted=("M0001",))
    deemed = city.submit("API1", accepted=False)
    city.later(days=31)
    city.time_passes(case)
    assert city.status(case) == "13"
    city.time_passes(deemed)
    assert city.status(deemed) == "40"
    for case in ended:
        city.later(days=31)
        city.time_passes(case)
        assert city.status(case) == "80"


def cases_end_in_every_way(city: SmallCity) -> None:
    """From 20, 30, 31, 32 and 40: withdrawn, voided, returned; then archived."""
    second = {"confirmed_by": "staff-2"}

    def in_process() -> str:
        return city.submit("JOIN1")

    def suspended() -> str:
        return city.submit("NOTICE1")

    def returned() -> str:
        case = city.submit("API1")
        city.send("AA-api", RETURNED)
        return case

    def awaiting() -> str:
        return city.submit("API1")

    ended = []
    for start in (in_process, suspended, returned, awaiting):
        city.tell(start(), Event.WITHDRAW)
        ended.append(start())
        city.tell(ended[-1], Event.VOID, **second)
    for start in (in_process, returned):
        ended.append(start())
        city.tell(ended[-1], Event.RETURN, reason_code="elsewhere")
    asked = returned()
    city.tell(asked, Event.ASK_CORRECTION, wanted=("M0001",))
    city.tell(asked, Event.CORRECTED)
    city.tell(asked, Event.ACCEPT)
    city.send("AA-api", GRANTED)
    assert city.status(asked) == "50"
    city.later(days=31)
    for case in ended:
        city.time_passes(case)
        assert city.status(case) == "80"


def an_accepted_case_that_has_nothing_to_start(city: SmallCity) -> None:
    """20 is seen from outside only when nothing can start at once: from there it is withdrawn or voided."""
    for event, more in ((Event.WITHDRAW, {}), (Event.VOID, {"confirmed_by": "staff-2"})):
        case = city.submit("API1")
        city.unit(
            lambda c, case=case: c.run("UPDATE case_file SET status = '20' WHERE case_no = :n", {"n": case})
        )  # as an older release could have left it
        city.tell(case, event, **more)


def cases_to_the_end(city: SmallCity) -> None:
    """Granted, refused, collected, served, archived; special procedures; an instant case."""
    case = city.submit("CENTRE1")
    city.tell(case, Event.SUSPEND, reason_code="hearing")
    city.tell(case, Event.RESUME)
    city.complete(city.tasks(case)[0]["id"], decision="granted")
    city.tell(case, Event.RESULT_READY)
    city.tell(case, Event.SERVE)
    city.later(days=31)
    city.time_passes(case)
    assert city.status(case) == "80"
    for answer, status in ((GRANTED, "50"), (REFUSED, "51")):
        case = city.submit("API1")
        city.send("AA-api", answer)
        assert city.status(case) == status
        city.tell(case, Event.SERVE)
        case = city.submit("INSTANT1")
        assert city.status(case) == "30"
        city.send("AA-api", answer)
        assert city.status(case) == status
    notice = city.submit("NOTICE1")
    assert city.status(notice) == "31"
    city.complete(city.tasks(notice)[0]["id"], decision="done")
    city.send("AA-api", GRANTED)
    assert city.status(notice) == "31"
    join = city.submit("JOIN1")
    city.tell(join, Event.SUSPEND, reason_code="hearing")
    city.tell(join, Event.RESUME)
    assert city.status(join) == "30"
    city.send("AA-api", DONE)
    city.send("BB-file", DONE)
    city.send("CC-paper", RETURNED)
    assert city.status(join) == "32"


def tasks_of_every_kind(city: SmallCity) -> None:
    """Claimed, given back, completed, confirmed by a second person, declined, skipped, obsolete."""
    case = city.submit("PAPER1")
    city.send("CC-paper", AwaitingReply(task_sheet=SHEET))
    (task,) = city.tasks(case, "sheet")
    city.unit(lambda c: results.reserve(c, city.city, task["id"], "staff-1", city.at))
    with pytest.raises(Overtaken):
        city.unit(lambda c: results.reserve(c, city.city, task["id"], "staff-2", city.at))
    city.unit(lambda c: results.release(c, city.city, task["id"], "staff-1", city.at))
    sheet = city.connection.row("SELECT * FROM sheet WHERE number = :n", {"n": task["sheet_no"]})
    assert sheet is not None
    code = sheet_code(
        sheet["number"], 1, city.city.keys.sheet_mac(sheet["number"], sheet["version"], sheet["content_hash"])
    )
    assert city.complete(task["sheet_no"], REFUSED, sheet_code=code, result_code="B").verdict == "to_confirm"
    for outcome, box in ((REFUSED, "C"), (GRANTED, "B"), (RETURNED, "B"), (None, None)):
        with pytest.raises(NotAllowed, match="differs"):
            city.complete(task["sheet_no"], outcome, sheet_code=code, result_code=box, by="staff-2")
    city.unit(lambda c: results.release(c, city.city, task["id"], "staff-2", city.at))
    city.complete(task["sheet_no"], REFUSED, sheet_code=code, result_code="B")
    assert city.complete(task["sheet_no"], REFUSED, sheet_code=code, result_code="B", by="staff-2").status == "51"
    for reserve, confirm in ((False, False), (True, False), (True, True)):
        case = city.submit("PAPER1")
        city.send("CC-paper", AwaitingReply(task_sheet=SHEET))
        (task,) = city.tasks(case, "sheet")
        if confirm:
            number = task["sheet_no"]
            sheet = city.connection.row("SELECT * FROM sheet WHERE number = :n", {"n": number})
            assert sheet is not None
            city.complete(number, REFUSED, sheet_no=number, sheet_version=1, result_code="B")
        elif reserve:
            city.unit(lambda c, task=task: results.reserve(c, city.city, task["id"], "staff-1", city.at))
        city.tell(case, Event.WITHDRAW)
        assert city.tasks(case, "sheet") == []
        (notify,) = city.tasks(case, "notify")
        if reserve:
            city.unit(lambda c, notify=notify: results.reserve(c, city.city, notify["id"], "staff-1", city.at))
        city.unit(lambda c, notify=notify: results.skip(c, city.city, notify["id"], "staff-1", city.at))


def paper_that_travels_and_comes_back(city: SmallCity) -> None:
    """A list that is cancelled; one that leaves a sheet behind, loses another and finds it again; scans that match, puzzle and fail."""
    numbers = [printed_sheet(city) for _ in range(3)]
    cancelled = listed(city, numbers)
    city.unit(lambda c: results.cancel_handover(c, city.city, cancelled, city.at, "staff-1"))
    travelling = listed(city, numbers)
    told = HandingOver(by="staff-1", taken_by="courier-1", scanned=(*numbers[:2], "no code"))
    city.unit(lambda c: results.hand_out(c, city.city, travelling, told, city.at))
    city.unit(lambda c: results.lose_sheet(c, city.city, travelling, numbers[0], city.at, "staff-1"))
    city.unit(lambda c: results.take_in(c, city.city, numbers[:2], city.at, "staff-1"))
    code = ("QRCode", code_of(city, numbers[1]))
    pages = [ReadPage(page=place, image="i", codes=codes) for place, codes in enumerate(([code], [], []), 1)]
    scan = dropped(city, "b1")
    for page in pages:
        city.unit(lambda c, page=page: results.take_page(c, city.city, scan, 3, page, city.at))
    city.unit(lambda c: results.assign_page(c, city.city, scan["id"], 2, numbers[2], city.at, "staff-1", frozenset()))
    city.unit(lambda c: results.dismiss_page(c, city.city, scan["id"], 3, city.at, "staff-1", "blank"))
    city.unit(lambda c: results.end_scan(c, city.city, scan, None, city.at))
    broken = dropped(city, "b2")
    city.unit(lambda c: results.end_scan(c, city.city, broken, "no_pdf", city.at))


def printed_sheet(city: SmallCity) -> str:
    """A sheet of CC-paper that was printed once; its number."""
    case = city.submit("PAPER1")
    city.send("CC-paper", AwaitingReply(task_sheet=SHEET))
    number = str(city.tasks(case, "sheet")[0]["sheet_no"])
    city.unit(lambda c: results.count_print(c, city.city, number, city.at, "staff-1"))
    return number


def listed(city: SmallCity, numbers: list[str]) -> str:
    """A list of these sheets; its number."""
    waiting = handovers.waiting_sheets(city.connection, "310000", CENTRE, frozenset({"CC-paper"}))
    new = NewHandover(
        centre=CENTRE,
        department="CC",
        run_at=None,
        by="staff-1",
        sheets=[row for row in waiting if row["number"] in numbers],
    )
    number: str = city.unit(lambda c: results.make_handover(c, city.city, new, city.at))
    return number


def code_of(city: SmallCity, number: str) -> str:
    """The text of the QR code of a sheet."""
    sheet = city.connection.row("SELECT * FROM sheet WHERE number = :n", {"n": number})
    assert sheet is not None
    return sheet_code(
        number, sheet["version"], city.city.keys.sheet_mac(number, sheet["version"], sheet["content_hash"])
    )


def dropped(city: SmallCity, blob: str) -> Row:
    """A file that was dropped in."""
    row = {
        "id": blob,
        "blob": blob,
        "size": 1,
        "media_type": "image/png",
        "centre": CENTRE,
        "sheet_no": "",
        "by": "s",
        "created_at": city.at,
    }
    city.unit(lambda c: results.add_scan(c, city.city, row))
    found = scans.find(city.connection, "310000", blob)
    assert found is not None
    return found


def batches_from_open_to_closed(city: SmallCity) -> None:
    """Sealed, sent, acknowledged by the first answer, closed by the last; or refused as a whole."""
    for count, rejected in ((2, None), (1, "sent"), (1, "acknowledged")):
        cases = [city.submit("FILE1") for _ in range(count)]
        rows = city.claim("BB-file")
        name = f"b{count}{rejected}"
        sequence, _ = city.unit(lambda c: batches.next_numbers(c, city.city, "BB-file", "file_drop", city.at))
        row = {
            "id": name,
            "system": "BB-file",
            "situation": "file_drop",
            "sequence": sequence,
            "digest": "0" * 64,
            "blob": "b",
            "members": count,
        }
        city.unit(lambda c, row=row: batches.insert_sealed(c, city.city, row, city.at))
        for claimed in rows:
            city.end(city.begin(claimed, batch=name), WAITING)
        city.unit(lambda c, name=name: outbox.batch_sent(c, city.city, name, city.at))
        if rejected == "acknowledged":
            stored = batches.find(city.connection, city.city, name)
            assert stored is not None
            city.unit(lambda c, stored=stored: batches.move(c, city.city, stored, BatchState.ACKNOWLEDGED, city.at))
        if rejected:
            city.unit(lambda c, name=name: outbox.batch_rejected(c, city.city, name, city.at))
        else:
            city.reply(city.only(cases[0])["id"], GRANTED)
            stored = batches.find(city.connection, city.city, name)
            assert stored is not None
            assert stored["state"] == "acknowledged"
            city.reply(city.only(cases[1])["id"], GRANTED)
        stored = batches.find(city.connection, city.city, name)
        assert stored is not None
        assert stored["state"] == ("rejected" if rejected else "closed")


Scenario = Callable[[SmallCity], None]
SCENARIOS: tuple[tuple[Scenario, dict[str, object]], ...] = (
    (replies_in_every_state_that_is_not_final, {}),
    (outcomes_of_an_attempt, {}),
    (unknown_in_every_direction, {"can_enquire": True}),
    (waiting_in_every_direction, {"can_enquire": True}),
    (dead_letters, {}),
    (holds, {}),
    (steps_and_conditions, {}),
    (cases_before_acceptance, {}),
    (cases_end_in_every_way, {}),
    (an_accepted_case_that_has_nothing_to_start, {}),
    (cases_to_the_end, {}),
    (tasks_of_every_kind, {}),
    (batches_from_open_to_closed, {}),
    (paper_that_travels_and_comes_back, {}),
)


@pytest.mark.parametrize(("scenario", "api"), SCENARIOS, ids=[one.__name__ for one, _ in SCENARIOS])
def test_scenario(scenario: Scenario, api: dict[str, object], tmp_path: Path) -> None:
    city = SmallCity(tmp_path, **api)
    scenario(city)
    city.close()


def test_every_legal_transition_happens_in_a_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[str, str, str]] = set()
    events: set[tuple[str, str, str]] = set()

    def note(machine: str, from_: str, to: str, cause: str) -> None:
        seen.add((str(machine), str(from_), str(to)))
        events.add((str(from_), str(cause), str(to)))

    monkeypatch.setattr(states, "observed", note)
    for number, (scenario, api) in enumerate(SCENARIOS):
        folder = tmp_path / str(number)
        folder.mkdir()
        city = SmallCity(folder, **api)
        scenario(city)
        city.close()
    legal = {(row.machine.value, str(row.from_), str(row.to)) for rows in states.TRANSITIONS.values() for row in rows}
    assert legal - seen == set()
    every_event = {(str(row.from_), str(row.event), str(row.to)) for row in CASE_TRANSITIONS if row.from_ is not None}
    assert every_event - events == set()


@pytest.mark.parametrize("machine", list(Machine))
def test_every_other_transition_is_refused(machine: Machine) -> None:
    legal = {(row.from_, row.to) for row in states.TRANSITIONS[machine]}
    names = list(states.STATES[machine])
    for from_, to in product(names, names):
        if (from_, to) not in legal:
            with pytest.raises(states.IllegalTransition):
                states.check(machine, from_, to)
