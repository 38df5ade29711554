"""What the operations of a WSDL look like, part by part, so that two of its versions can be compared by operation.

A part is what an operation reaches: its binding, its messages, and every named component of the schemas (types, elements, groups), each as
canonical text without annotations, with names resolved. What an operation does not reach cannot change it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias
from urllib.parse import unquote

from lxml import etree

from adapters.soap_xml import Element, children
from adapters.wsdl_lock import WSDL, XSD, Bundled, parsed
from contracts.records import record

Key: TypeAlias = str
"""Kind and name: ``complexType {urn:x}Person``."""

_QUALIFIED = {"type", "element", "base", "ref", "itemType", "memberTypes", "substitutionGroup", "refer"}
_KINDS = {"element", "complexType", "simpleType", "group", "attributeGroup", "attribute"}
_REFERRED: Mapping[str, Sequence[str]] = {
    "type": ("complexType", "simpleType"),
    "base": ("complexType", "simpleType"),
    "itemType": ("simpleType",),
    "memberTypes": ("simpleType",),
    "substitutionGroup": ("element",),
    "element": ("element",),
    "ref": ("element", "group", "attributeGroup", "attribute"),
}


@record
class _Component:
    text: str
    reaches: frozenset[Key]


@record
class Difference:
    """One operation in two versions: ``what`` is ``added``, ``removed`` or ``changed``; ``parts``: those that differ, by key."""

    operation: str
    what: str
    parts: tuple[Key, ...] = ()


def shapes(bundled: Bundled) -> Mapping[str, Mapping[Key, str]]:
    """By operation, the digest of each part that it reaches."""
    documents = {path: parsed(content, path) for path, content in bundled.contents.items()}
    components = _components(documents, bundled.files[0].path)
    found: dict[str, Mapping[Key, str]] = {}
    for name, (bound, reached) in _operations(list(documents.values())).items():
        parts = {f"operation {name}": _digest(bound)}
        waiting = list(reached)
        while waiting:
            key = waiting.pop()
            if key not in parts and key in components:
                parts[key] = _digest(components[key].text)
                waiting.extend(components[key].reaches)
        found[name] = parts
    return found


def differences(old: Mapping[str, Mapping[Key, str]], new: Mapping[str, Mapping[Key, str]]) -> Sequence[Difference]:
    """What became of each operation; nothing for one that is as it was."""
    found: list[Difference] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            found.append(Difference(operation=name, what="removed"))
        elif name not in old:
            found.append(Difference(operation=name, what="added"))
        else:
            before, after = old[name], new[name]
            parts = tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))
            if parts:
                found.append(Difference(operation=name, what="changed", parts=parts))
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _components(documents: Mapping[str, Element], main: str) -> Mapping[Key, _Component]:
    """Every named component that the WSDL reaches; a schema without a namespace of its own has that of who includes it."""
    found: dict[Key, _Component] = {}
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[Element, str, str]] = [(documents[main], main, "")]
    while waiting:
        root, path, inherited = waiting.pop()
        schemas = [root] if root.tag == f"{{{XSD}}}schema" else list(root.iter(f"{{{XSD}}}schema"))
        for schema in schemas:
            space = schema.get("targetNamespace") or inherited
            found |= _declared(schema, space)
            waiting += _referred(schema, path, space, documents, seen)
        if root.tag == f"{{{WSDL}}}definitions":
            waiting += _referred(root, path, "", documents, seen)
    return found


def _referred(
    root: Element, path: str, space: str, documents: Mapping[str, Element], seen: set[tuple[str, str]]
) -> Iterator[tuple[Element, str, str]]:
    for node in children(root):
        location = node.get("schemaLocation") or node.get("location")
        if not location or etree.QName(node).localname not in {"import", "include", "redefine"}:
            continue
        target = _joined(path, location)
        gives = "" if etree.QName(node).localname == "import" else space
        if target in documents and (target, gives) not in seen:
            seen.add((target, gives))
            yield documents[target], target, gives


def _joined(path: str, location: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / unquote(location)).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _declared(schema: Element, space: str) -> Mapping[Key, _Component]:
    found: dict[Key, _Component] = {}
    forms = f"{schema.get('elementFormDefault')} {schema.get('attributeFormDefault')}"
    for node in children(schema):
        kind = etree.QName(node).localname
        if kind in _KINDS and node.get("name"):
            reaches: set[Key] = set()
            text = f"{forms} {_canonical(node, space, reaches.add)}"
            found[f"{kind} {{{space}}}{node.get('name')}"] = _Component(text=text, reaches=frozenset(reaches))
    return found


def _canonical(node: Element, space: str, reach: Callable[[Key], None]) -> str:
    """The element as text: no annotation, no blank, attributes sorted, names resolved; ``reach`` is told what it refers to."""
    said: list[str] = []
    for name in sorted(map(str, node.attrib)):
        value = node.attrib[name]
        if name == "id" or name.startswith("{"):
            continue
        if name in _QUALIFIED:
            names = [_resolved(node, one, space) for one in str(value).split()]
            value = " ".join(names)
            for kind in _REFERRED.get(name, ()):
                for one in names:
                    reach(f"{kind} {one}")
        said.append(f"{name}={value!r}")
    inner = [
        _canonical(child, space, reach) for child in children(node) if etree.QName(child).localname != "annotation"
    ]
    return f"<{etree.QName(node).localname} {' '.join(said)}>{''.join(inner)}</>"


def _resolved(node: Element, name: str, space: str) -> str:
    prefix, _, plain = name.rpartition(":")
    return f"{{{node.nsmap.get(prefix or None) or ('' if prefix else space)}}}{plain}"


def _operations(documents: Sequence[Element]) -> Mapping[str, tuple[str, frozenset[Key]]]:
    """Each bound operation: all that its bindings and messages say of it, and what these reach."""
    definitions = [root for root in documents if root.tag == f"{{{WSDL}}}definitions"]
    messages, ports = _named(definitions, "message"), _named(definitions, "portType")
    found: dict[str, tuple[str, frozenset[Key]]] = {}
    for binding in _named(definitions, "binding").values():
        kind = _resolved(binding, binding.get("type", ""), "")
        for bound in binding.iterfind(f"{{{WSDL}}}operation"):
            name = bound.get("name", "")
            reaches: set[Key] = set()
            said = [_head(binding), _canonical(bound, "", reaches.add)]
            for way in _ways(ports.get(kind), name):
                said.append(_head(way))
                message = messages.get(_resolved(way, way.get("message", ""), ""))
                said.append("no message" if message is None else _canonical(message, "", reaches.add))
            text, more = found.get(name, ("", frozenset()))
            found[name] = ("\n".join((text, *said)), more | reaches)
    return found


def _named(definitions: Sequence[Element], kind: str) -> Mapping[str, Element]:
    """The elements of that kind, by name with namespace."""
    return {
        f"{{{root.get('targetNamespace', '')}}}{node.get('name')}": node
        for root in definitions
        for node in root.iterfind(f"{{{WSDL}}}{kind}")
    }


def _ways(port: Element | None, operation: str) -> Iterator[Element]:
    """Input, output and faults of a port type's operation."""
    for node in () if port is None else port.iterfind(f"{{{WSDL}}}operation"):
        if node.get("name") == operation:
            yield from (way for way in children(node) if etree.QName(way).localname in {"input", "output", "fault"})


def _head(node: Element) -> str:
    """What a binding, or an input, says of itself and in the extensions directly inside."""
    own = [node, *(child for child in children(node) if etree.QName(child).namespace != WSDL)]
    return " ".join(f"{one.tag} {sorted(one.items())}" for one in own)
