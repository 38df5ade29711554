"""A whole site on a real database: every item can be led down every path, unit of work by unit of work.

Systems, items, calendar and centres are those that the site's plugins registered; only the wires are missing. Applications come from
the generator of the demo, replies are plausible values for the reply fields of each operation.
"""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from contracts.api import BadField
from contracts.catalogue import Answers, Item, Operation
from contracts.delivery import AwaitingReply, Completed, Decision
from contracts.envelope import CaseApplication
from contracts.records import Fields
from contracts.site import load_site
from contracts.situation import ChannelStatus, Situation
from hub import outbox, results
from hub.clock import calendar
from hub.forms import Form, Stage, compile_form
from hub.results import NewCase
from hub.store.connection import Row
from hub.systems import OpenChannel, Registered, Systems, register
from simulators.plausible import plausible
from tests.small_city import START, SmallCity

TODAY = START.date()
_LEASE = 86_400_000
"""Milliseconds: what is claimed here is sent some minutes of the city later."""


class WholeCity(SmallCity):
    """A site with all of its departments; the clock is moved by hand."""

    def __init__(self, folder: Path, root: Path) -> None:
        super().__init__(folder)
        self.connection.run("PRAGMA synchronous = OFF")  # thousands of units of work; no power is cut here
        self.site = load_site(root)
        registered = register(root, self.site.plugins)
        self.forms: dict[str, Form] = {}
        self._claimed: dict[str, Row] = {}
        self.city = replace(
            self.city,
            region=self.site.region,
            timezone=self.site.timezone,
            calendar=calendar(self.site.timezone, self.site.calendars),
            centres=self.site.centres,
            items={(item.code, item.version): item for item in registered.items},
            systems=_opened(registered).facts(),
            form_errors=self._form_errors,
        )

    def form(self, item: Item) -> Form:
        """Its compiled form."""
        if item.code not in self.forms:
            self.forms[item.code] = compile_form(item, self.site.field_groups, self.site.code_lists)
        return self.forms[item.code]

    def _form_errors(self, item: Item, application: CaseApplication, day: Any) -> tuple[BadField, ...]:
        return self.form(item).check(application, day, Stage.ACCEPTANCE)[1]

    def hand_in(self, application: CaseApplication, *, accepted: bool) -> str:
        """Receive a case as intake does: checked, in the form that the hub keeps. Returns its number."""
        self._messages += 1
        item = self.city.item(application.item, application.item_version or 1)
        normal, bad = self.form(item).check(replace(application, accepted=accepted), TODAY)
        assert bad == (), bad
        message = f"m{self._messages}"
        new = NewCase(application=normal, item=item, source="/test", message_id=message, digest=message, client="test")
        return str(self.unit(lambda c: results.receive(c, self.city, new, self.at)).case_no)

    def operation(self, delivery: Row) -> Operation:
        """What a delivery calls."""
        return self.city.operation(delivery["system"], delivery["operation"])

    def fields(self, delivery: Row) -> Fields:
        """What a delivery carries, unsealed."""
        key = self.city.keys.case_key(self.case(delivery["case_no"])["sealed_key"])
        found: Fields = orjson.loads(key.unseal(delivery["sealed_fields"], "fields"))["fields"]
        return found

    def due(self, case_no: str) -> list[Row]:
        """Deliveries of a case that wait to be sent."""
        return [row for row in self.deliveries(case_no) if row["state"] == "due"]

    def deliver(self, delivery: Row, decision: Decision, *, answer: bool = True) -> None:
        """Send one delivery and, unless the department is to stay silent, have it answered when its operation answers."""
        operation = self.operation(delivery)
        if delivery["id"] not in self._claimed:
            until = self.at + _LEASE
            found = self.unit(lambda c: outbox.claim(c, self.city, delivery["system"], 100, "test", self.at, until))
            self._claimed.update({row["id"]: row for row in found.rows})
        begun = self.begin(self._claimed.pop(delivery["id"]))
        outcome = Completed(decision=decision, fields=self.reply_fields(operation, delivery["id"]))
        at_once = operation.answers is Answers.AT_ONCE and self.city.system(delivery["system"]).sending is Situation.API
        self.end(begun, outcome if at_once and answer else AwaitingReply(department_ref="R-1"))
        if answer and not at_once:
            self.later(minutes=1)
            self.reply(delivery["id"], outcome)

    def reply_fields(self, operation: Operation, seed: str) -> Fields:
        """Plausible values of the reply fields; what is asked for is found."""
        dice = random.Random(seed)
        values = {field.name: plausible(field, dice, self.site.code_lists) for field in operation.reply}
        return {**values, **{name: True for name in ("found",) if name in values}}

    def changes(self, case_no: str, kind: str) -> list[tuple[str, str | None, str | None]]:
        """What the journal tells of a case: subject, from, to, in order."""
        rows = self.connection.rows("SELECT changes FROM journal WHERE chain = :n ORDER BY seq", {"n": case_no})
        entries = [change for row in rows for change in orjson.loads(row["changes"])]
        return [(subject, before, after) for of, subject, before, after, _ in entries if of == kind]


def _opened(registered: Registered) -> Systems:
    channels = {
        (system.name, channel.situation): OpenChannel(system=system.name, channel=channel, gateway=None)
        for system in registered.systems.values()
        for channel in system.channels
        if channel.status is ChannelStatus.SENDING
    }
    return Systems(registered=registered, channels=channels)
