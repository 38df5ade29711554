"""A small city for tests of the hub's core: three systems in the three situations, a few items, a real database file.

Nothing here stands in for code of ours: units of work run on a real connection against the real catalogue records.
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.api import BadField
from contracts.catalogue import Item, Operation
from contracts.delivery import Completed, Decision, Outcome, Reply
from contracts.envelope import CaseApplication, CaseEvent, CaseEventKind, TaskCompletion
from contracts.errors import DeliveryError
from contracts.records import adapter
from contracts.site import CalendarYear, Centre
from contracts.situation import Situation
from hub import outbox, results, retry
from hub.city import City, SystemFacts, milliseconds
from hub.clock import calendar
from hub.keys import Keys
from hub.results import Begun, Change, NewCase
from hub.retry import History, Next
from hub.store import schema
from hub.store.connection import Connection, Row
from hub.suites import SUITES

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
CENTRE = "310104901"
OTHER_CENTRE = "310101901"
SUITE = SUITES[os.environ.get("ONEDOOR_CIPHER_SUITE", "aes-sha256")]


def operation(key: str, *, answers: str = "later", **more: Any) -> Operation:
    """An operation that receives the applicant's name and nothing else."""
    return adapter(Operation).validate_python(
        {
            "key": key,
            "name_zh": key,
            "name_en": key,
            "purpose": "decide",
            "answers": answers,
            "request": [{"name": "applicant_name", "source": "applicant.name", "type": "string", "required": True}],
            "reply": [],
            "result_codes": {},
            "wire": {},
            **more,
        }
    )


def _facts(name: str, situation: Situation, *operations: Operation, **more: Any) -> SystemFacts:
    return SystemFacts(
        name=name,
        department=name[:2],
        department_name=name,
        operations={one.key: one for one in operations},
        sending=situation,
        resend_is_safe=more.get("resend_is_safe", True),
        can_enquire=more.get("can_enquire", False),
        reply_within_ms=more.get("reply_within_ms"),
        max_attempts=more.get("max_attempts", 5),
        successor=more.get("successor"),
    )


def systems(**more: Any) -> dict[str, SystemFacts]:
    """api, file and paper; ``more`` goes to the api system."""
    withdraw = operation("withdraw")
    member = operation("member", repeat="form.members", purpose="check")
    return {
        facts.name: facts
        for facts in (
            _facts(
                "AA-api",
                Situation.API,
                operation("check", purpose="check"),
                operation("decide"),
                operation("instant", answers="at_once"),
                operation("revocable", withdraw_with="withdraw"),
                operation("needy", needs="applicant.id_type == '111'"),
                withdraw,
                member,
                **more,
            ),
            _facts("BB-file", Situation.FILE_DROP, operation("check", purpose="check"), operation("decide")),
            _facts("CC-paper", Situation.PAPER, operation("check", purpose="check"), operation("decide")),
            _facts("OLD-api", Situation.API, successor="AA-api"),
        )
    }


def step(
    name: str, after: tuple[str, ...] = (), system: str | None = None, op: str = "check", **more: Any
) -> dict[str, Any]:
    """A department step, or without ``system`` a centre step."""
    kind = {"kind": "centre"} if system is None else {"kind": "department", "system": system, "operation": op}
    return {"id": name, "name_zh": name, "name_en": name, "after": list(after), **kind, **more}


def item(code: str, decides: str, *steps: dict[str, Any], receive_at: str = "accepting", **more: Any) -> Item:
    """An item whose first step ``s1`` receives and accepts."""
    first = step("s1", task="receive_accept", at=receive_at)
    return adapter(Item).validate_python(
        {
            "code": code,
            "version": 1,
            "valid_from": "2026-01-01",
            "name_zh": code,
            "name_en": code,
            "owner": "AA",
            "applicant_type": "natural_person",
            "case_type": "promised",
            "legal_days": 20,
            "promised_days": 10,
            "accepts": "s1",
            "decides": decides,
            "steps": [first, *steps],
            **more,
        }
    )


SERVE = step("s9", ("s2",), task="deliver", at="receiving")

ITEMS = (
    item("API1", "s2", step("s2", ("s1",), "AA-api", "decide"), SERVE),
    item("FILE1", "s2", step("s2", ("s1",), "BB-file", "decide"), SERVE),
    item("PAPER1", "s2", step("s2", ("s1",), "CC-paper", "decide"), SERVE),
    item("CENTRE1", "s2", step("s2", ("s1",), task="review", at="accepting"), SERVE),
    item("INSTANT1", "s2", step("s2", ("s1",), "AA-api", "instant"), SERVE, case_type="instant", promised_days=0),
    item("REVOKE1", "s2", step("s2", ("s1",), "AA-api", "revocable"), SERVE),
    item("NEEDS1", "s2", step("s2", ("s1",), "AA-api", "needy"), SERVE),
    item("RETIRED1", "s2", step("s2", ("s1",), "OLD-api", "decide"), SERVE),
    item(
        "JOIN1",
        "s2",
        step("p1", ("s1",), "AA-api"),
        step("p2", ("s1",), "BB-file"),
        step("p3", ("s1",), "CC-paper"),
        step("s2", ("p1", "p2", "p3"), "AA-api", "decide", join={"wait_for": "all", "collect": "joined"}),
        SERVE,
    ),
    item(
        "QUIET1",
        "s2",
        step("p1", ("s1",), "AA-api"),
        step("p2", ("s1",), "BB-file", optional=True),
        step(
            "s2",
            ("p1", "p2"),
            "AA-api",
            "decide",
            join={
                "wait_for": "mandatory",
                "mandatory": ["p1"],
                "not_answered_after_working_days": 3,
                "collect": "joined",
            },
        ),
        SERVE,
    ),
    item("MEMBERS1", "s2", step("p1", ("s1",), "AA-api", "member"), step("s2", ("p1",), "AA-api", "decide"), SERVE),
    item(
        "NOTICE1",
        "s2",
        step("n1", ("s1",), task="notice", at="accepting", clock="paused", days=7),
        step("s2", ("n1",), "AA-api", "decide"),
        step("n2", ("s2",), task="notice", at="accepting", clock="paused", days=5),
        step("s9", ("n2",), task="deliver", at="receiving"),
    ),
    item(
        "SPLIT1",
        "s2",
        step("s1a", ("s1",), task="accept_elsewhere", at="accepting"),
        step("s2", ("s1a",), "AA-api", "decide"),
        SERVE,
        accepts="s1a",
        tongban="city_split",
        receive_at="receiving",
    ),
    item(
        "WHEN1",
        "s2",
        step("p1", ("s1",), "AA-api", when="form.urgent != `true`"),
        step("s2", ("p1",), "BB-file", "decide"),
        SERVE,
    ),
)


class Plan:
    """The retry rules with a fixed seed, waits of seconds and the clock of the city under test."""

    def __init__(self, world: "SmallCity") -> None:
        self.world = world
        self.random = random.Random(7)
        self.policy = retry.Policy(max_attempts=5)

    def attempt(self, error: BaseException | None, history: History, system: str) -> Next:
        """As the attempts module would."""
        return retry.after_attempt(error, history, self.world.now, self.random, self.policy)

    def enquiry(self, found: Any, history: History, system: str) -> Next:
        """As the attempts module would."""
        return retry.after_enquiry(found, history, self.world.now, self.random, self.policy)


def small_calendar() -> dict[int, CalendarYear]:
    """2026 with one holiday; 2027 is not published."""
    return {
        2026: CalendarYear(
            year=2026, version=1, holidays=frozenset({date(2026, 5, 1)}), makeup_workdays=frozenset({date(2026, 5, 9)})
        )
    }


class SmallCity:
    """A database file and a clock that a test moves by hand. Every call is one committed unit of work."""

    def __init__(self, folder: Path, **api: Any) -> None:
        path = folder / "onedoor.db"
        schema.upgrade(path)
        self.connection = Connection(path, writable=True)
        self.now = START
        self.city = City(
            region="310000",
            timezone="Asia/Shanghai",
            calendar=calendar("Asia/Shanghai", small_calendar()),
            centres={
                code: Centre(code=code, district=code[:6], name_zh="样例中心", name_en="Sample centre")
                for code in (CENTRE, OTHER_CENTRE)
            },
            items={(one.code, one.version): one for one in ITEMS},
            systems=systems(**api),
            keys=Keys(b"k" * 32, suite=SUITE),
        )
        self.plan = Plan(self)
        self._messages = 0

    @property
    def at(self) -> int:
        """Now in milliseconds."""
        return milliseconds(self.now)

    def later(self, **span: float) -> None:
        """Move the clock."""
        self.now += timedelta(**span)

    def unit(self, work: Any) -> Any:
        """Run a unit as the writer would: all of it or nothing."""
        self.connection.run("BEGIN IMMEDIATE")
        try:
            result = work(self.connection)
        except BaseException:
            self.connection.run("ROLLBACK")
            raise
        self.connection.run("COMMIT")
        return result

    def application(self, code: str, **more: Any) -> CaseApplication:
        """What a counter hands in."""
        given = {"receiving_centre": CENTRE, "applicant": {"name": "赵样例", "id_type": "111"}, "accepted": True}
        return CaseApplication(item=code, **{**given, **more})

    def submit(self, code: str, *, message: str = "", **more: Any) -> str:
        """A new case; returns its number."""
        self._messages += 1
        new = NewCase(
            application=self.application(code, **more),
            item=self.city.item(code, 1),
            source="/test",
            message_id=message or f"m{self._messages}",
            digest=f"d{message or self._messages}",
            client="test",
        )
        change: Change = self.unit(lambda c: results.receive(c, self.city, new, self.at))
        return change.case_no

    def publish(self, year: int) -> None:
        """The calendar of a year arrives."""
        table = CalendarYear(year=year, version=1, holidays=frozenset(), makeup_workdays=frozenset())
        self.city = replace(self.city, calendar=calendar("Asia/Shanghai", {**small_calendar(), year: table}))

    def check_forms(self, form_errors: Callable[[Item, CaseApplication, date], tuple[BadField, ...]]) -> None:
        """Have applications checked at acceptance."""
        self.city = replace(self.city, form_errors=form_errors)

    def tell(self, case_no: str, event: CaseEventKind, *, message: str = "", digest: str = "", **more: Any) -> Change:
        """An event of a centre or an applicant."""
        self._messages += 1
        told = CaseEvent(event=event, **{"by": "staff-1", **more})
        key = ("/test", message or f"e{self._messages}")
        change: Change = self.unit(lambda c: results.event(c, self.city, case_no, key, digest or key[1], told, self.at))
        return change

    def time_passes(self, case_no: str) -> Change:
        """What the clock alone brings about."""
        change: Change = self.unit(lambda c: results.time_passed(c, self.city, case_no, self.at))
        return change

    def claim(self, system: str, limit: int = 100) -> list[Row]:
        """Claim what is due."""
        found = self.unit(lambda c: outbox.claim(c, self.city, system, limit, "hub-test", self.at, self.at + 60_000))
        return list(found.rows)

    def begin(self, claimed: Row, **more: Any) -> Begun:
        """Commit an attempt."""
        situation = self.city.system(claimed["system"]).sending.value
        begun: Begun = self.unit(lambda c: results.begin(c, self.city, claimed, situation, self.at, **more))
        return begun

    def end(self, begun: Begun, result: Outcome | BaseException) -> Change:
        """Commit how it ended."""
        change: Change = self.unit(lambda c: results.attempt_ended(c, self.city, begun, result, self.plan, self.at))
        return change

    def send(self, system: str, result: Outcome | BaseException) -> list[Row]:
        """Claim, begin and end everything due at a system with the same result."""
        claimed = self.claim(system)
        for row in claimed:
            self.end(self.begin(row), result)
        return claimed

    def reply(
        self, delivery: str, outcome: Outcome | DeliveryError, cause: str = "reply", *, operation: str = ""
    ) -> Change:
        """A reply that comes later; ``operation``: of what it says that it answers."""
        system = self.delivery(delivery)["system"]
        answer = Reply(delivery_id=UUID(delivery), outcome=outcome, happened_at=self.now, operation=operation)
        change: Change = self.unit(lambda c: results.reply(c, self.city, system, answer, self.at, cause))
        return change

    def operate(self, delivery: str, action: str) -> Change:
        """What an operator does."""
        change: Change = self.unit(lambda c: results.operate(c, self.city, delivery, action, "operator-1", self.at))
        return change

    def complete(
        self, task: str, outcome: Outcome | DeliveryError | None = None, *, message: str = "", **more: Any
    ) -> Change:
        """A person ends a task."""
        self._messages += 1
        told = TaskCompletion(**{"id": message or f"t{self._messages}", "by": "staff-1", **more})
        change: Change = self.unit(lambda c: results.complete(c, self.city, task, told, self.at, outcome))
        return change

    def case(self, case_no: str) -> Row:
        """The row of a case."""
        row = self.connection.row("SELECT * FROM case_file WHERE case_no = :n", {"n": case_no})
        assert row is not None
        return row

    def status(self, case_no: str) -> str:
        """Its state."""
        status: str = self.case(case_no)["status"]
        return status

    def steps(self, case_no: str) -> dict[str, str]:
        """State of each step."""
        rows = self.connection.rows(
            "SELECT step, state FROM case_step WHERE case_no = :n ORDER BY position", {"n": case_no}
        )
        return {row["step"]: row["state"] for row in rows}

    def deliveries(self, case_no: str) -> list[Row]:
        """All deliveries, oldest first."""
        return self.connection.rows(
            "SELECT * FROM delivery WHERE case_no = :n ORDER BY created_at, round, id", {"n": case_no}
        )

    def delivery(self, delivery: str) -> Row:
        """One delivery."""
        row = self.connection.row("SELECT * FROM delivery WHERE id = :d", {"d": delivery})
        assert row is not None
        return row

    def only(self, case_no: str) -> Row:
        """The only delivery of a case."""
        (row,) = self.deliveries(case_no)
        return row

    def tasks(self, case_no: str, kind: str | None = None) -> list[Row]:
        """Open tasks of a case."""
        rows = self.connection.rows(
            "SELECT * FROM task WHERE case_no = :n AND state IN ('ready', 'reserved', 'to_confirm') ORDER BY created_at, id",
            {"n": case_no},
        )
        return [row for row in rows if kind in (None, row["kind"])]

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


GRANTED = Completed(decision=Decision.GRANTED, fields={"decision_no": "样例1号"})
REFUSED = Completed(decision=Decision.REFUSED, fields={"reason": "样例"})
DONE = Completed(decision=Decision.DONE, fields={"found": True})
