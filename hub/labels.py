"""What a resident handed in, with the labels of its form: for people who may see it. Numbers of persons are masked; a reveal is logged."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from contracts.catalogue import Column, FormField, Item
from contracts.records import record
from contracts.task_sheet import masked
from hub.results.casework import Casework
from hub.results.errors import NotFoundHere
from hub.store.connection import Connection

if TYPE_CHECKING:
    from hub.app import Hub

_PERSONAL = re.compile(
    r"(^|_)(id_no|id_number|ic_no|passport|mobile|phone|account|account_no|bank_card|card_no)$|(^|_)id$"
)
_IDENTITY = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])")


@record
class Line:
    """A labelled value. ``path`` names it for a reveal where it is masked. ``rows``: of a table, with the labels of its columns."""

    path: str
    label_zh: str
    label_en: str
    value: str
    masked: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@record
class Section:
    """Lines that belong together."""

    name_zh: str
    name_en: str
    lines: tuple[Line, ...]


_NAMES = {
    "applicant": ("申请人", "Applicant"),
    "agent": ("代理人", "Agent"),
    "form": ("申请内容", "What is applied for"),
}


def sections(hub: "Hub", item: Item, data: Mapping[str, Any], revealed: str = "") -> tuple[Section, ...]:
    """All that was handed in, in the order of the form; ``revealed``: the one path that is shown whole."""
    declared: dict[str, list[FormField]] = {"applicant": [], "agent": [], "form": []}
    for name in item.field_groups:
        group = hub.site.field_groups.get(name)
        if group is not None:
            declared[group.scope] += group.fields
    declared["form"] += item.form_fields
    found = []
    for scope, (name_zh, name_en) in _NAMES.items():
        values = data.get(scope) or {}
        lines = tuple(_lines(hub, scope, declared[scope], values, revealed))
        if lines:
            found.append(Section(name_zh=name_zh, name_en=name_en, lines=lines))
    return tuple(found)


def _lines(
    hub: "Hub", scope: str, declared: list[FormField], values: Mapping[str, Any], revealed: str
) -> Iterator[Line]:
    known = {one.name: one for one in declared}
    for name in [*known, *(name for name in values if name not in known)]:
        value = values.get(name)
        if value is None or value in ("", []):
            continue
        one, path = known.get(name), f"{scope}.{name}"
        label_zh, label_en = (one.label_zh, one.label_en) if one is not None else (name, name)
        if one is not None and isinstance(value, list) and one.columns:
            rows = tuple(tuple(_cell(hub, column, line) for column in one.columns) for line in value)
            columns = tuple((column.label_zh or column.name, column.label_en or column.name) for column in one.columns)
            yield Line(path=path, label_zh=label_zh, label_en=label_en, value="", columns=columns, rows=rows)
            continue
        text = _text(hub, _list_of(one), value)
        hidden = _PERSONAL.search(name) is not None and path != revealed
        if path != revealed and not hidden:
            text = _IDENTITY.sub(lambda number: masked(number[0]), text)
        yield Line(
            path=path, label_zh=label_zh, label_en=label_en, value=masked(text) if hidden else text, masked=hidden
        )


def _cell(hub: "Hub", column: Column, line: Any) -> str:
    value = line.get(column.name) if isinstance(line, Mapping) else None
    text = "" if value is None else _text(hub, column.code_list, value)
    return masked(text) if _PERSONAL.search(column.name) else _IDENTITY.sub(lambda number: masked(number[0]), text)


def _list_of(one: FormField | None) -> str | None:
    if one is None:
        return None
    return next((rule.list for rule in one.validators if rule.rule == "code_list" and rule.list), None)


def _text(hub: "Hub", code_list: str | None, value: Any) -> str:
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, list):
        return "、".join(_text(hub, code_list, one) for one in value)
    if isinstance(value, Mapping):
        return "；".join(f"{name} {_text(hub, None, one)}" for name, one in value.items())
    codes = hub.site.code_lists.get(code_list) if code_list else None
    if codes is not None:
        named = next((code.name_zh for code in codes.codes if code.code == str(value)), None)
        if named is not None:
            return named
    return str(value)


def reveal(connection: Connection, hub: "Hub", case_no: str, path: str, by: str) -> None:
    """A unit of work: note in the case's own chain that a person looked at a masked value. Raises NotFoundHere."""
    if not re.fullmatch(r"(applicant|agent|form)\.[a-z0-9_]{1,64}", path):
        raise NotFoundHere("there is no such field in this case")
    work = Casework.load(connection, hub.city, case_no, hub.now_ms(), by)
    work.log("reveal", path, None, None)
    work.save()
