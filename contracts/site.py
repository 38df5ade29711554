"""A site: the folder that configures one city. This module reads it; the hub, the plugins and the simulators share it.

The loader reads every file, checks them against each other and reports every mistake at once (``SiteError``).
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from contracts.catalogue import Item
from contracts.errors import SiteError, SiteMistake
from contracts.item_checks import check_items
from contracts.mistake_words import said
from contracts.near_names import Schema, keys_at, meant
from contracts.records import adapter
from contracts.site_checks import check_site
from contracts.site_files import (
    CalendarYear,
    Centre,
    CentresFile,
    ChannelFile,
    CodesFile,
    DepartmentFile,
    FieldsFile,
    MaterialsFile,
    MaterialType,
    Site,
    SiteFile,
    SiteParts,
    SystemFile,
    protocol_of,
)
from contracts.toml_lines import Location, line_of

__all__ = [
    "CalendarYear",
    "Centre",
    "ChannelFile",
    "DepartmentFile",
    "MaterialType",
    "Site",
    "SiteFile",
    "SystemFile",
    "load_site",
    "mistakes_of",
    "parsed",
    "protocol_of",
    "read_site",
    "with_items",
]

T = TypeVar("T")


def load_site(root: Path, beside: Sequence[Path] = ()) -> Site:
    """Read and check the folder. Raises SiteError with every mistake. ``beside``: as ``read_site`` has it."""
    site, mistakes = read_site(root, beside)
    if site is None or mistakes:
        raise SiteError(mistakes)
    return site


def read_site(root: Path, beside: Sequence[Path] = ()) -> tuple[Site | None, Sequence[SiteMistake]]:
    """What can be read of the folder, and every mistake in it. A site with mistakes is good for finding more of them only.

    ``beside``: department folders that lie elsewhere, in packages; the files of those are named by their absolute paths.
    None where a file that all others refer to cannot be read: what refers to it would only repeat the message.
    """
    if not (root / "site.toml").exists():
        return None, [SiteMistake(str(root), 0, "", _no_site(root))]
    reader = _Reader(root, beside)
    parts = reader.parts()
    if parts is None:
        return None, reader.mistakes
    parts = replace(
        parts,
        departments=tuple((file, _with_codes(department)) for file, department in parts.departments),
        complete=not any(one.file.endswith("department.toml") for one in reader.mistakes),
    )
    found = [reader.mistake(one.file, one.at, one.message) for one in (*check_site(parts), *check_items(parts))]
    return _assemble(root, parts), [*reader.mistakes, *found]


def _no_site(root: Path) -> str:
    """Why a folder cannot be read as a site."""
    if (root / "department.toml").exists():
        return f"this is a department's folder; its site is {root.parent}"
    return "no site folder: it has no site.toml" if root.is_dir() else "there is no such folder"


def mistakes_of(root: Path, file: str, error: ValueError, below: Location = ()) -> tuple[SiteMistake, ...]:
    """What someone else's model, or function, found wrong in ``file``; ``below`` is where in the file its table begins."""
    text = (root / file).read_text(encoding="utf-8")
    if isinstance(error, ValidationError):
        return tuple(_mistakes(file, text, error, below))
    return (SiteMistake(file, line_of(text, below), _key(below), str(error)),)


def parsed(file: str, text: str, of: type[T]) -> T:
    """A file beside the site folder, read as strictly as those inside. Raises SiteError with every mistake."""
    reader = _Reader(Path(), ())
    value = reader.parse(file, text, of)
    if value is None:
        raise SiteError(reader.mistakes)
    return value


def with_items(site: Site, items: tuple[Item, ...]) -> Site:
    """The same site with items that plugins brought."""
    return replace(site, items=site.items + items)


class _Reader:
    """Reads files under one root and collects mistakes instead of stopping at the first."""

    def __init__(self, root: Path, beside: Sequence[Path]) -> None:
        self.root = root
        self.beside = beside
        self.texts: dict[str, str] = {}
        self.mistakes: list[SiteMistake] = []

    def parts(self) -> SiteParts | None:
        head = self.read("site.toml", SiteFile)
        calendars = self.all("calendar/*.toml", CalendarYear)
        centres = self.read("centres.toml", CentresFile)
        codes = self.read("codes.toml", CodesFile)
        fields = self.read("fields.toml", FieldsFile)
        materials = self.read("materials.toml", MaterialsFile)
        departments = self.all("*/department.toml", DepartmentFile, "department.toml")
        items = self.all("*/items/*.toml", Item, "items/*.toml")
        if head is None or centres is None or codes is None or fields is None or materials is None:
            return None
        return SiteParts(
            head=head,
            calendars=calendars,
            centres=centres,
            codes=codes,
            fields=fields,
            materials=materials,
            departments=departments,
            items=items,
        )

    def all(self, pattern: str, of: type[T], in_department: str | None = None) -> tuple[tuple[str, T], ...]:
        files = [path.relative_to(self.root).as_posix() for path in sorted(self.root.glob(pattern))]
        for folder in self.beside if in_department else ():
            # Joined to the root an absolute path stays what it is.
            files += [path.resolve().as_posix() for path in sorted(folder.glob(str(in_department)))]
        return tuple((file, value) for file in files if (value := self.read(file, of)) is not None)

    def read(self, file: str, of: type[T]) -> T | None:
        try:
            text = (self.root / file).read_text(encoding="utf-8")
        except FileNotFoundError:
            self.mistakes.append(SiteMistake(file, 0, "", "the file is missing"))
            return None
        except UnicodeDecodeError as error:
            self.mistakes.append(SiteMistake(file, 0, "", f"not readable as TOML: {error}"))
            return None
        return self.parse(file, text, of)

    def parse(self, file: str, text: str, of: type[T]) -> T | None:
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = re.search(r"at line (\d+)", str(error))
            self.mistakes.append(SiteMistake(file, int(at[1]) if at else 0, "", f"not readable as TOML: {error}"))
            return None
        self.texts[file] = text
        try:
            return adapter(of).validate_python(raw)
        except ValidationError as error:
            self.mistakes.extend(_mistakes(file, text, error, (), adapter(of).json_schema))
            return None

    def mistake(self, file: str, at: Location, message: str) -> SiteMistake:
        return SiteMistake(file, line_of(self.texts[file], at), _key(at), message)


def _mistakes(
    file: str, text: str, error: ValidationError, below: Location, schema: Callable[[], Schema] | None = None
) -> Iterable[SiteMistake]:
    """``schema``: of the document, where it is known; it says which key was meant by one that it does not have."""
    for problem in error.errors(include_url=False):
        at, message = below + tuple(part for part in problem["loc"] if part != _OF_A_KEY), said(problem)
        if problem["type"] in _UNKNOWN_KEY and schema is not None:
            message = "no such key" + meant(str(at[-1]), keys_at(schema(), at[:-1]))
        yield SiteMistake(file, line_of(text, at), _key(at), message)


_OF_A_KEY = "[key]"
"""How pydantic points at the name of an entry, which is wrong itself."""

_UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""How pydantic calls it, in models and in dataclasses."""


def _key(at: Location) -> str:
    return ".".join(str(part) for part in at)


def _with_codes(department: DepartmentFile) -> DepartmentFile:
    """Give each operation the result codes that its system shares."""
    systems = tuple(
        replace(
            system,
            operations=tuple(
                replace(
                    operation, result_codes={**system.result_codes.get(operation.purpose, {}), **operation.result_codes}
                )
                for operation in system.operations
            ),
        )
        for system in department.systems
    )
    return replace(department, systems=systems)


def _assemble(root: Path, parts: SiteParts) -> Site:
    return Site(
        root=str(root),
        region=parts.head.region,
        name_zh=parts.head.name_zh,
        name_en=parts.head.name_en,
        timezone=parts.head.timezone,
        plugins=parts.head.plugins,
        calendars={year.year: year for _, year in parts.calendars},
        centres={centre.code: centre for centre in parts.centres.centres},
        code_lists=parts.codes.lists,
        field_groups=parts.fields.groups,
        materials={kind.code: kind for kind in parts.materials.materials},
        departments=tuple(department for _, department in parts.departments),
        items=tuple(item for _, item in parts.items),
        files={department.code: file for file, department in parts.departments}
        | {f"{item.code}@{item.version}": file for file, item in parts.items},
    )
