"""A WSDL as a new plugin needs it: the port whose version and style we speak, and the elements of its messages."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from adapters.contract_outline import DEEPEST_PART, Outline, OutlineField, OutlineOperation, OutlineRefused, apart
from adapters.soap_port import Port
from adapters.soap_table import SoapTable
from adapters.soap_wsdl import Bundle, WsdlError, declared, read_port
from adapters.xsd_facets import NONE, SimpleTypes
from contracts.catalogue import FieldType

_VERSIONS = ("1.2", "1.1")
_STYLES = ("document/literal", "rpc/literal", "rpc/encoded")

_TYPES: Mapping[str, FieldType] = {
    "boolean": "bool",
    "date": "date",
    "gYearMonth": "month",
    "decimal": "decimal",
    "double": "decimal",
    "float": "decimal",
    **dict.fromkeys(
        ("int", "integer", "long", "short", "byte", "nonNegativeInteger", "positiveInteger", "unsignedInt"), "int"
    ),
}


def outline(file: Path) -> Outline:
    """Every operation of the first port that fits, SOAP 1.2 before 1.1 and literal before encoded. Raises OutlineRefused."""
    bundle, table, port = read_service(file)
    operations = tuple(
        OutlineOperation(
            name=name,
            request=apart(_fields(port.message(name, reply=False), port.types)),
            reply=apart(_fields(port.message(name, reply=True), port.types)),
        )
        for name in sorted(port.names)
        if port.answers(name)
    )
    facts = {"soap_version": table.soap_version, "style": table.style}
    return Outline(protocol="soap", title=file.stem, base_path=_address(bundle), operations=operations, facts=facts)


def read_service(file: Path) -> tuple[Bundle, SoapTable, Port]:
    """The WSDL with the port that fits. Raises OutlineRefused."""
    bundle = Bundle(path=file.resolve())
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.wsdl", bundle.path.name):
        raise OutlineRefused(f"{bundle.path.name}: give it a name of letters, digits, _ and - that ends in .wsdl")
    return bundle, *_port(bundle)


def _port(bundle: Bundle) -> tuple[SoapTable, Port]:
    why = "it has no port that speaks SOAP"
    for version in _VERSIONS:
        for style in _STYLES:
            table = SoapTable.model_validate(
                {"base_path": "", "wsdl": bundle.path.name, "soap_version": version, "style": style}
            )
            try:
                declared(bundle, table)
                return table, read_port(bundle, table)
            except WsdlError as error:
                why = str(error)
    raise OutlineRefused(f"{bundle.path.name} cannot be used: {why}")


def _fields(holder: Any, types: SimpleTypes, depth: int = 0, inside: int = 0) -> Iterator[OutlineField]:
    """The fields of a zeep element that holds them; ``inside``: parts that are around it."""
    for name, element in getattr(holder.type, "elements", ()):
        if not hasattr(element, "qname"):
            # Of xs:any, or of parts that repeat without an element around them: nothing that could be named.
            continue
        inner = dict(getattr(element.type, "elements", ()))
        if depth == 0 and inside < DEEPEST_PART and _is_part(element, inner):
            optional = element.is_optional or element.nillable
            for one in _fields(element, types, inside=inside + 1):
                yield replace(one, path=f"{name}.{one.place}", required=one.required and not optional)
            continue
        row = element
        if len(inner) == 1 and next(iter(inner.values())).accepts_multiple:
            row = next(iter(inner.values()))
        rows = tuple(_fields(row, types, depth + 1)) if inner and depth < 1 else ()
        kind: FieldType = "table" if rows else _TYPES.get(_base(element.type), "string")
        facets = types.of(element, holder.type) if kind in ("string", "int") else NONE
        required = not element.is_optional and not element.nillable
        yield OutlineField(
            name=name,
            type="code" if facets.codes else kind,
            required=required,
            columns=rows,
            codes=facets.codes,
            max_length=facets.max_length,
            repeats=bool(element.accepts_multiple) and not inner,
        )


def _is_part(element: Any, inner: Mapping[str, Any]) -> bool:
    """Whether an element only holds others, once: a part of a message, no table and no row of one."""
    wraps_rows = len(inner) == 1 and next(iter(inner.values())).accepts_multiple
    return bool(inner) and not element.accepts_multiple and not wraps_rows


def _base(kind: Any) -> str:
    """The name of the XML Schema type that a simple type comes down to."""
    name = str(getattr(getattr(kind, "qname", None), "localname", "") or "")
    builtin = getattr(kind, "_default_qname", None)
    if name in _TYPES or builtin is None:
        return name
    return str(builtin.localname)


def _address(bundle: Bundle) -> str:
    root = etree.fromstring(bundle.load(str(bundle.path)), etree.XMLParser(resolve_entities=False, no_network=True))
    for node in root.iter("{*}address"):
        path = str(urlsplit(node.get("location", "")).path).rstrip("/")
        if path:
            return path
    return ""
