"""What the schemas of a WSDL say of simple types and zeep reads past: listed values, lengths, patterns and bounds (XML Schema part 2, 4.3)."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Final

from lxml import etree

from adapters.soap_xml import Element
from adapters.wsdl_lock import XSD
from contracts.records import record

_XSD: Final = f"{{{XSD}}}"


@record
class Facets:
    """What a simple type allows. ``codes``: none: it lists no values; ``least`` and ``most``: whole numbers within its bounds; ``edge``: a
    bound of another kind, a date for one; ``digits``: whether their number is limited; ``builtin``: the type that it comes down to, of
    a union the first, of a list that of an item."""

    builtin: str = ""
    codes: tuple[str, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    least: int | None = None
    most: int | None = None
    edge: str | None = None
    digits: bool = False

    def allows(self, text: str) -> bool:
        """Whether a text is one of the listed values, and no longer than it may be."""
        return (not self.codes or text in self.codes) and (self.max_length is None or len(text) <= self.max_length)

    def within(self, wider: "Facets") -> "Facets":
        """Of a type that restricts another one."""
        return Facets(
            builtin=self.builtin or wider.builtin,
            codes=self.codes or wider.codes,
            min_length=max((one for one in (self.min_length, wider.min_length) if one is not None), default=None),
            max_length=min((one for one in (self.max_length, wider.max_length) if one is not None), default=None),
            pattern=self.pattern or wider.pattern,
            least=max((one for one in (self.least, wider.least) if one is not None), default=None),
            most=min((one for one in (self.most, wider.most) if one is not None), default=None),
            edge=self.edge or wider.edge,
            digits=self.digits or wider.digits,
        )


NONE: Final = Facets()


class SimpleTypes:
    """The simple types of a WSDL's schemas, by the elements that have them, within the type or element around each."""

    def __init__(self, schemas: Iterator[tuple[Element, str]]) -> None:
        """``schemas``: each with its target namespace."""
        self._restrictions: dict[str, tuple[Facets, str]] = {}
        self._inside: dict[tuple[str, str], Facets] = {}
        self._alone: dict[str, set[Facets]] = {}
        self._extended: dict[str, str] = {}
        elements: list[tuple[str, str, Facets, str]] = []
        for schema, space in schemas:
            for node in schema.iter(f"{_XSD}simpleType"):
                facets, base = _restriction(node, space)
                element = node.getparent()
                if node.get("name"):
                    self._restrictions[f"{{{space}}}{node.get('name')}"] = (facets, base)
                elif element is not None and element.tag == f"{_XSD}element":
                    elements.append((_owner(element, space), element.get("name", ""), _fixed(element, facets), base))
            for node in schema.iterfind(f".//{_XSD}element[@name][@type]"):
                base = _resolved(node, node.get("type", ""), space)
                elements.append((_owner(node, space), node.get("name", ""), _fixed(node, NONE), base))
            for node in schema.iterfind(f".//{_XSD}complexContent/*[@base]"):
                self._extended[_owner(node, space)] = _resolved(node, node.get("base", ""), space)
        for owner, name, facets, base in elements:
            whole = facets.within(self._named(base))
            self._inside[owner, name] = whole
            self._alone.setdefault(name, set()).add(whole)

    def of(self, element: Any, owner: Any) -> Facets:
        """Of a zeep element, where ``owner`` is the zeep type that holds it."""
        name = str(element.qname.localname)
        around = str(getattr(owner, "qname", ""))
        for _ in range(_DEEPEST):
            if (around, name) in self._inside:
                return self._inside[around, name]
            around = self._extended.get(around, "")
        # Of a group, or a part of an rpc message: believed where every element of that name says the same.
        named = str(getattr(element.type, "qname", ""))
        if named in self._restrictions:
            return self._named(named)
        alone = self._alone.get(name, set())
        return next(iter(alone)) if len(alone) == 1 else NONE

    def _named(self, name: str, depth: int = 0) -> Facets:
        if name.startswith(f"{{{XSD}}}"):
            return Facets(builtin=etree.QName(name).localname)
        facets, base = self._restrictions.get(name, (NONE, ""))
        return facets.within(self._named(base, depth + 1)) if base and depth < _DEEPEST else facets


_DEEPEST: Final = 12
"""Types of types that are followed."""


def _owner(element: Element, space: str) -> str:
    """The name of what is around an element: of a type, or of the element that has a type without a name. Blank: nothing is."""
    for node in element.iterancestors(f"{_XSD}complexType", f"{_XSD}element"):
        if node.get("name"):
            return f"{{{space}}}{node.get('name')}"
    return ""


def _fixed(element: Element, facets: Facets) -> Facets:
    """What the type of an element says, or the one value that the element has."""
    value = element.get("fixed")
    return facets if value is None else replace(facets, codes=(value,))


def _restriction(node: Element, space: str) -> tuple[Facets, str]:
    """What a simple type says itself, and the name of the type that it restricts."""
    inner = node.find(f"{_XSD}restriction")
    if inner is None:
        return _first_of(node, space)
    said = {str(etree.QName(one).localname): one.get("value", "") for one in inner.iterchildren(f"{_XSD}*")}
    patterns = inner.findall(f"{_XSD}pattern")
    facets = Facets(
        codes=tuple(one.get("value", "") for one in inner.iterfind(f"{_XSD}enumeration")),
        min_length=_count(said.get("length") or said.get("minLength")),
        max_length=_count(said.get("length") or said.get("maxLength")),
        # Several patterns are alternatives (4.3.4.3).
        pattern="|".join(f"({one.get('value', '')})" for one in patterns) or None,
        least=_bound(said.get("minInclusive"), said.get("minExclusive"), 1),
        most=_bound(said.get("maxInclusive"), said.get("maxExclusive"), -1),
        edge=said.get("minInclusive") or said.get("maxInclusive"),
        digits=bool(said.keys() & {"totalDigits", "fractionDigits"}),
    )
    anonymous = inner.find(f"{_XSD}simpleType")
    if anonymous is not None:
        wider, base = _restriction(anonymous, space)
        return facets.within(wider), base
    return facets, _resolved(inner, inner.get("base", ""), space)


def _first_of(node: Element, space: str) -> tuple[Facets, str]:
    """Of a union its first member, of a list its item: a value of that is one of the whole."""
    for inner in node.iterchildren(f"{_XSD}union", f"{_XSD}list"):
        names = (inner.get("memberTypes") or inner.get("itemType") or "").split()
        anonymous = inner.find(f"{_XSD}simpleType")
        if names:
            return NONE, _resolved(inner, names[0], space)
        if anonymous is not None:
            return _restriction(anonymous, space)
    return NONE, ""


def _count(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None


def _bound(inclusive: str | None, exclusive: str | None, step: int) -> int | None:
    """The outermost whole number within a bound; None for the bounds of dates."""
    try:
        whole = ROUND_CEILING if step > 0 else ROUND_FLOOR
        if inclusive:
            return int(Decimal(inclusive).to_integral_value(whole))
        if exclusive:
            found = Decimal(exclusive)
            nearest = int(found.to_integral_value(whole))
            return nearest + step if nearest == found else nearest
    except (InvalidOperation, ValueError, OverflowError):
        pass
    return None


def _resolved(node: Element, name: str, space: str) -> str:
    prefix, _, plain = name.rpartition(":")
    return f"{{{node.nsmap.get(prefix or None) or ('' if prefix else space)}}}{plain}"
