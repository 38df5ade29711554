"""Control files: the small file beside a record file that says it is complete, and by what it can be proved.

One ``key=value`` line for each declared item; a control file without items is an empty flag. Pure functions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from adapters.file_totals import NO_FACTS, FileFacts, digest_of
from adapters.record_layout import EOL, Columns, Format
from adapters.record_verdicts import FileRejected, Line

Item: TypeAlias = Literal[
    "name", "bytes", "rows", "md5", "sha256", "sm3", "sequence", "day_sequence", "amount_cents", "hash_total"
]

NO_NUMBERS: Mapping[Item, int] = {}

_MEASURES: Mapping[Item, Callable[[str, bytes, int], str]] = {
    "name": lambda name, _content, _rows: name,
    "bytes": lambda _name, content, _rows: str(len(content)),
    "rows": lambda _name, _content, rows: str(rows),
    "md5": lambda _name, content, _rows: digest_of("md5", content),
    "sha256": lambda _name, content, _rows: digest_of("sha256", content),
    "sm3": lambda _name, content, _rows: digest_of("sm3", content),
}
_NUMBERS: frozenset[Item] = frozenset({"sequence", "day_sequence", "amount_cents", "hash_total"})
_LONGEST_TOTAL = 10**15
_PROVES_WHOLE: frozenset[Item] = frozenset({"bytes", "md5", "sha256", "sm3"})


def control_content(
    items: Sequence[Item],
    *,
    name: str,
    content: bytes,
    rows: int,
    eol: Literal["CRLF", "LF"] = "CRLF",
    numbers: Mapping[Item, int] = NO_NUMBERS,
) -> bytes:
    """What the control file of the record file ``name`` holds. ``numbers``: those items that the bytes alone do not tell."""

    def told(item: Item) -> str:
        return str(numbers[item]) if item in _NUMBERS else _MEASURES[item](name, content, rows)

    return "".join(f"{item}={told(item)}{EOL[eol]}" for item in items).encode()


def totals(lines: Sequence[Line], columns: Columns, sum_of: str | None, hash_of: str | None) -> dict[Item, int]:
    """``amount_cents``: the cents of a column; ``hash_total``: the digits of a column, each value as one number, added up, of which the
    last 15 digits count. Raises FileRejected for a record whose cents cannot be read, since nothing can be proved then."""
    found: dict[Item, int] = {}
    good = [line.values for line in lines if not line.bad]
    if sum_of is not None:
        try:
            found["amount_cents"] = sum(int(columns.value(values, sum_of) or 0) for values in good)
        except ValueError as error:
            raise FileRejected("amount_cents", "the file holds an amount that is no number of cents") from error
    if hash_of is not None:
        digits = ("".join(filter(_is_digit, columns.value(values, hash_of))) for values in good)
        found["hash_total"] = sum(int(one or 0) for one in digits) % _LONGEST_TOTAL
    return found


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"


def read_verified(
    layout: Format,
    content: bytes,
    *,
    name: str,
    items: Sequence[Item] = (),
    control: bytes = b"",
    facts: FileFacts = NO_FACTS,
    numbers: Mapping[Item, int] = NO_NUMBERS,
    columns: tuple[str | None, str | None] = (None, None),
) -> Sequence[Line]:
    """Every line of a result file that is whole. Raises FileRejected (the item's name, ``control_file``, ``truncated``, ``header``).

    ``numbers``: what a sequence must be, where the file's name says it too. ``columns``: see ``totals``.
    """
    declared = _declared(items, control)
    for item in items:
        if item in _NUMBERS:
            if not re.fullmatch(r"-?[0-9]{1,30}", declared[item], re.ASCII):
                raise FileRejected("control_file", f"{item} is no number")
        elif item != "rows":
            _compare(item, declared[item], _MEASURES[item](name, content, 0))
    for item, number in numbers.items():
        if item in items:
            _compare(item, str(int(declared[item])), str(number))
    lines = layout.lines(content, whole=not _PROVES_WHOLE.isdisjoint(items), facts=facts)
    if "rows" in items:
        _compare("rows", declared["rows"].lstrip("0") or "0", str(len(lines)))
    for item, number in totals(lines, layout.columns, *columns).items():
        _compare(item, str(int(declared[item])), str(number))
    return lines


def _declared(items: Sequence[Item], control: bytes) -> dict[str, str]:
    pairs = [line.partition("=") for line in control.decode("utf-8", "replace").splitlines() if line.strip()]
    declared = {key.strip().lower(): value.strip() for key, _, value in pairs}
    missing = [item for item in items if not declared.get(item)]
    if missing or (items and len(declared) != len(pairs)):
        raise FileRejected("control_file", f"not readable, or without {', '.join(missing) or 'unique keys'}")
    return declared


def _compare(item: Item, declared: str, found: str) -> None:
    if declared.lower() != found.lower():
        raise FileRejected(item, f"the control file does not agree with the file on {item}")
