"""A site: the folder that configures one city, its records and its loader.

    site.toml                         region, names, time zone, plugins that may load
    calendar/<year>.toml              holidays and make-up workdays
    centres.toml  codes.toml  fields.toml  materials.toml
    <department>/department.toml      systems, channels, operations
    <department>/items/*.toml         the items that the department owns

The loader reads everything and reports every mistake at once (``SiteError``).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from contracts.catalogue import CodeList, FieldGroup, Item, Operation
from contracts.errors import SiteError, SiteMistake
from contracts.records import Fields, adapter, record
from contracts.situation import Batching, ChannelStatus, Limits, Situation

T = TypeVar("T")


@record
class CalendarYear:
    """One year's published days. A day works when it is a make-up workday, or Monday to Friday and no holiday."""

    year: int
    version: int
    holidays: frozenset[date]
    makeup_workdays: frozenset[date]


@record
class Centre:
    """受理中心."""

    code: str
    district: str
    name_zh: str
    name_en: str
    kind: str = "centre"
    parent: str | None = None


@record
class SiteFile:
    """site.toml. ``plugins`` names the entry points that may load besides the built-in one."""

    region: str
    name_zh: str
    name_en: str
    timezone: str = "Asia/Shanghai"
    plugins: tuple[str, ...] = ()


@record
class MaterialType:
    """A kind of paper."""

    code: str
    name_zh: str
    name_en: str


@record
class ChannelFile:
    """A channel in department.toml. Exactly one of the protocol tables is given; its adapter checks the keys."""

    situation: Situation
    status: ChannelStatus = ChannelStatus.SENDING
    resend_is_safe: bool
    limits: Limits = Limits()
    batching: Batching | None = None
    rest: Fields | None = None
    soap: Fields | None = None
    file_drop: Fields | None = None
    paper: Fields | None = None


@record
class SystemFile:
    """A system in department.toml."""

    key: str
    name_zh: str
    name_en: str
    result_field: str = "result_code"
    successor: str | None = None
    channels: tuple[ChannelFile, ...]
    operations: tuple[Operation, ...]


@record
class DepartmentFile:
    """department.toml: a complete plugin for most departments."""

    code: str
    name_zh: str
    name_en: str
    systems: tuple[SystemFile, ...] = ()


@record
class Site:
    """A whole city, loaded and checked."""

    root: str
    region: str
    name_zh: str
    name_en: str
    timezone: str
    plugins: tuple[str, ...]
    calendars: Mapping[int, CalendarYear]
    centres: Mapping[str, Centre]
    code_lists: Mapping[str, CodeList]
    field_groups: Mapping[str, FieldGroup]
    materials: Mapping[str, MaterialType]
    departments: tuple[DepartmentFile, ...]
    items: tuple[Item, ...]


@record
class _Centres:
    centres: tuple[Centre, ...]


@record
class _Codes:
    lists: Mapping[str, CodeList]


@record
class _Fields:
    groups: Mapping[str, FieldGroup]


@record
class _Materials:
    materials: tuple[MaterialType, ...]


class _Reader:
    """Reads files under one root and collects mistakes instead of stopping at the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mistakes: list[SiteMistake] = []

    def read(self, path: Path, of: type[T]) -> T | None:
        name = str(path.relative_to(self.root))
        try:
            text = path.read_text(encoding="utf-8")
            raw = tomllib.loads(text)
        except FileNotFoundError:
            self.mistakes.append(SiteMistake(name, 0, "", "the file is missing"))
            return None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.mistakes.append(
                SiteMistake(name, 0, "", f"not readable as TOML: {error}")
            )
            return None
        try:
            return adapter(of).validate_python(raw)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                key = ".".join(str(part) for part in problem["loc"])
                self.mistakes.append(
                    SiteMistake(
                        name, _line_of(text, problem["loc"]), key, problem["msg"]
                    )
                )
            return None


def _line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The line where the last named key stands, best effort: 0 when it stands nowhere (a missing key)."""
    names = [part for part in location if isinstance(part, str)]
    for number, line in enumerate(text.splitlines(), 1):
        if names and line.lstrip().startswith(
            (f"{names[-1]} ", f"{names[-1]}=", f"[{names[-1]}")
        ):
            return number
    return 0


def load_site(root: Path) -> Site:
    """Read the folder. Raises SiteError with every mistake."""
    reader = _Reader(root)
    head = reader.read(root / "site.toml", SiteFile)
    calendars = [
        reader.read(path, CalendarYear) for path in sorted(root.glob("calendar/*.toml"))
    ]
    centres = reader.read(root / "centres.toml", _Centres)
    codes = reader.read(root / "codes.toml", _Codes)
    fields = reader.read(root / "fields.toml", _Fields)
    materials = reader.read(root / "materials.toml", _Materials)
    departments = [
        reader.read(path, DepartmentFile)
        for path in sorted(root.glob("*/department.toml"))
    ]
    items = [reader.read(path, Item) for path in sorted(root.glob("*/items/*.toml"))]
    if reader.mistakes or not (head and centres and codes and fields and materials):
        raise SiteError(reader.mistakes)
    return Site(
        root=str(root),
        region=head.region,
        name_zh=head.name_zh,
        name_en=head.name_en,
        timezone=head.timezone,
        plugins=head.plugins,
        calendars={year.year: year for year in calendars if year},
        centres={centre.code: centre for centre in centres.centres},
        code_lists=codes.lists,
        field_groups=fields.groups,
        materials={kind.code: kind for kind in materials.materials},
        departments=tuple(department for department in departments if department),
        items=tuple(item for item in items if item),
    )


def protocol_of(channel: ChannelFile) -> tuple[str, Fields]:
    """The protocol table of a channel. Raises ValueError unless exactly one is given."""
    tables: dict[str, Mapping[str, JsonValue] | None] = {
        "rest": channel.rest,
        "soap": channel.soap,
        "file_drop": channel.file_drop,
        "paper": channel.paper,
    }
    given = [(name, table) for name, table in tables.items() if table is not None]
    if len(given) != 1:
        raise ValueError(f"give exactly one of {', '.join(tables)}")
    name, table = given[0]
    assert table is not None
    return name, table


def with_items(site: Site, items: tuple[Item, ...]) -> Site:
    """The same site with items that plugins brought."""
    return replace(site, items=site.items + items)
