"""Numbered sheets as PDF: what the template ``task_sheet.typ`` reads of each."""

from collections.abc import Sequence
from datetime import tzinfo

from adapters.paper_table import SheetTable
from adapters.sheet_codes import code128_svg, qr_svg, small_qr_svg
from adapters.typesetting import local_time, printable_data, shown_number, typeset
from contracts.task_sheet import NumberedSheet, SheetLine, bar_code, masked

TEMPLATE = "task_sheet.typ"

_OWN_ROWS = ("reason", "decision_no")
"""Reply fields that every department's form has a row for, whether the operation asks for them or not."""

_WIDE = 30
"""Half-width columns that fit beside a label; a longer value takes the row alone."""


def render(sheets: Sequence[NumberedSheet], table: SheetTable, zone: tzinfo) -> bytes:
    """One PDF of all the sheets, one page a copy where it fits. The same arguments give the same bytes.

    Blocks for tens of milliseconds a sheet; printed together they share their fonts, and many take less than each alone.
    """
    pages = [page_data(sheet, table, zone) for sheet in sheets]
    data = {"language": table.language, "sheets": pages}
    # Many at once are for the printer alone.
    return typeset(TEMPLATE, "sheets", data, max(sheet.printed_at for sheet in sheets), tagged=len(sheets) == 1)


def page_data(sheet: NumberedSheet, table: SheetTable, zone: tzinfo) -> dict[str, object]:
    """What the template reads: plain JSON, every value masked, dated and printable."""
    zh = table.language == "zh"
    content = sheet.sheet
    lines = [_shown(line, zh=zh) for line in content.lines]
    # Numbered in the order of the page, where the reason and the document have rows of their own at the end.
    ordered = sorted(content.reply_lines, key=lambda line: _OWN_ROWS.index(line.name) if line.name in _OWN_ROWS else -1)
    reply = {
        line.name: {"label": f"{_circled(place)} {_label(line, zh=zh)}", "hint": line.value}
        for place, line in enumerate(ordered, 1)
    }
    reason, document = (reply.pop(name, None) for name in _OWN_ROWS)
    data: dict[str, object] = {
        "language": table.language,
        "title": content.title_zh if zh else content.title_en,
        "todo": content.todo_zh if zh else content.todo_en,
        "form": content.form,
        "notice": content.notice_zh if zh else content.notice_en,
        "number": sheet.number,
        "number_shown": shown_number(sheet.number),
        "version": f"{sheet.version:02d}",
        "version_stamp": table.version_stamp,
        "qr": qr_svg(sheet.code) if table.qr else None,
        "small_qr": small_qr_svg(sheet.code) if table.qr else None,
        "bar": code128_svg(bar_code(sheet.number, sheet.version)) if table.barcode == "code128" else None,
        "hash": sheet.content_hash[:12],
        "print_no": sheet.print_no,
        "printed_at": local_time(sheet.printed_at, zone),
        "case_no": sheet.case_no,
        "item": sheet.item_name,
        "centre": sheet.centre_name,
        "department": sheet.department_name,
        "received": local_time(sheet.received_at, zone),
        "due": None if sheet.due_at is None else local_time(sheet.due_at, zone),
        "lamp": sheet.lamp,
        "clerk": sheet.clerk,
        "lines": lines,
        "materials": [
            {"name": paper.name, "originals": paper.originals, "copies": paper.copies, "pages": paper.pages}
            for paper in content.materials
        ],
        "boxes": [{"code": box.code, "label": box.label_zh if zh else box.label_en} for box in content.boxes],
        "reply": list(reply.values()),
        "reason": reason["label"] if reason else None,
        "document": document["label"] if document else None,
        "copies": [{"ordinal": place, "holder": holder} for place, holder in enumerate(content.copies, 1)],
    }
    return printable_data(data)


def _shown(line: SheetLine, *, zh: bool) -> dict[str, object]:
    value = masked(line.value) if line.masked else line.value
    return {"label": _label(line, zh=zh), "value": value, "wide": _columns(value) > _WIDE}


def _label(line: SheetLine, *, zh: bool) -> str:
    return line.label_zh if zh else line.label_en


def _circled(number: int) -> str:
    """① to ⑳: what a person who keys the sheet and a person who filled it can both point at."""
    return chr(0x245F + number) if number <= 20 else f"({number})"


def _columns(text: str) -> int:
    """Width in half-width columns, near enough: all that is not Latin counts two."""
    return sum(1 if ord(character) < 0x2000 else 2 for character in text)
