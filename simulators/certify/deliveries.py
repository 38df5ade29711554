"""Deliveries to certify with: the fields of a sample case where the values must be believable, else made up and visibly so.

Every made-up text holds a mark that nobody else has, so that a value is found wherever it turns up.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jmespath
import orjson
from pydantic import JsonValue

from contracts.catalogue import Column, Operation, ReplyField, RequestField
from contracts.delivery import Delivery
from contracts.records import Fields
from contracts.site import Site
from simulators.certify.subject import Subject
from simulators.plausible import plausible

TEXTS = ("string", "text")
_SHORTEST_MARK = 4
_NUMBER = re.compile(r"[0-9.-]+")
"""Amounts and dates turn up anywhere."""


class Maker:
    """Makes the deliveries of one system."""

    def __init__(self, subject: Subject, dice: random.Random, *, believable: bool) -> None:
        """``believable``: from the site's sample cases, as far as there are any."""
        self._subject = subject
        self._dice = dice
        self._samples = dict(samples(subject.site)) if believable else {}

    def delivery(self, operation: Operation, **changes: Any) -> Delivery:
        """A new one, with an id of its own."""
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "id": UUID(int=self._dice.getrandbits(128), version=4),
            "system": self._subject.system.name,
            "operation": operation.key,
            "round": 1,
            "case_no": "310104901202603020000013",
            "item": "SAMPLE",
            "item_version": 1,
            "step": "s1",
            "centre": next(iter(self._subject.site.centres), "1"),
            "attempt": 1,
            "send_before": now + timedelta(days=1),
            "due_at": now + timedelta(days=10),
        }
        if "fields" not in changes:
            values["fields"] = self.fields(operation)
        return Delivery(**{**values, **changes})

    def fields(self, operation: Operation) -> dict[str, JsonValue]:
        """A value for each field that the operation may receive."""
        found = self._from_samples(operation)
        return {field.name: found.get(field.name, self.value(field)) for field in operation.request}

    def value(self, field: RequestField | Column) -> JsonValue:
        """Of the field's type, and within its bounds."""
        if field.type == "table" and isinstance(field, RequestField):
            return [{column.name: self.value(column) for column in field.columns}]
        if field.type in TEXTS:
            return self.text(field)
        twin = ReplyField(name=field.name, type=field.type, code_list=field.code_list, width_bytes=field.width_bytes)
        return plausible(twin, self._dice, self._subject.site.code_lists)

    def another(self, field: RequestField, than: JsonValue) -> JsonValue:
        """Another value of the field; None where it has no other."""
        if field.type == "bool":
            return not than
        if field.type in ("code", "codes") and field.code_list is not None:
            codes = self._subject.site.code_lists[field.code_list].codes
            others = [one.code for one in codes if one.code not in (than if isinstance(than, list) else [than])]
            other: JsonValue = others[0] if others else None
            return [other] if field.type == "codes" and other is not None else other
        for _ in range(20):
            found = self.value(field)
            if found != than:
                return found
        return None

    def text(self, field: RequestField | Column) -> str:
        """A made-up text with a mark, cut to what the field takes."""
        mark = f"{self._dice.getrandbits(40):010x}"
        whole = f"样例{mark}"
        longest = field.max_length or len(whole)
        if field.width_bytes is not None and field.width_bytes < 14:
            whole = mark
            longest = min(longest, field.width_bytes)
        return whole[-longest:] if longest < len(whole) else whole

    def secret_text(self) -> str:
        """A text that nobody else has, for what must never turn up."""
        return f"mark{self._dice.getrandbits(64):016x}"

    def _from_samples(self, operation: Operation) -> Fields:
        for item in self._subject.site.items:
            for step in item.steps:
                case = self._samples.get(item.code)
                if case is None or (step.system, step.operation) != (self._subject.system.name, operation.key):
                    continue
                found = {field.name: jmespath.search(field.source, case) for field in operation.request}
                return {name: value for name, value in found.items() if value is not None}
        return {}


def marks(fields: Fields) -> frozenset[str]:
    """Every text of the fields that is long enough to be found again."""
    return frozenset(_texts(list(fields.values())))


def _texts(values: Sequence[JsonValue]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str) and len(value) >= _SHORTEST_MARK and not _NUMBER.fullmatch(value):
            yield value
        elif isinstance(value, list):
            yield from _texts(value)
        elif isinstance(value, dict):
            yield from _texts(list(value.values()))


def samples(site: Site) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The sample cases of a site's departments: code of the item, and the case as conditions see it."""
    for code in (department.code for department in site.departments):
        folder = (Path(site.root) / site.files[code]).parent / "samples"
        for file in sorted(folder.glob("*.json")):
            data = orjson.loads(file.read_bytes()).get("data", {})
            yield data.get("item", ""), {"steps": {}, "agent": None, **data}
