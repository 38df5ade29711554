"""Sets of WSDL and XSD files as governments publish them, made from a seed: hundreds of files, imports and includes ten deep, circles,
chameleon includes, one namespace spread over many files, names with blanks and Chinese characters, upward paths."""

import random
from collections.abc import Mapping
from pathlib import Path

XSD = "http://www.w3.org/2001/XMLSchema"
SERVICE = "urn:sample-city:registry"


def write_set(folder: Path, seed: int, *, namespaces: int = 12, files: int = 25, depth: int = 10) -> Path:
    """Write a set below ``folder``: ``namespaces`` of ``files`` each, a chain of imports ``depth`` long at least. Returns the WSDL.

    Its operations: ``Register`` and ``Query``, which reach all namespaces, in SOAP 1.1, document/literal.
    """
    made = _Set(random.Random(seed), namespaces, files, depth)
    for name, text in made.texts().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "service" / "registry.wsdl"


class _Set:
    """Namespace ``n`` lies in ``xsd/n<n>``: ``index.xsd`` includes ``part0.xsd`` .., each part the next ones, the last ones back to the
    first (a circle); every third part has no namespace of its own (a chameleon), and two chameleons are included by all namespaces. Namespaces
    import the next one, and the last the first."""

    def __init__(self, source: random.Random, namespaces: int, files: int, depth: int) -> None:
        self._source = source
        self._namespaces = namespaces
        self._files = files
        self._depth = depth

    def texts(self) -> Mapping[str, str]:
        """By path."""
        found = {"service/registry.wsdl": _wsdl(self._namespaces), "service/messages.xsd": self._messages()}
        found |= {"xsd/common/flags.xsd": _common("Flag", "more"), "xsd/common/more.xsd": _common("More", "flags")}
        for number in range(self._namespaces):
            found[f"xsd/n{number}/index.xsd"] = self._index(number)
            for part in range(self._files - 1):
                found[f"xsd/n{number}/{_part(part)}"] = self._part(number, part)
        return found

    def _index(self, number: int) -> str:
        following = (number + 1) % self._namespaces
        far = self._source.randrange(self._namespaces)
        imports = f'<xsd:import namespace="{_space(following)}" schemaLocation="../n{following}/index.xsd"/>'
        if far not in (number, following):
            # Not the index but a file inside: the same namespace comes in by several doors.
            inside = 3 * self._source.randrange(max((self._files - 1) // 3, 1))
            imports += f'<xsd:import namespace="{_space(far)}" schemaLocation="../n{far}/{_part(inside)}"/>'
        return (
            f'{_head(_space(number))} xmlns:next="{_space(following)}">{imports}'
            f'<xsd:include schemaLocation="../common/flags.xsd"/><xsd:include schemaLocation="{_part(0)}"/>'
            f'<xsd:complexType name="Record"><xsd:sequence><xsd:element name="id" type="xsd:string"/>'
            f'<xsd:element name="flag" type="tns:Flag" minOccurs="0"/><xsd:element name="first" type="tns:T0" minOccurs="0"/>'
            f'<xsd:element name="more" type="next:Record" minOccurs="0"/></xsd:sequence></xsd:complexType></xsd:schema>'
        )

    def _part(self, number: int, part: int) -> str:
        """One part holds two types; the first extends or holds those of the next parts."""
        last = self._files - 2
        chameleon = part % 3 == 2
        inside = [part + 1] if part < last else [0]
        if part + self._depth < last and self._source.random() < 0.5:
            inside.append(part + self._depth)
        includes = "".join(f'<xsd:include schemaLocation="./{_part(one)}"/>' for one in inside)
        prefix = "" if chameleon else "tns:"
        head = (
            f'<xsd:schema xmlns:xsd="{XSD}" elementFormDefault="qualified">'
            if chameleon
            else f"{_head(_space(number))}>"
        )
        following = inside[0]
        held = f'<xsd:element name="next" type="{prefix}T{following}" minOccurs="0" maxOccurs="unbounded"/>'
        values = "".join(f'<xsd:enumeration value="{value:02d}"/>' for value in range(self._source.randrange(2, 20)))
        fields = "".join(
            f'<xsd:element name="f{field}" type="{self._source.choice(("xsd:string", "xsd:date", "xsd:decimal", f"{prefix}C{part}"))}" minOccurs="0"/>'
            for field in range(self._source.randrange(1, 8))
        )
        return (
            f"{head}{includes}<!-- {number} {part} -->"
            f'<xsd:simpleType name="C{part}"><xsd:annotation><xsd:documentation>代码 {part}</xsd:documentation></xsd:annotation>'
            f'<xsd:restriction base="xsd:string">{values}</xsd:restriction></xsd:simpleType>'
            f'<xsd:complexType name="T{part}"><xsd:sequence>{fields}{held}</xsd:sequence></xsd:complexType></xsd:schema>'
        )

    def _messages(self) -> str:
        spaces = "".join(f' xmlns:n{number}="{_space(number)}"' for number in range(self._namespaces))
        imports = "".join(
            f'<xsd:import namespace="{_space(number)}" schemaLocation="../xsd/n{number}/index.xsd"/>'
            for number in range(self._namespaces)
        )
        every = "".join(
            f'<xsd:element name="r{number}" type="n{number}:Record" minOccurs="0"/>'
            for number in range(self._namespaces)
        )
        plain = '<xsd:element name="LSH" type="xsd:string"/>'
        result = '<xsd:element name="JGDM" type="xsd:string"/>'
        elements = "".join(
            f'<xsd:element name="{name}"><xsd:complexType><xsd:sequence>{plain}{inner}{every}</xsd:sequence></xsd:complexType></xsd:element>'
            for name, inner in (
                ("Register", ""),
                ("RegisterResponse", result),
                ("Query", ""),
                ("QueryResponse", result),
            )
        )
        return f"{_head(SERVICE)}{spaces}>{imports}{elements}</xsd:schema>"


def _common(name: str, other: str) -> str:
    """A chameleon that every namespace includes, and that includes another one, and that the first."""
    return (
        f'<xsd:schema xmlns:xsd="{XSD}"><xsd:include schemaLocation="{other}.xsd"/><xsd:simpleType name="{name}">'
        '<xsd:restriction base="xsd:string"><xsd:maxLength value="8"/></xsd:restriction></xsd:simpleType></xsd:schema>'
    )


def _space(number: int) -> str:
    return f"urn:sample-city:schemas:{number}"


def _part(part: int) -> str:
    return f"part{part}.xsd" if part % 7 else f"部分{part}.xsd"


def _head(namespace: str) -> str:
    return f'<xsd:schema xmlns:xsd="{XSD}" xmlns:tns="{namespace}" targetNamespace="{namespace}" elementFormDefault="qualified"'


def _wsdl(namespaces: int) -> str:
    messages = "".join(
        f'<wsdl:message name="{name}"><wsdl:part name="parameters" element="tns:{name}"/></wsdl:message>'
        for name in ("Register", "RegisterResponse", "Query", "QueryResponse")
    )
    port = "".join(
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}"/><wsdl:output message="tns:{name}Response"/></wsdl:operation>'
        for name in ("Register", "Query")
    )
    body = '<soap:body use="literal"/>'
    binding = "".join(
        f'<wsdl:operation name="{name}"><soap:operation soapAction="{name}"/><wsdl:input>{body}</wsdl:input>'
        f"<wsdl:output>{body}</wsdl:output></wsdl:operation>"
        for name in ("Register", "Query")
    )
    return (
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
        f' xmlns:xsd="{XSD}" xmlns:tns="{SERVICE}" targetNamespace="{SERVICE}" name="registry"><wsdl:types>'
        f'<xsd:schema><xsd:import namespace="{SERVICE}" schemaLocation="messages.xsd"/></xsd:schema></wsdl:types>'
        f'{messages}<wsdl:portType name="P">{port}</wsdl:portType><wsdl:binding name="B" type="tns:P">'
        f'<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{binding}</wsdl:binding>'
        '<wsdl:service name="registry"><wsdl:port name="B" binding="tns:B">'
        '<soap:address location="http://department.invalid/registry"/></wsdl:port></wsdl:service></wsdl:definitions>'
    )
