"""What a delivery becomes on paper: labelled lines, tick boxes, blanks. The same delivery gives the same sheet."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from adapters.paper_table import SheetTable, WirePaper
from contracts.catalogue import CodeList, Column, Operation, Purpose, ReplyField, RequestField
from contracts.delivery import Delivery, Document
from contracts.errors import PermanentError
from contracts.situation import Situation
from contracts.task_sheet import SheetBox, SheetLine, SheetMaterial, TaskSheet, masked

_TODO: Mapping[Purpose, tuple[str, str]] = {
    Purpose.DECIDE: (
        "请审查本件，在“办理意见”中选一项打✓，填写办理结果并盖章，将本单交回受理中心。",
        "Please decide, tick one opinion, fill in the result, seal the sheet and return it to the centre.",
    ),
    Purpose.CHECK: (
        "请核实或办理本项，在“办理意见”中选一项打✓，填写办理结果并盖章，将本单交回受理中心。",
        "Please check or record this, tick one opinion, fill in the result, seal the sheet and return it to the centre.",
    ),
}

_IDENTITY_FIELD = re.compile(r"(^|_)(id|id_no|id_number|passport|passport_no)$")
_IDENTITY_NUMBER = re.compile(
    r"(?<![0-9])[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9])"
)
_YES_NO = {"zh": ("是", "否"), "en": ("yes", "no")}
_MONEY = {"zh": "{} 元", "en": "CNY {}"}
_HINTS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "bool": "□ 是  □ 否",
        "int": "整数",
        "decimal": "数值",
        "money": "元",
        "date": "　　　年　　月　　日",
        "month": "　　　年　　月",
    },
    "en": {
        "bool": "□ yes  □ no",
        "int": "whole number",
        "decimal": "number",
        "money": "CNY",
        "date": "YYYY-MM-DD",
        "month": "YYYY-MM",
    },
}


def sheet_of(
    operation: Operation, wire: WirePaper, table: SheetTable, delivery: Delivery, code_lists: Mapping[str, CodeList]
) -> TaskSheet:
    """The content of a delivery's sheet. Raises PermanentError (``field_missing``)."""
    todo_zh, todo_en = _TODO[operation.purpose]
    part_zh, part_en = (
        ("", "") if delivery.subject is None else (f"（分项 {delivery.subject}）", f" (part {delivery.subject})")
    )
    notice_zh, notice_en = _notice(delivery)
    return TaskSheet(
        form=wire.sheet,
        title_zh=operation.name_zh + part_zh,
        title_en=operation.name_en + part_en,
        todo_zh=wire.todo_zh or todo_zh,
        todo_en=wire.todo_en or todo_en,
        lines=[line for field in operation.request for line in _lines(field, table, delivery, code_lists)],
        boxes=[
            SheetBox(code=code, label_zh=result.name_zh, label_en=result.name_en)
            for code, result in operation.result_codes.get(Situation.PAPER, {}).items()
        ],
        reply_lines=[_blank(field, table) for field in operation.reply],
        materials=[_material(document) for document in delivery.materials],
        copies=table.copies_for,
        notice_zh=notice_zh,
        notice_en=notice_en,
    )


def _notice(delivery: Delivery) -> tuple[str, str]:
    if delivery.test:
        return "测试件，请勿办理", "A test: do not act on it"
    if delivery.round == 1:
        return "", ""
    return (
        f"第 {delivery.round} 轮交办：内容已补正或变更，前一轮交办单作废",
        f"Round {delivery.round}: corrected or changed; the sheet of the round before is void",
    )


def _lines(
    field: RequestField, table: SheetTable, delivery: Delivery, code_lists: Mapping[str, CodeList]
) -> Iterator[SheetLine]:
    value = delivery.fields.get(field.name)
    if value is None or value == "":
        if field.required:
            raise PermanentError("field_missing", f"{field.name} is required by {delivery.operation}")
        return
    if not field.columns:
        yield _line(field, value, field.source, table, code_lists)
        return
    rows = value if isinstance(value, list) else [value]
    for number, row in enumerate(rows, 1):
        cells = row if isinstance(row, dict) else {}
        for column in field.columns:
            cell = cells.get(column.name)
            if cell is not None and cell != "":
                where = (f"{field.label_zh or field.name} {number} ", f"{field.label_en or field.name} {number} ")
                yield _line(column, cell, column.source or column.name, table, code_lists, where)


def _line(
    field: RequestField | Column,
    value: JsonValue,
    source: str,
    table: SheetTable,
    code_lists: Mapping[str, CodeList],
    where: tuple[str, str] = ("", ""),
) -> SheetLine:
    text = _text(value, field, table.language, code_lists)
    names = (field.name.lower(), source.rpartition(".")[2].lower())
    whole = _IDENTITY_NUMBER.fullmatch(text) is not None
    hidden = whole or field.name in table.masked or any(_IDENTITY_FIELD.search(name) for name in names)
    return SheetLine(
        name=field.name,
        label_zh=where[0] + (field.label_zh or field.name),
        label_en=where[1] + (field.label_en or field.name),
        # A number inside a longer text would pass the mask by; it is hidden here and now.
        value=text if hidden else _IDENTITY_NUMBER.sub(lambda found: masked(found[0]), text),
        masked=hidden,
    )


def _text(value: JsonValue, field: RequestField | Column, language: str, code_lists: Mapping[str, CodeList]) -> str:
    """A value as a person reads it, in one line."""
    if isinstance(value, bool):
        return _YES_NO[language][0 if value else 1]
    if isinstance(value, list):
        return "、".join(_text(entry, field, language, code_lists) for entry in value)
    if isinstance(value, dict):
        return "；".join(f"{name} {_text(entry, field, language, code_lists)}" for name, entry in value.items())
    text = " ".join(str(value).split())
    if field.code_list is not None:
        return _named(text, code_lists.get(field.code_list), language)
    return _MONEY[language].format(text) if field.type == "money" else text


def _named(code: str, codes: CodeList | None, language: str) -> str:
    """A code with its name, so that nobody has to look it up; the bare code where the list is not at hand."""
    found = next((entry for entry in codes.codes if entry.code == code), None) if codes else None
    if found is None:
        return code
    return f"{found.name_zh}（{code}）" if language == "zh" else f"{found.name_en} ({code})"


def _blank(field: ReplyField, table: SheetTable) -> SheetLine:
    return SheetLine(
        name=field.name,
        label_zh=field.label_zh or field.name,
        label_en=field.label_en or field.name,
        value=_HINTS[table.language].get(field.type, ""),
    )


def _material(document: Document) -> SheetMaterial:
    return SheetMaterial(
        name=document.name or document.kind, originals=document.originals, copies=document.copies, pages=document.pages
    )


def reply_fields(operation: Operation) -> dict[str, ReplyField]:
    """Every name under which a person may key a reply field, as ``keyed_label`` writes it; a field's own name wins."""
    by_label = {label: field for field in operation.reply for label in (field.label_en, field.label_zh) if label}
    known = by_label | {field.name: field for field in operation.reply}
    return {keyed_label(label): field for label, field in known.items()}


def keyed_label(text: str) -> str:
    """A label without the blanks that a narrow cell, or a careless hand, puts into it."""
    return "".join(unicodedata.normalize("NFKC", text).split())
