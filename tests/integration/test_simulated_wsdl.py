"""A department made of its WSDL alone keeps to what the WSDL's schemas allow."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from lxml import etree

from contracts.catalogue import ResultKind
from tests.integration.test_simulate_contract_files import FILES, department


async def test_every_answer_of_a_wsdl_is_one_that_its_own_schema_allows(tmp_path: Path) -> None:
    """Listed values, lengths, patterns, bounds and choices; also of a refusal, and of an enquiry about what never came."""
    plan = {ResultKind.REFUSED: 0.5}
    spaces = {"e": "http://schemas.xmlsoap.org/soap/envelope/"}
    root = etree.parse(FILES / "trees.wsdl").getroot()
    schema = etree.XMLSchema(root.find("{*}types/{*}schema"))
    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><t:{0} xmlns:t="urn:sample:trees">'
        "<t:ywlsh>{1}</t:ywlsh>{2}</t:{0}></e:Body></e:Envelope>"
    )
    codes: set[str] = set()
    async with department(tmp_path, "trees.wsdl", shares=plan) as city, aiohttp.ClientSession() as http:
        url = city.open["TR-trees"]["api"]["url"] + "/trees"

        async def said(operation: str, delivery_id: str, more: str) -> Any:
            body = envelope.format(operation, delivery_id, more)
            async with http.post(url, data=body, headers={"SOAPAction": '""'}) as answer:
                (content,) = etree.fromstring(await answer.read()).find("e:Body", spaces)
                return content

        for _ in range(20):
            delivery_id = uuid4().hex
            for told in (await said("Fell", delivery_id, "<t:kind>oak</t:kind>"), await said("Ask", delivery_id, "")):
                schema.assertValid(told)
                assert told.findtext("{*}ywlsh") == delivery_id
            codes.add(told.findtext("{*}jgdm"))
        nothing = await said("Ask", uuid4().hex, "")
    assert codes == {"00", "10"}
    assert (nothing.tag, nothing.findtext("faultstring")) == (
        "{http://schemas.xmlsoap.org/soap/envelope/}Fault",
        "the WSDL lists no code for this",
    )
