"""What a site, or a contract file, declares of fields: which of them are whose, and which codes say nothing of anybody."""

from collections.abc import Iterator
from pathlib import Path

from adapters.contract_dialect import dialect_of
from adapters.contract_outline import OutlineField, read_outline
from contracts.catalogue import Column, Operation, ReplyField, RequestField
from contracts.site import Site, SystemFile
from contracts.site_files import PROTOCOLS, protocol_of
from simulators.recording.made_up import Kind
from simulators.recording.sifting import KINDS_OF_SOURCES, Declared

_LONGEST_CODE = 24


def of_site(site: Site, systems: frozenset[str] | None) -> Declared:
    """Of the systems whose traffic is recorded, None: of all. A field that is filled from a person's data is that person's."""
    chosen = [one for of in site.departments for one in of.systems if systems is None or one.key in systems]
    codes = {code.code for found in site.code_lists.values() for code in found.codes}
    names: set[str] = set()
    kinds: dict[str, Kind] = {}
    for system in chosen:
        names |= {system.result_field, *_names_of_table(system)}
        for operation in system.operations:
            codes |= {code for found in operation.result_codes.values() for code in found} | {operation.key}
            for name, kind in _fields(operation):
                names.add(name)
                if kind is not None:
                    kinds[name] = kind
            for wire in operation.wire.values():
                codes |= {str(value) for value in wire.values() if isinstance(value, str) and "/" not in value}
    return Declared(kinds=kinds, codes=_short(codes), names=frozenset(names))


def of_contract(file: Path) -> Declared:
    """Of a contract file alone: its names and its codes; whose a field is then shows by its name and its form. Raises OutlineRefused."""
    outline = read_outline(file)
    speech = dialect_of(outline.operations, PROTOCOLS[outline.protocol])
    names: set[str] = set()
    codes = {one.code for one in speech.codes}
    for operation in outline.operations:
        for field in _outlined([*operation.request, *operation.reply]):
            names.add(field.name)
            codes |= set(field.codes)
    return Declared(kinds={}, codes=_short(codes | {one.name for one in outline.operations}), names=frozenset(names))


def _short(codes: set[str]) -> frozenset[str]:
    return frozenset(code for code in codes if code and len(code) <= _LONGEST_CODE)


def _outlined(fields: list[OutlineField]) -> Iterator[OutlineField]:
    for field in fields:
        yield field
        yield from _outlined(list(field.columns))


def _names_of_table(system: SystemFile) -> Iterator[str]:
    """Where the delivery id travels, by the channel tables."""
    for channel in system.channels:
        _, table = protocol_of(channel)
        reference = table.get("reference")
        if isinstance(reference, dict):
            yield from (str(reference[key]) for key in ("name", "echo") if reference.get(key))


def _fields(operation: Operation) -> Iterator[tuple[str, Kind | None]]:
    """Name and kind of every field that goes or comes; of a column as well. Free text is free text, a code is judged by its list."""
    for field in operation.request:
        yield field.name, _kind(field)
        yield from ((column.name, _kind(column)) for column in field.columns)
    for told in operation.reply:
        yield told.name, _told(told)
        yield from ((column.name, _kind(column)) for column in told.columns)
    for wire in operation.wire.values():
        for rows in (wire.get("request"), wire.get("reply")):
            if isinstance(rows, dict):
                yield from ((str(name), None) for name in rows)


def _kind(field: RequestField | Column) -> Kind | None:
    source = field.source or ""
    if source in KINDS_OF_SOURCES:
        return KINDS_OF_SOURCES[source]
    return (
        Kind.TEXT
        if field.type in ("string", "text")
        else Kind.DATE
        if field.type == "date" and "birth" in source
        else None
    )


def _told(field: ReplyField) -> Kind | None:
    return Kind.TEXT if field.type == "text" else None
