"""Every operation of every SOAP system of the sample city, over its vendored WSDL, from the first byte to the last answer."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic import JsonValue

import plugins
from adapters import soap
from adapters.soap_table import SoapTable
from contracts.catalogue import Answers, Column, Operation, RequestField
from contracts.delivery import AwaitingReply, Completed
from contracts.site import Site, SystemFile, load_site
from contracts.situation import Situation
from simulators.plausible import plausible
from simulators.soap import soap_department
from simulators.wsdl_text import wsdl_text
from tests.rest_world import World
from tests.soap_world import delivery

SITE_FOLDER = Path(plugins.__path__[0])


def city() -> Site:
    """The sample city."""
    return load_site(SITE_FOLDER)


def spoken(site: Site) -> dict[str, tuple[SystemFile, Path]]:
    """Its SOAP systems with the folders of their departments."""
    return {
        system.key: (system, (SITE_FOLDER / site.files[department.code]).parent)
        for department in site.departments
        for system in department.systems
        if any(channel.soap is not None for channel in system.channels)
    }


SITE = city()
SYSTEMS = spoken(SITE)


def filled(fields: Sequence[RequestField], dice: random.Random) -> dict[str, JsonValue]:
    """A value for each field, short enough for it."""
    return {field.name: value(field, dice) for field in fields}


def value(field: RequestField, dice: random.Random) -> JsonValue:
    """As a form would have it; identity numbers are plain digits, which every layout has room for."""
    if field.type in {"string", "text"}:
        return "样例㛃"[: field.max_length or 3] if field.name == "XM" else "9" * min(field.max_length or 8, 18)
    column = Column(name=field.name, type=field.type, code_list=field.code_list)
    if field.type == "table":
        return [{one.name: plausible(one, dice, SITE.code_lists) for one in field.columns} for _ in range(2)]
    return plausible(column, dice, SITE.code_lists)


def secret(name: str) -> str:
    """Twenty characters at most, as the narrowest interface has room for."""
    return f"k-{name}"[:20]


class CityWorld(World):
    """Knows every secret."""

    def secret(self, name: str) -> str:
        return secret(name)


@pytest.mark.parametrize("key", SYSTEMS)
async def test_every_operation_is_carried_and_answered(key: str) -> None:
    system, folder = SYSTEMS[key]
    channel = next(one for one in system.channels if one.soap is not None)
    made = soap.make(system, channel, folder=folder)
    department = soap_department(system, folder=folder, secret=secret, shares={}, code_lists=SITE.code_lists)
    async with department as running, made.open({"url": running.url}, CityWorld()) as opened:
        assert isinstance(opened, soap.SoapGateway)
        await opened.check()
        operations = [one for one in system.operations if Situation.API in one.wire]
        for operation in operations:
            sent = delivery(operation.key, system=key, fields=filled(operation.request, random.Random(1)))
            sees_only_its_fields(opened.prepare(sent), operation, channel.soap)
            outcome = await opened.deliver(sent)
            if operation.answers is Answers.LATER:
                assert isinstance(outcome, AwaitingReply)
                outcome = (await opened.enquire(sent)) if hasattr(opened, "enquire") else outcome  # type: ignore[assignment]
            assert isinstance(outcome, Completed)
            assert set(outcome.fields) == {field.name for field in operation.reply}
        later = [one for one in operations if one.answers is Answers.LATER]
        if hasattr(opened, "collect"):
            replies = [reply async for page in opened.collect() for reply in page]
            assert len(replies) >= len(later)
        assert running.calls == len(operations)


def sees_only_its_fields(message: bytes, operation: Operation, table: Any) -> None:
    """The elements of the Body are the operation's fields, its reference, and what holds them."""
    if SoapTable.model_validate(dict(table)).argument is not None:
        return
    names = {etree.QName(node).localname for node in etree.fromstring(message).find("{*}Body").iter()}
    fields = {field.name for field in operation.request} | {
        one.name for field in operation.request for one in field.columns
    }
    structure = {"Body", "request", "ROW", "CODE", "LSH", str(operation.wire[Situation.API]["operation"])}
    assert names <= fields | structure


@pytest.mark.parametrize("key", SYSTEMS)
def test_the_vendored_wsdl_is_the_one_that_its_department_would_hand_out(key: str) -> None:
    system, folder = SYSTEMS[key]
    table = SoapTable.model_validate(dict(next(one.soap for one in system.channels if one.soap is not None)))
    assert (folder / table.wsdl).read_text(encoding="utf-8") == wsdl_text(system, table)
