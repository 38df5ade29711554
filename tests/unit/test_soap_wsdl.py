"""A vendored WSDL: only the files of its bundle are opened, and all that is wrong with it is said when the site is checked."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from adapters import soap
from adapters.soap_wsdl import Bundle, WsdlError, bundle_of, declared, read_port
from adapters.soap_xml import tree
from contracts.errors import OutcomeUnknownError
from tests.soap_world import IN_STRING, STYLES, operation, system, table_of, vendored

PLAIN = system()
TYPES = '<xsd:schema targetNamespace="urn:sample-city:xx-test" elementFormDefault="qualified">'


def wsdl(folder: Path) -> Path:
    """The file of the sample system."""
    return folder / "wsdl" / "XX-test.wsdl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A department's folder with the plain WSDL, and things outside it that nobody may open."""
    (tmp_path / "secret.xsd").write_text('<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"/>')
    return vendored(PLAIN, tmp_path / "department")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every file opened and every connection made while the test runs, as the interpreter's own audit sees it."""
    seen: list[str] = []
    watching = [True]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if watching and event in {"open", "socket.connect", "socket.getaddrinfo"}:
            seen.append(f"{event} {args[0] if event != 'socket.connect' else args[1]}")

    sys.addaudithook(hook)
    yield seen
    watching.clear()


def refused(folder: Path, message: str, **table: Any) -> None:
    """The channel cannot be made, and says why."""
    of = system(**table)
    with pytest.raises(WsdlError, match=message):
        soap.make(of, of.channels[0], folder=folder)


def edit(folder: Path, old: str, new: str) -> None:
    """Change the WSDL."""
    text = wsdl(folder).read_text()
    assert old in text
    wsdl(folder).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("style", STYLES)
def test_a_channel_is_made_from_a_wsdl_in_every_style(style: str, tmp_path: Path) -> None:
    of = system(later=True, **STYLES[style])
    vendored(of, tmp_path)
    made = soap.make(of, of.channels[0], folder=tmp_path)
    assert made.resend_is_safe
    assert declared(bundle_of(tmp_path, "wsdl/XX-test.wsdl"), table_of(of)) == frozenset(
        {"Now", "Later", "QueryResult", "QueryResultList"}
    )


def test_while_it_is_read_only_the_bundle_is_opened_and_nothing_is_fetched(folder: Path, opened: list[str]) -> None:
    (folder / "wsdl" / "parts").mkdir()
    (folder / "wsdl" / "parts" / "more.xsd").write_text(
        '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:more"><xsd:element name="x" type="xsd:string"/></xsd:schema>'
    )
    edit(folder, TYPES, f'{TYPES}<xsd:import namespace="urn:more" schemaLocation="parts/more.xsd"/>')
    soap.make(PLAIN, PLAIN.channels[0], folder=folder)
    opened.clear()
    soap.make(PLAIN, PLAIN.channels[0], folder=folder)
    files = {entry for entry in opened if ".pyc" not in entry}
    assert files == {f"open {wsdl(folder)}", f"open {folder / 'wsdl' / 'parts' / 'more.xsd'}"}


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://127.0.0.1:{port}/x.xsd", "ExternalReferenceForbidden|put that file beside it"),
        ("https://127.0.0.1:{port}/x.xsd", "ExternalReferenceForbidden|put that file beside it"),
        ("ftp://127.0.0.1:{port}/x.xsd", "cannot be read"),
        ("file://127.0.0.1/etc/passwd", "put that file beside it"),
        ("file://{outside}", "outside its folder"),
        ("{outside}", "outside its folder"),
        ("../../secret.xsd", "outside its folder"),
        ("link.xsd", "outside its folder"),
        ("missing.xsd", "cannot be read"),
        ("large.xsd", "more than"),
    ],
)
def test_an_import_that_leads_elsewhere_is_refused(
    location: str, message: str, folder: Path, opened: list[str]
) -> None:
    outside = folder.parent / "secret.xsd"
    (folder / "wsdl" / "link.xsd").symlink_to(outside)
    with (folder / "wsdl" / "large.xsd").open("wb") as large:
        large.truncate(30_000_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        where = location.format(port=port, outside=outside)
        edit(folder, TYPES, f'{TYPES}<xsd:import namespace="urn:more" schemaLocation="{where}"/>')
        opened.clear()
        refused(folder, message)
        assert not [entry for entry in opened if "secret" in entry or "passwd" in entry or "socket" in entry]


def test_a_file_url_inside_the_bundle_is_taken(folder: Path) -> None:
    inside = folder / "wsdl" / "more.xsd"
    inside.write_text('<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:more"/>')
    edit(folder, TYPES, f'{TYPES}<xsd:import namespace="urn:more" schemaLocation="{inside.as_uri()}"/>')
    soap.make(PLAIN, PLAIN.channels[0], folder=folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<?xml", "<!DOCTYPE x><?xml", "not readable as XML"),
        ('encoding="UTF-8"?>', 'encoding="UTF-8"?><!DOCTYPE x [<!ENTITY a "b">]>', "document type definition"),
        ("</wsdl:definitions>", "", "not readable as XML"),
        ("<wsdl:definitions", "<wsdl:other", "not readable as XML"),
        ("http://schemas.xmlsoap.org/wsdl/soap/", "urn:nothing", "no SOAP 1.1 binding"),
        (
            'binding name="XX-testSoap" type="tns:XX-test"',
            'binding name="XX-testSoap" type="tns:Nobody"',
            "not a WSDL that can",
        ),
        ('element="tns:Now"', 'element="tns:Nothing"', "no operation Now"),
        ('<wsdl:operation name="Now">\n      <soap', '<wsdl:operation name="Then">\n      <soap', "no operation Now"),
        ('name="XM" type', 'name="XN" type', "Now has no request element XM"),
        ('name="amount"', 'name="amounts"', "Now has no reply element amount"),
        ('name="JGDM"', 'name="CODE"', "Now has no reply element JGDM"),
        ("http://schemas.xmlsoap.org/soap/http", "urn:smtp", "no service with a SOAP 1.1 port"),
    ],
)
def test_a_wsdl_that_does_not_fit_says_where(old: str, new: str, message: str, folder: Path) -> None:
    edit(folder, old, new)
    refused(folder, message)


def test_what_is_no_wsdl_is_refused(folder: Path) -> None:
    wsdl(folder).write_text("<html/>")
    refused(folder, "its root is html")
    wsdl(folder).unlink()
    refused(folder, "cannot be read: No such file")


def test_a_link_out_of_the_folder_is_no_wsdl_of_the_department(folder: Path) -> None:
    (folder.parent / "other.wsdl").write_bytes(wsdl(folder).read_bytes())
    wsdl(folder).unlink()
    wsdl(folder).symlink_to(folder.parent / "other.wsdl")
    refused(folder, "leads out of the department's folder")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"soap_version": "1.2"}, "no SOAP 1.2 binding"),
        ({"style": "rpc/literal"}, "in the style rpc/literal"),
        ({"enquire_operation": "QueryResult"}, "no operation QueryResult"),
        ({"later_replies": "poll", "poll": {"operation": "All"}}, "no operation All"),
        ({"reference": {"in": "element", "name": "LSBH"}}, "no request element LSBH.*no reply element LSBH"),
        (IN_STRING, "no request element inXml.*no reply element outXml"),
    ],
)
def test_a_table_that_does_not_agree_with_its_wsdl_is_refused(
    table: dict[str, Any], message: str, folder: Path
) -> None:
    refused(folder, message, **table)


def test_one_element_may_hold_all_fields_in_any_style(folder: Path) -> None:
    text = wsdl(folder).read_text()
    for name in ("Now", "NowResponse"):
        start = text.index("<xsd:sequence>", text.index(f'element name="{name}"'))
        end = text.index("        </xsd:complexType>", start)
        inner = text[start:end]
        inner = f'<xsd:sequence><xsd:element name="data"><xsd:complexType>{inner}</xsd:complexType></xsd:element></xsd:sequence>'
        text = text[:start] + inner + text[end:]
    wsdl(folder).write_text(text)
    port = read_port(bundle_of(folder, "wsdl/XX-test.wsdl"), table_of(PLAIN))
    body = etree.Element("Body")
    fields: dict[str, Any] = {"LSH": "1", "XM": "样例", "CYLB": [{"XM": "样"}]}
    port.request("Now", fields, body)
    assert tree(body) == {"Now": {"data": {"LSH": "1", "XM": "样例", "CYLB": {"ROW": {"XM": "样"}}}}}
    assert port.read_request("Now", body[0]) == {**fields, "CYLB": {"ROW": {"XM": "样"}}}
    soap.make(PLAIN, PLAIN.channels[0], folder=folder)


def test_a_wsdl_may_keep_its_binding_in_another_file(folder: Path) -> None:
    whole = wsdl(folder)
    whole.rename(folder / "wsdl" / "abstract.wsdl")
    whole.write_text(
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="urn:sample-city:xx-test" targetNamespace="urn:outer">'
        '<wsdl:import namespace="urn:sample-city:xx-test" location="abstract.wsdl"/>'
        '<wsdl:service name="S"><wsdl:port name="P" binding="tns:XX-testSoap">'
        '<s:address xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" location="http://department.invalid/"/>'
        "</wsdl:port></wsdl:service></wsdl:definitions>"
    )
    assert declared(Bundle(path=whole.resolve()), table_of(PLAIN)) is None
    soap.make(PLAIN, PLAIN.channels[0], folder=folder)
    nobody = system([operation("other")])
    with pytest.raises(WsdlError, match="no operation Other"):
        soap.make(nobody, nobody.channels[0], folder=folder)


def test_a_wsdl_without_a_service_of_that_version_is_refused(folder: Path) -> None:
    text = wsdl(folder).read_text()
    wsdl(folder).write_text(text[: text.index("  <wsdl:service")] + "</wsdl:definitions>\n")
    refused(folder, "no service with a SOAP 1.1 port")


def test_the_action_of_addressing_is_that_of_the_wsdl_or_made_from_it(folder: Path) -> None:
    edit(folder, 'soapAction="urn:sample-city:xx-test/Now"', "")
    port = read_port(bundle_of(folder, "wsdl/XX-test.wsdl"), table_of(PLAIN))
    assert port.soap_action("Now") == ""
    assert port.wsa_action("Now") == "urn:sample-city:xx-test/Now"
    edit(
        folder,
        '<wsdl:input message="tns:NowRequest"/>',
        '<wsdl:input message="tns:NowRequest" xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl" wsaw:Action="urn:act"/>',
    )
    port = read_port(bundle_of(folder, "wsdl/XX-test.wsdl"), table_of(PLAIN))
    assert port.wsa_action("Now") == "urn:act"


def test_a_bare_message_has_the_name_of_its_element_and_not_of_its_operation(folder: Path) -> None:
    edit(folder, '<xsd:element name="Now">', '<xsd:element name="NowQuestion">')
    edit(folder, '<xsd:element name="NowResponse">', '<xsd:element name="NowAnswer">')
    edit(folder, 'element="tns:Now"', 'element="tns:NowQuestion"')
    edit(folder, 'element="tns:NowResponse"', 'element="tns:NowAnswer"')
    port = read_port(bundle_of(folder, "wsdl/XX-test.wsdl"), table_of(PLAIN))
    body = etree.Element("{http://schemas.xmlsoap.org/soap/envelope/}Body")
    port.request("Now", {"LSH": "1", "XM": "样例"}, body)
    assert body[0].tag == "{urn:sample-city:xx-test}NowQuestion"
    port.reply("Now", {"LSH": "1", "JGDM": "1"}, body)
    assert port.read_reply("Now", body[1]) == {"LSH": "1", "JGDM": "1"}
    with pytest.raises(OutcomeUnknownError, match="wrong_answer"):
        port.read_reply("Now", body[0])
