"""Answers that a contract file allows, whatever a department decides: of an OpenAPI schema, or of the elements of a WSDL.

What must be there is there, of the declared type, made up and visibly so (样例); delivery id and result are those that were decided. The same
delivery gets the same answer each time.
"""

import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import UUID

from pydantic import JsonValue

from adapters.contract_dialect import Dialect, snake
from adapters.contract_outline import Outline
from adapters.field_map import nested, value_at
from adapters.openapi_outline import Document, read_document
from adapters.soap_port import Port
from adapters.wsdl_outline import read_service
from adapters.xsd_facets import SimpleTypes
from contracts.records import record
from simulators.text_patterns import PatternError, matching

Fields: TypeAlias = Mapping[str, JsonValue]
Shape: TypeAlias = Callable[[Fields, random.Random, bool], Fields]
_DEEPEST = 8


@record
class ContractAnswers:
    """``shapes`` and ``statuses``: by operation key; a shape fills an answer up to what the contract wants and drops what it does not know."""

    shapes: Mapping[str, Shape]
    statuses: Mapping[str, int]

    def shaped(self, operation: str, answer: Fields, delivery_id: str, *, keep: bool = False) -> Fields:
        """The answer as the contract has it. ``keep``: what it says already fits, and only what is missing is made."""
        shape = self.shapes.get(operation)
        dice = random.Random(delivery_id)  # noqa: S311 - must repeat itself, no secret
        return answer if shape is None else shape(answer, dice, keep)


def contract_answers(outline: Outline, speech: Dialect, file: Path) -> ContractAnswers:
    """For every operation of the file. Files of records have their layout and need no more. Raises OutlineRefused."""
    told = (speech.result_field, speech.reference[1] if speech.reference else "")
    if outline.protocol == "rest":
        document = read_document(file)
        answers = {
            snake(one.name): document.answer(document.declared(one.path, one.method)) for one in outline.operations
        }
        return ContractAnswers(
            shapes={key: _of_schema(document, schema, told) for key, (_, schema) in answers.items()},
            statuses={key: status for key, (status, _) in answers.items()},
        )
    if outline.protocol == "soap":
        _, _, port = read_service(file)
        shapes = {snake(one.name): of_elements(port, one.name, told) for one in outline.operations}
        return ContractAnswers(shapes=shapes, statuses={})
    return ContractAnswers(shapes={}, statuses={})


def _of_schema(document: Document, schema: Mapping[str, Any], told: tuple[str, ...]) -> Shape:
    def shape(answer: Fields, dice: random.Random, keep: bool) -> Fields:
        made = _Json(document, dice).value(schema, 0)
        return _laid(made if isinstance(made, dict) else {}, answer if keep else _said(answer, told))

    return shape


def _said(answer: Fields, told: tuple[str, ...]) -> Fields:
    """Of an answer no more than what proves the delivery and what says how it went, in their places."""
    return nested({place: value for place in told if place and (value := value_at(answer, place)) is not None})


def _like(value: JsonValue, pattern: JsonValue) -> JsonValue:
    """A code or an id in the JSON type that the contract has for it."""
    if isinstance(pattern, bool) or not isinstance(value, str):
        return value
    if isinstance(pattern, int) and value.lstrip("-").isdigit():
        return int(value)
    return value


class _Json:
    """Values of a JSON schema."""

    def __init__(self, document: Document, dice: random.Random) -> None:
        self._document = document
        self._dice = dice

    def value(self, declared: Any, depth: int) -> JsonValue:
        schema = self._document.followed(declared)
        if "const" in schema:
            found: JsonValue = schema["const"]
            return found
        if schema.get("enum"):
            picked: JsonValue = self._dice.choice([one for one in schema["enum"] if one is not None])
            return picked
        chosen = next(iter(schema.get("oneOf") or schema.get("anyOf") or ()), None)
        if chosen is not None and "properties" not in schema:
            return self.value(chosen, depth + 1)
        named = schema.get("type")
        kinds = [one for one in (named if isinstance(named, list) else [named]) if one != "null"]
        if "properties" in schema or "allOf" in schema or kinds == ["object"]:
            return self._object(schema, depth)
        if kinds == ["array"]:
            least = max(int(schema.get("minItems") or 0), int(depth < _DEEPEST))
            return [self.value(schema.get("items") or {}, depth + 1) for _ in range(least)]
        return self._plain(str(kinds[0]) if kinds else "string", schema)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, JsonValue]:
        """All properties; in a schema that holds itself, below some depth only those that must be there."""
        found: dict[str, JsonValue] = {}
        for part in schema.get("allOf") or ():
            inner = self.value(part, depth + 1)
            found |= inner if isinstance(inner, dict) else {}
        required = schema.get("required") or ()
        for name, declared in (schema.get("properties") or {}).items():
            if depth < _DEEPEST or name in required:
                found[str(name)] = self.value(declared, depth + 1)
        return found

    def _plain(self, kind: str, schema: Mapping[str, Any]) -> JsonValue:
        if kind == "boolean":
            return self._dice.random() < 0.8
        if kind in ("integer", "number"):
            least, most = _bounds(schema)
            number = self._dice.randint(least, most)
            return number if kind == "integer" else float(number)
        return _text(schema, self._dice)


def _text(schema: Mapping[str, Any], dice: random.Random) -> str:
    """A text within the lengths, of the format or for the pattern of a JSON schema."""
    made = _FORMATS.get(str(schema.get("format") or ""))
    if made is not None:
        return made(dice)
    if pattern := schema.get("pattern"):
        try:
            return matching(str(pattern), dice)
        except (PatternError, ValueError, IndexError):
            # Too strange for our generator: text as usual.
            pass
    text = f"样例{dice.randint(0, 10**8):08d}"
    most, least = schema.get("maxLength"), int(schema.get("minLength") or 0)
    text = text.ljust(least, "0")
    return text if most is None else text[: int(most)]


def _bounds(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Whole numbers within what the schema allows."""
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    lowest = int(least) if least is not None else min(1, int(most) if most is not None else 1)
    if above is not None:
        lowest = int(lowest if above is True else above) + 1
    highest = int(most) if most is not None else lowest + 8
    if below is not None:
        highest = int(highest if below is True else below) - 1
    return lowest, max(lowest, highest)


def _day(dice: random.Random) -> datetime:
    return datetime(2026, 1, 1, 9, tzinfo=UTC) + timedelta(days=dice.randint(0, 364), minutes=dice.randint(0, 480))


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": lambda dice: f"{_day(dice):%Y-%m-%d}",
    "date-time": lambda dice: _day(dice).isoformat(),
    "time": lambda dice: f"{_day(dice):%H:%M:%S}Z",
    "uuid": lambda dice: str(UUID(int=dice.getrandbits(128), version=4)),
    "email": lambda dice: f"sample-{dice.randint(0, 999)}@example.invalid",
    "uri": lambda dice: f"https://example.invalid/sample/{dice.randint(0, 999)}",
    "byte": lambda dice: "".join(dice.choices(string.ascii_letters, k=8)),
}


def of_elements(port: Port, name: str, told: tuple[str, ...]) -> Shape:
    """The answer of an operation of a WSDL."""

    def shape(answer: Fields, dice: random.Random, keep: bool) -> Fields:
        said = answer if keep else _said(answer, told)
        return _laid(_Elements(port.types, dice).parts(port.message(name, reply=True), said), said)

    return shape


def _laid(found: Fields, over: Fields) -> Fields:
    """``found`` with the values of ``over`` in their places; what has no place there is dropped."""
    kept: dict[str, JsonValue] = {}
    for name, value in over.items():
        below = found.get(name)
        if name in found:
            if isinstance(below, dict) and isinstance(value, dict):
                kept[name] = dict(_laid(below, value))
            else:
                kept[name] = _like(value, below)
    return {**found, **kept}


class _Elements:
    """Values of zeep's elements, within what the schemas allow."""

    def __init__(self, types: SimpleTypes, dice: random.Random) -> None:
        self._types = types
        self._dice = dice

    def parts(self, element: Any, said: Fields, depth: int = 0) -> dict[str, JsonValue]:
        """A value for each element in an element. ``said``: what will be said there; a choice is made so that it can be."""
        owner = element.type
        inner = getattr(owner, "elements_nested", ())
        return {
            name: self._value(part, owner, said.get(name), depth)
            for _, one in inner
            for name, part in _leaves(one, said)
        }

    def _value(self, element: Any, owner: Any, said: JsonValue, depth: int) -> JsonValue:
        """As many rows as there must be where it may repeat, its parts where it has any."""
        if depth > _DEEPEST and element.is_optional:
            return None
        below = said if isinstance(said, dict) else {}
        inner = getattr(element.type, "elements", ())
        count = max(1, element.min_occurs) if element.accepts_multiple else 1
        made: list[JsonValue] = [
            self.parts(element, below, depth + 1) if inner else self._simple(element, owner) for _ in range(count)
        ]
        return made if element.accepts_multiple else made[0]

    def _simple(self, element: Any, owner: Any) -> JsonValue:
        """By the XML Schema type that it comes down to."""
        facets = self._types.of(element, owner)
        if facets.codes:
            return self._dice.choice(facets.codes)
        builtin = facets.builtin or str(getattr(getattr(element.type, "_default_qname", None), "localname", ""))
        bounded = facets.digits or (facets.least, facets.most) != (None, None)
        if builtin in _WHOLE or (builtin in _FRACTIONS and bounded):
            return self._dice.randint(*_bounds({"minimum": facets.least, "maximum": facets.most}))
        if builtin in _XSD:
            return facets.edge or _XSD[builtin](self._dice)
        lengths = {"minLength": facets.min_length, "maxLength": facets.max_length, "pattern": facets.pattern}
        return _text(lengths, self._dice)


def _leaves(one: Any, said: Fields) -> Iterator[tuple[str, Any]]:
    """The elements of a part of a type; of a choice the alternative that holds what will be said, else the first."""
    from zeep.xsd.elements.indicators import Choice, Group, Indicator  # noqa: PLC0415 - only where there is a WSDL

    if isinstance(one, Choice):
        ways = [list(_leaves(child, said)) for child in one]
        fits = (way for way in ways if any(name in said for name, _ in way))
        yield from next(fits, ways[0] if ways else [])
    elif isinstance(one, Indicator):
        # One that may repeat has no element around its rows, and no name that a field could have.
        children: Iterable[Any] = [one.child] if isinstance(one, Group) else cast(Iterable[Any], one)
        for child in () if one.accepts_multiple else children:
            yield from _leaves(child, said)
    elif hasattr(one, "qname"):
        yield one.attr_name, one


_WHOLE = frozenset(
    {"int", "integer", "long", "short", "byte", "nonNegativeInteger", "positiveInteger"}
    | {"unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte"}
)
_FRACTIONS = frozenset({"decimal", "double", "float"})
_XSD: Mapping[str, Callable[[random.Random], JsonValue]] = {
    **dict.fromkeys(_FRACTIONS, lambda dice: f"{dice.randint(100, 9999) / 100:.2f}"),
    "boolean": lambda dice: dice.random() < 0.8,
    "date": _FORMATS["date"],
    "dateTime": lambda dice: f"{_day(dice):%Y-%m-%dT%H:%M:%SZ}",
    "time": lambda dice: f"{_day(dice):%H:%M:%S}",
    "gYearMonth": lambda dice: f"{_day(dice):%Y-%m}",
    "gYear": lambda dice: f"{_day(dice):%Y}",
    "base64Binary": lambda dice: "5qC35L6L",
    "hexBinary": lambda dice: "e6a0b7e4be8b",
    "anyURI": _FORMATS["uri"],
    "duration": lambda dice: f"P{dice.randint(1, 9)}D",
    "language": lambda dice: "zh",
    **dict.fromkeys(("negativeInteger", "nonPositiveInteger"), lambda dice: -dice.randint(1, 9)),
}
