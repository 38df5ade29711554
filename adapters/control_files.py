"""Control files: the small file beside a record file that says it is complete, and by what it can be proved.

One ``key=value`` line for each declared item; a control file without items is an empty flag. Pure functions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from adapters.file_totals import NO_FACTS, FileFacts, digest_of
from adapters.record_layout import EOL, Format
from adapters.record_verdicts import FileRejected, Line

Item: TypeAlias = Literal["name", "bytes", "rows", "md5", "sha256", "sm3"]

_MEASURES: Mapping[Item, Callable[[str, bytes, int], str]] = {
    "name": lambda name, _content, _rows: name,
    "bytes": lambda _name, content, _rows: str(len(content)),
    "rows": lambda _name, _content, rows: str(rows),
    "md5": lambda _name, content, _rows: digest_of("md5", content),
    "sha256": lambda _name, content, _rows: digest_of("sha256", content),
    "sm3": lambda _name, content, _rows: digest_of("sm3", content),
}
_PROVES_WHOLE: frozenset[Item] = frozenset({"bytes", "md5", "sha256", "sm3"})


def control_content(
    items: Sequence[Item], *, name: str, content: bytes, rows: int, eol: Literal["CRLF", "LF"] = "CRLF"
) -> bytes:
    """What the control file of the record file ``name`` holds."""
    return "".join(f"{item}={_MEASURES[item](name, content, rows)}{EOL[eol]}" for item in items).encode()


def read_verified(
    layout: Format,
    content: bytes,
    *,
    name: str,
    items: Sequence[Item] = (),
    control: bytes = b"",
    facts: FileFacts = NO_FACTS,
) -> Sequence[Line]:
    """Every line of a result file that is whole. Raises FileRejected (the item's name, ``control_file``, ``truncated``, ``header``)."""
    declared = _declared(items, control)
    for item in items:
        if item != "rows":
            _compare(item, declared[item], _MEASURES[item](name, content, 0))
    lines = layout.lines(content, whole=not _PROVES_WHOLE.isdisjoint(items), facts=facts)
    if "rows" in items:
        _compare("rows", declared["rows"].lstrip("0") or "0", str(len(lines)))
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
