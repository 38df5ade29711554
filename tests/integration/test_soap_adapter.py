"""Every style, version and habit of a SOAP interface, against a department that reads the same WSDL."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import ResultKind
from contracts.delivery import AwaitingReply, Completed, Decision, Lookup, NotFound, Returned
from contracts.errors import CredentialsError, OutcomeUnknownError, PermanentError, TemporaryError
from simulators.faults import Fault, FaultDial
from simulators.ledger import Ledger
from tests.soap_world import (
    CUT,
    FIELDS,
    SECRETS,
    STYLES,
    TOKEN,
    cut_operation,
    delivery,
    gateway,
    operation,
    pair,
    system,
    vendored,
)


@pytest.mark.parametrize("style", STYLES)
async def test_a_message_in_every_style_is_understood_and_answered(style: str, tmp_path: Path) -> None:
    of = system(**STYLES[style])
    with Ledger(tmp_path / "ledger") as ledger:
        async with pair(of, tmp_path, ledger=ledger) as (opened, department):
            sent = delivery()
            outcome = await opened.deliver(sent)

    assert isinstance(outcome, Completed)
    assert outcome.decision is Decision.GRANTED
    assert set(outcome.fields) == {"decision_no", "amount", "valid_to", "found", "months", "kinds", "records"}
    assert isinstance(outcome.fields["found"], bool)
    assert isinstance(outcome.fields["months"], int)
    assert isinstance(outcome.fields["kinds"], list)
    assert str(outcome.fields["valid_to"]).count("-") == 2
    records = outcome.fields["records"]
    assert isinstance(records, list)
    assert set(dict(records[0])) == {"month", "base"}  # type: ignore[arg-type]
    assert department.calls == 1
    entries = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [(entry["kind"], entry["delivery_id"]) for entry in entries] == [
        (kind, str(sent.id)) for kind in ("arrival", "effect", "reply")
    ]


@pytest.mark.parametrize("style", [style for style in STYLES])
async def test_accepted_now_and_known_later_by_enquiry_and_by_the_list(style: str, tmp_path: Path) -> None:
    of = system(later=True, **STYLES[style])
    async with pair(of, tmp_path, reply_delay_seconds=0.2) as (opened, _):
        first, second, third = (delivery("later") for _ in range(3))
        assert isinstance(await opened.deliver(first), AwaitingReply)
        assert await opened.enquire(second) == NotFound(what=Lookup.NOT_RECEIVED)
        assert isinstance(await opened.enquire(first), AwaitingReply)
        await opened.deliver(second)
        await opened.deliver(third)
        assert [page async for page in opened.collect()] == []
        import asyncio

        await asyncio.sleep(0.25)
        outcome = await opened.enquire(first)
        assert isinstance(outcome, Completed)
        pages = [page async for page in opened.collect()]
        assert [len(page) for page in pages] == [2, 1]
        replies = {reply.delivery_id: reply.outcome for page in pages for reply in page}
        assert set(replies) == {first.id, second.id, third.id}
        assert replies[first.id] == outcome
        await opened.check()


async def test_a_string_cut_by_bytes_is_answered_on_its_own_connection(tmp_path: Path) -> None:
    of = system([cut_operation()], style="rpc/literal", **CUT)
    async with pair(of, tmp_path) as (opened, department):
        outcome = await opened.deliver(delivery(fields={"XM": "样例一"}))
        assert isinstance(outcome, Completed)
        await opened.check()
        assert not hasattr(opened, "enquire")
        assert department.calls == 1
        for name, code in (("样" * 11, "field_too_long"), ("㛃", "not_encodable"), ("样\x01", "not_encodable")):
            with pytest.raises(PermanentError) as raised:
                await opened.deliver(delivery(fields={"XM": name}))
            assert raised.value.code == code
        assert department.calls == 1
