"""What schemas allow and zeep reads past: told apart by the type around an element, wherever a type was written down."""

from pathlib import Path

import pytest

from adapters.soap_port import Port
from adapters.wsdl_outline import read_service
from adapters.xsd_facets import NONE, Facets

SCHEMA = """
<xs:simpleType name="Short"><xs:restriction base="xs:string"><xs:minLength value="2"/><xs:maxLength value="5"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Shorter"><xs:restriction base="t:Short"><xs:maxLength value="4"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Either"><xs:union memberTypes="xs:int t:Short"/></xs:simpleType>
<xs:group name="Shared"><xs:sequence>
  <xs:element name="grouped"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="g"/></xs:restriction></xs:simpleType></xs:element>
</xs:sequence></xs:group>
<xs:complexType name="Base"><xs:sequence>
  <xs:element name="code"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="b"/></xs:restriction></xs:simpleType></xs:element>
</xs:sequence></xs:complexType>
<xs:complexType name="Grown"><xs:complexContent><xs:extension base="t:Base"><xs:sequence>
  <xs:element name="more" type="t:Shorter"/>
</xs:sequence></xs:extension></xs:complexContent></xs:complexType>
<xs:element name="Ask"><xs:complexType><xs:sequence><xs:element name="id" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="AskResponse"><xs:complexType><xs:sequence>
  <xs:element name="id" type="xs:string"/>
  <xs:element name="code"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="a"/></xs:restriction></xs:simpleType></xs:element>
  <xs:element name="grown" type="t:Grown"/>
  <xs:element name="either" type="t:Either"/>
  <xs:element name="within"><xs:simpleType><xs:restriction>
    <xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="9"/></xs:restriction></xs:simpleType><xs:maxLength value="7"/>
  </xs:restriction></xs:simpleType></xs:element>
  <xs:element name="rate"><xs:simpleType><xs:restriction base="xs:decimal"><xs:minExclusive value="1.5"/><xs:maxInclusive value="9.9"/></xs:restriction></xs:simpleType></xs:element>
  <xs:element name="count"><xs:simpleType><xs:restriction base="xs:int"><xs:minInclusive value="-3"/><xs:maxExclusive value="8"/></xs:restriction></xs:simpleType></xs:element>
  <xs:element name="day"><xs:simpleType><xs:restriction base="xs:date"><xs:minInclusive value="2026-01-01"/></xs:restriction></xs:simpleType></xs:element>
  <xs:element name="plate"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[A-Z]"/><xs:pattern value="[0-9]"/></xs:restriction></xs:simpleType></xs:element>
  <xs:element name="elsewhere" type="t:Elsewhere"/>
  <xs:group ref="t:Shared"/>
</xs:sequence></xs:complexType></xs:element>
"""
WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t" name="T">
<types><xs:schema targetNamespace="urn:t" elementFormDefault="qualified"><xs:include schemaLocation="plain.xsd"/>{}</xs:schema></types>
<message name="In"><part name="p" element="t:Ask"/></message><message name="Out"><part name="p" element="t:AskResponse"/></message>
<portType name="P"><operation name="Ask"><input message="t:In"/><output message="t:Out"/></operation></portType>
<binding name="B" type="t:P"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
<operation name="Ask"><soap:operation soapAction=""/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
<service name="T"><port name="P" binding="t:B"><soap:address location="http://t.invalid/t"/></port></service></definitions>"""
INCLUDED = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:include schemaLocation="plain.xsd"/>
<xs:simpleType name="Elsewhere"><xs:restriction base="xs:string"><xs:length value="3"/></xs:restriction></xs:simpleType></xs:schema>"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Port:
    """Of a WSDL with a schema in it, which includes one that has no namespace of its own, and itself."""
    folder = tmp_path_factory.mktemp("wsdl")
    (folder / "plain.xsd").write_text(INCLUDED)
    (folder / "t.wsdl").write_text(WSDL.format(SCHEMA))
    _, _, found = read_service(Path(folder / "t.wsdl"))
    return found


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ("id", Facets(builtin="string")),
        ("code", Facets(builtin="string", codes=("a",))),
        ("grown.more", Facets(builtin="string", min_length=2, max_length=4)),
        ("either", Facets(builtin="int")),
        ("within", Facets(builtin="string", max_length=7)),
        ("rate", Facets(builtin="decimal", least=2, most=9, edge="9.9")),
        ("count", Facets(builtin="int", least=-3, most=7, edge="-3")),
        ("day", Facets(builtin="date", edge="2026-01-01")),
        ("plate", Facets(builtin="string", pattern="([A-Z])|([0-9])")),
        ("elsewhere", Facets(builtin="string", min_length=3, max_length=3)),
        ("grouped", Facets(builtin="string", codes=("g",))),
        # Inherited from a type that the element's own type extends.
        ("grown.code", Facets(builtin="string", codes=("b",))),
        ("nowhere.at.all", NONE),
    ],
)
def test_what_an_element_allows_is_told_by_where_it_lies(port: Port, place: str, allowed: Facets) -> None:
    assert port.facets("Ask", place, reply=True) == allowed


def test_a_text_is_held_against_listed_values_and_length() -> None:
    assert Facets(codes=("0", "1")).allows("1")
    assert not Facets(codes=("0", "1")).allows("2")
    assert not Facets(max_length=2).allows("abc")
    assert NONE.allows("anything")
