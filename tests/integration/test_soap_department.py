"""The simulated SOAP department is a strict witness: it refuses what a careful department would refuse."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from lxml import etree

from adapters.soap_envelope import security_header, with_security
from adapters.soap_table import SoapAuth
from simulators.ledger import Ledger
from simulators.soap import SoapDepartment, soap_department
from tests.soap_world import (
    CUT,
    IN_STRING,
    NAMESPACE,
    SECRETS,
    TOKEN,
    cut_operation,
    delivery,
    envelope,
    gateway,
    operation,
    system,
    table_of,
    vendored,
)

ACTION = {"SOAPAction": '""', "Content-Type": "text/xml"}
GOOD = f'<Now xmlns="{NAMESPACE}"><LSH>00000000-0000-4000-8000-00000000000a</LSH><XM>样例</XM></Now>'


@asynccontextmanager
async def department(folder: Path, **table: Any) -> AsyncIterator[SoapDepartment]:
    """A department with a ledger."""
    of = system(table.pop("operations", None), **table)
    vendored(of, folder)
    with Ledger(folder / "ledger") as ledger:
        async with soap_department(of, folder=folder, secret=SECRETS.__getitem__, shares={}, ledger=ledger) as running:
            yield running


async def post(url: str, body: str | bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of the answer."""
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers or ACTION) as answer:
        return answer.status, await answer.text()


def ledger_of(folder: Path) -> list[tuple[str, str]]:
    """Kinds and notes."""
    entries = [json.loads(line) for line in (folder / "ledger").read_text().splitlines()]
    return [(entry["kind"], entry["note"]) for entry in entries]


REQUESTS: dict[str, tuple[str, str]] = {
    "no XML": ("hello", "Client"),
    "another version": (envelope(GOOD, "1.2"), "VersionMismatch"),
    "no request": (envelope(""), "Client"),
    "an unknown operation": (envelope(f'<What xmlns="{NAMESPACE}"/>'), "Client"),
    "a field nobody asked for": (envelope(GOOD.replace("</Now>", "<ID>1</ID></Now>")), "Client"),
    "no reference": (envelope(f'<Now xmlns="{NAMESPACE}"><LSH/><XM>样例</XM></Now>'), "Client"),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_that_cannot_be_served_gets_a_fault_and_has_no_effect(name: str, tmp_path: Path) -> None:
    body, code = REQUESTS[name]
    async with department(tmp_path) as running:
        status, text = await post(running.url + "/Service", body.encode())
    assert status == 500
    assert "<faultcode" in text
    assert f"env:{code}<" in text
    assert ledger_of(tmp_path) == []


async def test_it_wants_a_soap_action_and_every_field_and_shows_its_wsdl(tmp_path: Path) -> None:
    async with department(tmp_path) as running:
        status, _ = await post(running.url + "/Service", envelope(GOOD).encode(), {"Content-Type": "text/xml"})
        assert status == 500
        assert (await post(running.url + "/other", ""))[0] == 404
        async with aiohttp.ClientSession() as http, http.get(running.url + "/Service?wsdl") as answer:
            shown = etree.fromstring(await answer.read())
        written = etree.fromstring((tmp_path / "wsdl/XX-test.wsdl").read_bytes())
        for address in written.iter("{*}address"):
            # Whoever reads it here must not be sent to the department itself.
            address.set("location", running.url + "/Service")
        assert etree.tostring(shown, method="c14n") == etree.tostring(written, method="c14n")
        status, text = await post(running.url + "/Service", envelope(GOOD).encode())
        assert (status, "JGDM>1<" in text) == (200, True)
        status, text = await post(running.url + "/Service", envelope(GOOD.replace("<XM>样例</XM>", "")).encode())
        assert (status, "JGDM>-9<" in text) == (200, True)
    assert ledger_of(tmp_path)[-1] == ("arrival", "missing XM")


@pytest.mark.parametrize(
    ("argument", "note"),
    [
        ("<ROOT><LSH>1</LSH></ROOT>", "missing XM"),
        ("<ROOT><LSH>1</LSH><XM>1</XM><ID>1</ID></ROOT>", "not asked for: ID"),
    ],
)
async def test_a_document_in_a_string_is_looked_into(argument: str, note: str, tmp_path: Path) -> None:
    body = f'<Now xmlns="{NAMESPACE}"><inXml><![CDATA[{argument}]]></inXml></Now>'
    async with department(tmp_path, **IN_STRING) as running:
        status, text = await post(running.url + "/Service", envelope(body).encode())
    assert status == 200
    assert "&lt;JGDM&gt;-9&lt;/JGDM&gt;" in text
    assert ledger_of(tmp_path) == [("arrival", note)]


async def test_a_string_of_another_length_is_refused(tmp_path: Path) -> None:
    table = {**CUT, "style": "rpc/literal", "operations": [cut_operation()]}
    async with department(tmp_path, **table) as running:
        body = f'<t:Now xmlns:t="{NAMESPACE}"><arg0>short</arg0></t:Now>'
        status, text = await post(running.url + "/Service", envelope(body).encode())
    assert (status, "another length" in text) == (500, True)


@pytest.mark.parametrize(
    ("version", "code"), [("1.1", "wsse:FailedAuthentication<"), ("1.2", "wsse:FailedAuthentication<")]
)
async def test_a_token_is_taken_once(version: str, code: str, tmp_path: Path) -> None:
    of = system(auth=TOKEN, soap_version=version)
    async with department(tmp_path, auth=TOKEN, soap_version=version) as running:
        async with gateway(of, tmp_path, running.url) as opened:
            plain = opened.prepare(delivery())
        auth = table_of(of).auth

        async def attempt(token: str) -> str:
            return (await post(running.url + "/Service", with_security(plain, token)))[1]

        fresh = security_header(auth, "hub", SECRETS["password"], nonce=b"n" * 16, at=datetime.now(UTC))
        assert "JGDM>1<" in await attempt(fresh)
        assert code in await attempt(fresh)
        old = datetime.now(UTC) - timedelta(minutes=6)
        assert "MessageExpired" in await attempt(
            security_header(auth, "hub", SECRETS["password"], nonce=b"m" * 16, at=old)
        )
        text = SoapAuth(kind=auth.kind, secrets=auth.secrets, password="text")
        assert "UnsupportedSecurityToken" in await attempt(
            security_header(text, "hub", SECRETS["password"], nonce=b"o" * 16, at=datetime.now(UTC))
        )
        assert "InvalidSecurity" in (await post(running.url + "/Service", plain))[1]


async def test_an_operation_of_the_wsdl_that_is_not_declared_is_not_offered(tmp_path: Path) -> None:
    wide, narrow = system(later=True), system()
    vendored(wide, tmp_path)
    async with soap_department(narrow, folder=tmp_path, secret=SECRETS.__getitem__) as running:
        body = f'<QueryResultList xmlns="{NAMESPACE}"><TS>1</TS></QueryResultList>'
        assert "not offered" in (await post(running.url + "/Service", envelope(body).encode()))[1]


async def test_a_system_without_a_soap_channel_is_no_soap_department(tmp_path: Path) -> None:
    of = system()
    bare = replace(of, channels=(replace(of.channels[0], soap=None, rest={}),))
    with pytest.raises(ValueError, match="has no SOAP channel"):
        async with soap_department(bare, folder=tmp_path, secret=SECRETS.__getitem__):
            pass


async def test_a_wsdl_may_give_one_name_two_types(tmp_path: Path) -> None:
    first = {"columns": [{"name": "a"}], "type": "table", "name": "CYLB", "source": "form.x"}
    second = {**first, "columns": [{"name": "b", "type": "int"}]}
    of = system([operation(request=[first]), operation("other", request=[second])])
    vendored(of, tmp_path)
    department_of = soap_department(of, folder=tmp_path, secret=SECRETS.__getitem__, shares={})
    async with department_of as running, gateway(of, tmp_path, running.url) as opened:
        await opened.deliver(delivery(fields={"CYLB": [{"a": "样例"}]}))
        await opened.deliver(delivery("other", fields={"CYLB": [{"b": 3}]}))
    assert running.calls == 2
