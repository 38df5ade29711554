"""From data to PDF. typst sets a template of this folder with the fonts beside it, and with no other font or file.

Everything that comes from a case is data: it is put into the page as text, and nothing in it is read as markup.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from threading import Lock
from typing import cast

import typst

from adapters.sheet_glyphs import FONTS, missing, with_getas

_FOLDER = Path(__file__).parent
_CODES = frozenset({"qr", "small_qr", "bar"})
"""Data that hold SVG and no text."""

_one_at_a_time = Lock()


def typeset(template: str, name: str, data: Mapping[str, object], made_at: datetime, *, tagged: bool = True) -> bytes:
    """The PDF of a template that reads ``data`` as JSON from ``sys.inputs`` under ``name``. Blocks; the same arguments give the same bytes.

    ``tagged``: with its structure, for those who have it read aloud; that is three quarters of a sheet's bytes.
    """
    text = json.dumps(data, ensure_ascii=False)
    compiler = _compiler(template)
    # One compiler keeps the fonts and the parsed template warm; it must not be fed by two threads at once.
    with _one_at_a_time:
        pdf = compiler.compile(
            format="pdf",
            sys_inputs={name: text},
            timestamp=made_at.astimezone(UTC).replace(microsecond=0),
            pdf_tags=tagged,
        )
    # Only images come as a list of pages.
    return cast(bytes, pdf)


@cache
def _compiler(template: str) -> typst.Compiler:
    return typst.Compiler(_FOLDER / template, root=_FOLDER, font_paths=_fonts(), ignore_system_fonts=True)


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])


def local_time(moment: datetime, zone: tzinfo) -> str:
    """A time as it stands on paper."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def shown_number(number: str) -> str:
    """A sheet number in groups of four, as people read it."""
    return "-".join(number[place : place + 4] for place in range(0, len(number), 4))


def printable_data(data: dict[str, object]) -> dict[str, object]:
    """The data (JSON) with a geta mark for each missing glyph, and ``missing``: which characters those are."""
    texts = list(_texts({name: value for name, value in data.items() if name not in _CODES}))
    lost = [f"U+{ord(character):04X}" for character in missing(texts)]
    return {name: value if name in _CODES else _with_getas(value) for name, value in data.items()} | {"missing": lost}


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
