"""A numbered sheet as PDF. typst sets it from ``task_sheet.typ`` with the fonts beside it, and with no other font or file.

Everything that comes from a case is data: it is put into the page as text, and nothing in it is read as markup.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import cast

import typst

from adapters.paper_table import SheetTable
from adapters.sheet_codes import code128_svg, qr_svg
from adapters.sheet_glyphs import FONTS, missing, with_getas
from contracts.task_sheet import NumberedSheet, SheetLine, bar_code, masked

TEMPLATE = Path(__file__).parent / "task_sheet.typ"

_OWN_ROWS = ("reason", "decision_no")
"""Reply fields that every department's form has a row for, whether the operation asks for them or not."""

_WIDE = 30
"""Half-width columns that fit beside a label; a longer value takes the row alone."""

_one_at_a_time = Lock()


def render(sheet: NumberedSheet, table: SheetTable, zone: tzinfo) -> bytes:
    """The PDF, one page a copy where it fits. Blocks for tens of milliseconds; the same arguments give the same bytes."""
    data = json.dumps(page_data(sheet, table, zone), ensure_ascii=False)
    compiler = _compiler()
    # One compiler keeps the fonts and the parsed template warm; it must not be fed by two threads at once.
    with _one_at_a_time:
        pdf = compiler.compile(
            format="pdf", sys_inputs={"sheet": data}, timestamp=sheet.printed_at.astimezone(UTC).replace(microsecond=0)
        )
    # Only images come as a list of pages.
    return cast(bytes, pdf)


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])
    return typst.Compiler(TEMPLATE, root=TEMPLATE.parent, font_paths=fonts, ignore_system_fonts=True)


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
        "number_shown": "-".join(sheet.number[place : place + 4] for place in range(0, len(sheet.number), 4)),
        "version": f"{sheet.version:02d}",
        "version_stamp": table.version_stamp,
        "qr": qr_svg(sheet.code) if table.qr else None,
        "bar": code128_svg(bar_code(sheet.number, sheet.version)) if table.barcode == "code128" else None,
        "hash": sheet.content_hash[:12],
        "print_no": sheet.print_no,
        "printed_at": _time(sheet.printed_at, zone),
        "case_no": sheet.case_no,
        "item": sheet.item_name,
        "centre": sheet.centre_name,
        "department": sheet.department_name,
        "received": _time(sheet.received_at, zone),
        "due": None if sheet.due_at is None else _time(sheet.due_at, zone),
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
    return _printable(data)


def _printable(data: dict[str, object]) -> dict[str, object]:
    """The data with a geta mark for each missing glyph, and ``missing``: which characters those are."""
    texts = list(_texts({name: value for name, value in data.items() if name not in {"qr", "bar"}}))
    lost = [f"U+{ord(character):04X}" for character in missing(texts)]
    return {name: value if name in {"qr", "bar"} else _with_getas(value) for name, value in data.items()} | {
        "missing": lost
    }


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _with_getas(value: object) -> object:
    if isinstance(value, str):
        return with_getas(value)
    if isinstance(value, dict):
        return {name: _with_getas(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_getas(inner) for inner in value]
    return value


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


def _time(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
