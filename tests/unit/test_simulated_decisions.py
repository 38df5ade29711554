"""What simulated departments decide, and how they keep their door."""

import base64
import random

import aiohttp
import pytest
from pydantic import JsonValue

from adapters.field_map import field_map
from adapters.rest_table import RestTable
from contracts.catalogue import Code, CodeList, Column, Operation, ReplyField, ResultKind
from contracts.records import adapter
from contracts.situation import Situation
from simulators.callbacks import Caller
from simulators.doorkeeper import Doorkeeper
from simulators.plausible import decide, plausible
from tests.rest_world import SECRETS, operation

GENDER = CodeList(name_zh="性别", name_en="sex", codes=(Code(code="1", name_zh="男", name_en="male"),) * 3)
KINDS = ("string", "code", "codes", "bool", "int", "decimal", "money", "date", "month", "object", "table")


def an_operation(kinds: tuple[str, ...], codes: dict[str, str]) -> Operation:
    columns = [{"name": "a", "type": "money"}, {"name": "b", "type": "code", "code_list": "sex"}]
    return adapter(Operation).validate_python(
        {
            **operation("check", "at_once"),
            "reply": [
                {"name": kind, "type": kind, **({"columns": columns} if kind == "table" else {})} for kind in kinds
            ],
            "result_codes": {
                "api": {code: {"outcome": kind, "name_zh": code, "name_en": code} for code, kind in codes.items()}
            },
        }
    )


def test_every_type_gets_a_value_that_the_field_map_can_read() -> None:
    found = an_operation(KINDS, {"OK": "completed.done"})
    for number in range(50):
        verdict = decide(found, Situation.API, str(number), 7, code_lists={"sex": GENDER})
        assert set(field_map(found).from_wire(verdict.fields)) == set(KINDS)
        rows = verdict.fields["table"]
        assert isinstance(rows, list)
        assert isinstance(rows[0], dict)
        assert rows[0]["b"] == "1"


def test_a_decision_depends_on_seed_and_delivery_only() -> None:
    found = an_operation(KINDS, {"A": "completed.granted", "B": "completed.refused", "C": "returned", "D": "temporary"})
    decisions = [decide(found, Situation.API, str(number), 1) for number in range(300)]
    assert decisions == [decide(found, Situation.API, str(number), 1) for number in range(300)]
    assert {decision.code for decision in decisions} == {"A", "B", "C"}
    assert all(not decision.fields for decision in decisions if decision.kind is ResultKind.RETURNED)
    assert sum(decision.code == "A" for decision in decisions) > 250


def test_text_fits_a_record_of_fixed_width() -> None:
    value: JsonValue = plausible(ReplyField(name="x", type="string", width_bytes=8), random.Random(1), {})
    assert isinstance(value, str)
    assert len(value.encode("gb18030")) <= 8
    assert plausible(Column(name="x", type="code"), random.Random(1), {}) == "1"


@pytest.mark.parametrize(
    ("login", "form"),
    [
        ("Basic !", b"grant_type=client_credentials"),
        ("Basic " + base64.b64encode(b"hub:wrong").decode(), b"grant_type=client_credentials"),
        ("Basic " + base64.b64encode(b"hub:s%3Aecret%2F%C3%BC").decode(), b"grant_type=password"),
        ("", b""),
    ],
)
def test_a_token_is_only_for_the_client_and_the_grant_that_were_agreed(login: str, form: bytes) -> None:
    table = RestTable.model_validate({"auth": {"kind": "oauth2", "secrets": ["id", "secret"]}})
    door = Doorkeeper(table, SECRETS.__getitem__)
    assert door.token({"authorization": login}, form) is None
    good = "Basic " + base64.b64encode(b"hub:s%3Aecret%2F%C3%BC").decode()
    assert door.token({"authorization": good}, b"grant_type=client_credentials") is not None


async def test_a_department_that_does_not_know_the_hub_yet_calls_nobody() -> None:
    table = RestTable.model_validate({"auth": {"kind": "hmac", "secrets": ["key"]}, "later_replies": "callback"})
    caller = Caller("XX", table, "key", None, tries=2, first_pause_seconds=0.001)
    async with aiohttp.ClientSession() as session:
        assert await caller.call(session, b"{}") == 0
    assert caller.given_up == 1
