"""A department written from nothing but the manual and a contract file that the repository has never seen passes the conformance kit.

The manual's words are followed: the three commands of the first page, then every marked line is looked at and its mark taken away.
"""

import json
from pathlib import Path

import pytest

from hub import cli

WSDL = """<?xml version="1.0" encoding="UTF-8"?>
<w:definitions name="DogLicence" targetNamespace="urn:nowhere:dogs" xmlns:w="http://schemas.xmlsoap.org/wsdl/"
    xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:nowhere:dogs">
  <w:types>
    <x:schema targetNamespace="urn:nowhere:dogs" elementFormDefault="qualified">
      <x:simpleType name="Verdict"><x:restriction base="x:string">
        <x:enumeration value="approved"/><x:enumeration value="denied"/><x:enumeration value="incomplete"/>
        <x:enumeration value="busy"/><x:enumeration value="E77"/>
      </x:restriction></x:simpleType>
      <x:simpleType name="Size"><x:restriction base="x:string">
        <x:enumeration value="small"/><x:enumeration value="large"/>
      </x:restriction></x:simpleType>
      <x:element name="RegisterDog"><x:complexType><x:sequence>
        <x:element name="requestId" type="x:string"/>
        <x:element name="applicantName" type="x:string"/>
        <x:element name="idNo" type="x:string"/>
        <x:element name="dogName" type="x:string"/>
        <x:element name="dogSize" type="t:Size"/>
        <x:element name="bornOn" type="x:date" minOccurs="0"/>
        <x:element name="vaccinations" type="x:int"/>
      </x:sequence></x:complexType></x:element>
      <x:element name="RegisterDogResponse"><x:complexType><x:sequence>
        <x:element name="requestId" type="x:string"/>
        <x:element name="resultCode" type="t:Verdict"/>
        <x:element name="tagNo" type="x:string" minOccurs="0"/>
      </x:sequence></x:complexType></x:element>
      <x:element name="AskDog"><x:complexType><x:sequence>
        <x:element name="requestId" type="x:string"/>
      </x:sequence></x:complexType></x:element>
      <x:element name="AskDogResponse"><x:complexType><x:sequence>
        <x:element name="requestId" type="x:string"/>
        <x:element name="resultCode" type="x:string"/>
        <x:element name="tagNo" type="x:string" minOccurs="0"/>
      </x:sequence></x:complexType></x:element>
    </x:schema>
  </w:types>
  <w:message name="RegisterIn"><w:part name="p" element="t:RegisterDog"/></w:message>
  <w:message name="RegisterOut"><w:part name="p" element="t:RegisterDogResponse"/></w:message>
  <w:message name="AskIn"><w:part name="p" element="t:AskDog"/></w:message>
  <w:message name="AskOut"><w:part name="p" element="t:AskDogResponse"/></w:message>
  <w:portType name="Dogs">
    <w:operation name="RegisterDog"><w:input message="t:RegisterIn"/><w:output message="t:RegisterOut"/></w:operation>
    <w:operation name="AskDog"><w:input message="t:AskIn"/><w:output message="t:AskOut"/></w:operation>
  </w:portType>
  <w:binding name="DogsSoap" type="t:Dogs">
    <s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <w:operation name="RegisterDog"><s:operation soapAction="urn:nowhere:dogs/Register"/>
      <w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation>
    <w:operation name="AskDog"><s:operation soapAction="urn:nowhere:dogs/Ask"/>
      <w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation>
  </w:binding>
  <w:service name="Dogs"><w:port name="Dogs" binding="t:DogsSoap"><s:address location="http://dogs.invalid/licences"/></w:port></w:service>
</w:definitions>
"""
LAYOUT = """record,part,name,type,required,label,codes
QB1,request,xm,string,yes,姓名,
QB1,request,sfzh,string,yes,证件号码,
QB1,request,plot,string,yes,地块编号,
QB1,request,crop,code,yes,作物,rice|wheat
QB1,request,area,decimal,no,面积(亩),
QB1,reply,jgdm,string,yes,结果,00|10|99|77
QB1,reply,amount,money,no,补贴金额,
QB2,request,xm,string,yes,姓名,
QB2,request,plot,string,yes,地块编号,
QB2,reply,jgdm,string,yes,结果,00|10|99|77
"""
FILES = Path(__file__).parents[1] / "contract_files"
CONTRACTS = {
    "dogs.wsdl": (WSDL, "soap", {"busy", "E77"}),
    "plots.csv": (LAYOUT, "file_drop", {"99", "77"}),
    # The fields lie in parts of the message, the result too, and no code says that it is the department's no.
    "ashes.wsdl": ((FILES / "ashes.wsdl").read_text("utf-8"), "soap", {"1001", "9999"}),
    # Fixed width: codes of four bytes, the delivery id in a column of 32 under the department's own name.
    "quakes.csv": ((FILES / "quakes.csv").read_text("utf-8"), "file_drop", {"0002", "9999"}),
}


def onedoor(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """A command in this process; what it printed."""
    code: object = 0
    try:
        cli.command_line(list(arguments))
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert not code, said.out + said.err
    return said.out


def looked_at(line: str) -> str:
    """What a person makes of a marked line: here every guess is right but for a code that nobody could guess."""
    kept, mark, _ = line.partition(" # DECIDE")
    return kept.replace('outcome = "permanent"', 'outcome = "returned"') if mark and '"permanent"' in kept else kept


@pytest.mark.parametrize("file", CONTRACTS)
def test_a_department_from_an_unseen_contract_file_is_certified(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, protocol, codes = CONTRACTS[file]
    monkeypatch.chdir(tmp_path)
    Path(file).write_text(text, "utf-8")
    onedoor(capsys, "new-plugin", "unseen", "--from", file, "--site", "city")
    onedoor(capsys, "check", "city")
    for one in sorted(Path("city/unseen").rglob("*.toml")):
        lines = one.read_text("utf-8").splitlines()
        one.write_text("\n".join(looked_at(line) for line in lines) + "\n", "utf-8")
    table = Path("city/unseen/department.toml").read_text("utf-8")
    assert "# DECIDE" not in table
    assert f"[systems.channels.{protocol}]" in table
    assert all(f"{code} = {{ outcome" in table for code in codes)
    onedoor(capsys, "check", "city")
    for case in sorted(Path("city/unseen/samples").glob("*.json")):
        onedoor(capsys, "plugins", "try", "unseen", "--case", str(case), "--site", "city")
    (certified,) = json.loads(onedoor(capsys, "certify", "unseen", "--site", "city", "--json"))
    found = {check["name"]: check["status"] for check in certified["checks"]}
    assert "passed" in found.values()
    assert {name for name, status in found.items() if status == "failed"} == set()
