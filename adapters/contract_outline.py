"""What a department's own contract file says: its operations, with the fields that they take and give.

    service.wsdl            WSDL 1.1, with its schemas beside it
    openapi.json, .yaml     OpenAPI 3.0 or 3.1, and 2.0 as far as it is the same
    layout.csv              a record layout: one row a column (see ``layout_outline``)

An outline is where a new plugin begins; it decides nothing about what an answer means.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from contracts.catalogue import FieldType
from contracts.errors import OnedoorError
from contracts.records import record

DEEPEST_PART = 4
"""Parts in parts that are followed: a type may hold itself."""


class OutlineRefused(OnedoorError):
    """A contract file that cannot be read, with what to do about it."""


@record
class OutlineField:
    """A field. ``codes``: the values it may have, where the file lists them; ``columns``: of a table.

    ``path``: where it lies, in a message whose parts lie in each other: ``person.XM``; blank: at the top, under its name.
    ``repeats``: it is a list of plain values.
    """

    name: str
    type: FieldType = "string"
    required: bool = False
    label: str = ""
    max_length: int | None = None
    width_bytes: int | None = None
    codes: Sequence[str] = ()
    columns: Sequence["OutlineField"] = ()
    path: str = ""
    repeats: bool = False

    @property
    def place(self) -> str:
        """Where it lies in the message."""
        return self.path or self.name


def apart(fields: Iterable[OutlineField]) -> Sequence[OutlineField]:
    """Fields in different parts of a message may have the same name: then each is called by its whole path."""
    found = tuple(fields)
    times = Counter(one.name for one in found)
    return [replace(one, name=one.path.replace(".", "_")) if one.path and times[one.name] > 1 else one for one in found]


@record
class OutlineOperation:
    """An operation. ``method`` and ``path``: of HTTP; ``later``: the answer is said to come later."""

    name: str
    label: str = ""
    method: str = "POST"
    path: str = ""
    request: Sequence[OutlineField] = ()
    reply: Sequence[OutlineField] = ()
    later: bool = False


@record
class Outline:
    """A whole contract file. ``protocol``: rest, soap or file_drop; ``facts``: of the protocol's table (WSDL version, format ..)."""

    protocol: str
    title: str
    base_path: str
    operations: Sequence[OutlineOperation]
    facts: Mapping[str, str]


def read_outline(file: Path) -> Outline:
    """The outline of a contract file, told by its name and its first bytes. Raises OutlineRefused."""
    if not file.is_file():
        raise OutlineRefused(f"there is no contract file {file}: check the path")
    found = _reader(file)(file)
    if not found.operations:
        raise OutlineRefused(f"{file.name} describes no operation that takes or gives fields: is it the right file?")
    return found


def _reader(file: Path) -> Callable[[Path], Outline]:
    # Each reader brings a library of its own, and only one of them is wanted.
    from adapters import layout_outline, openapi_outline, wsdl_outline  # noqa: PLC0415

    by_suffix = {
        ".wsdl": wsdl_outline.outline,
        ".xml": wsdl_outline.outline,
        ".json": openapi_outline.outline,
        ".yaml": openapi_outline.outline,
        ".yml": openapi_outline.outline,
        ".csv": layout_outline.outline,
    }
    found = by_suffix.get(file.suffix.lower())
    if found is None:
        raise OutlineRefused(f"{file.name}: give a .wsdl, an OpenAPI file (.json, .yaml) or a record layout (.csv)")
    return found
