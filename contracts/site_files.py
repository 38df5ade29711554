"""The files of a site folder, as records.

site.toml                         region, names, time zone, plugins that may load
calendar/<year>.toml              holidays and make-up workdays
centres.toml  codes.toml  fields.toml  materials.toml
<department>/department.toml      systems, channels, operations
<department>/items/*.toml         the items that the department owns
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from typing import Literal, TypeAlias

from contracts.catalogue import CodeList, FieldGroup, Item, Operation, Purpose, ResultCode
from contracts.records import Fields, record
from contracts.situation import AutoFallback, Batching, ChannelStatus, Limits, Situation

SharedCodes: TypeAlias = Mapping[Purpose, Mapping[Situation, Mapping[str, ResultCode]]]
"""The result codes that the operations of a system share: by purpose, by situation, by code."""


@record
class SiteFile:
    """site.toml. ``plugins`` names the entry points that may load besides the built-in one."""

    region: str
    name_zh: str
    name_en: str
    timezone: str = "Asia/Shanghai"
    plugins: tuple[str, ...] = ()


@record
class CalendarYear:
    """One year's published days. A day works when it is a make-up workday, or Monday to Friday and no holiday."""

    year: int
    version: int
    holidays: frozenset[date]
    makeup_workdays: frozenset[date]


@record
class Centre:
    """受理中心. ``kind``: centre or sub_centre; a sub-centre names its ``parent``."""

    code: str
    district: str
    name_zh: str
    name_en: str
    kind: Literal["centre", "sub_centre"] = "centre"
    parent: str | None = None


@record
class MaterialType:
    """A kind of paper."""

    code: str
    name_zh: str
    name_en: str


@record
class ChannelFile:
    """A channel in department.toml. Exactly one of the protocol tables is given; its adapter checks the keys.

    ``gateway``: an installed module whose function ``gateway`` stands in front of what the adapter makes (``contracts.plugin.in_front``).
    A site folder may name one; only installed packages hold Python. ``auto_fallback``: of a fallback channel only.
    """

    situation: Situation
    status: ChannelStatus = ChannelStatus.SENDING
    resend_is_safe: bool
    limits: Limits = Limits()
    batching: Batching | None = None
    gateway: str | None = None
    auto_fallback: AutoFallback | None = None
    rest: Fields | None = None
    soap: Fields | None = None
    file_drop: Fields | None = None
    paper: Fields | None = None


@record
class SystemFile:
    """A system in department.toml.

    ``result_codes``: an operation that brings its own for a situation replaces the shared ones there. ``result_field``: where an answer carries its code.
    """

    key: str
    name_zh: str
    name_en: str
    result_field: str = "result_code"
    successor: str | None = None
    channels: tuple[ChannelFile, ...]
    operations: tuple[Operation, ...]
    result_codes: SharedCodes = field(default_factory=dict[Purpose, Mapping[Situation, Mapping[str, ResultCode]]])


@record
class DepartmentFile:
    """department.toml: a complete plugin for most departments."""

    code: str
    name_zh: str
    name_en: str
    systems: tuple[SystemFile, ...] = ()


@record
class CentresFile:
    """centres.toml."""

    centres: tuple[Centre, ...]


@record
class CodesFile:
    """codes.toml."""

    lists: Mapping[str, CodeList]


@record
class FieldsFile:
    """fields.toml."""

    groups: Mapping[str, FieldGroup]


@record
class MaterialsFile:
    """materials.toml."""

    materials: tuple[MaterialType, ...]


@record
class SiteParts:
    """Every file of a site, read but not yet checked against the others. Those that come in numbers carry their file's name.

    ``complete``: no department file is missing for a mistake in it, so that a system that is not here is nowhere.
    """

    head: SiteFile
    calendars: tuple[tuple[str, CalendarYear], ...]
    centres: CentresFile
    codes: CodesFile
    fields: FieldsFile
    materials: MaterialsFile
    departments: tuple[tuple[str, DepartmentFile], ...]
    items: tuple[tuple[str, Item], ...]
    complete: bool = True


@record
class Site:
    """A whole city, loaded and checked. ``files``: the file of each department code and of each ``item@version``."""

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
    files: Mapping[str, str] = field(default_factory=dict[str, str])


PROTOCOLS: Mapping[str, Situation] = {
    "rest": Situation.API,
    "soap": Situation.API,
    "file_drop": Situation.FILE_DROP,
    "paper": Situation.PAPER,
}
"""The protocol tables that a channel may carry, and the situation each belongs to."""


def protocol_of(channel: ChannelFile) -> tuple[str, Fields]:
    """The protocol table of a channel. Raises ValueError unless exactly one is given."""
    tables = {"rest": channel.rest, "soap": channel.soap, "file_drop": channel.file_drop, "paper": channel.paper}
    given = [(name, table) for name, table in tables.items() if table is not None]
    if len(given) != 1:
        raise ValueError(f"give exactly one of {', '.join(tables)}")
    return given[0]
