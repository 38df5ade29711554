"""Data minimisation: of a case full of canaries, each system is sent the fields of its operation and nothing else.

Every field of every form, every reply of an earlier step and every column of a table holds a token of its own. What a
channel would send is searched for tokens: messages, records and whole files of every channel, and the printed sheet.
"""

import io
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pypdfium2
import pytest
import pyzipper
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.catalogue import FormField, Item, Operation, Step, StepKind
from contracts.delivery import AwaitingReply, Batch, Delivery
from contracts.plugin import BatchGateway, Channel, Gateway, Preparing, Printing
from contracts.records import Fields
from contracts.site import Site, load_site
from contracts.situation import Situation
from contracts.task_sheet import NumberedSheet
from hub.city import minimised, source
from hub.runtime import RealRuntime
from hub.systems import register

SITE = Path(str(files("plugins")))
CITY: Site = load_site(SITE)
REGISTERED = register(SITE)
STEPS = [(item, step) for item in REGISTERED.items for step in item.steps if step.kind is StepKind.DEPARTMENT]
HOST_KEY = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
PLACES: dict[Situation, Fields] = {
    Situation.API: {"url": "http://127.0.0.1:1"},
    Situation.FILE_DROP: {"host": "127.0.0.1", "port": 1, "username": "x", "host_key": HOST_KEY},
    Situation.PAPER: {},
}
TOKEN = re.compile(rb"Q[0-9]{4}|19[0-9]{2}-?[0-9]{2}-?[0-9]{2}|7[0-9]{3}\.?[0-9]{2}")

IDS = re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,64}")


class NoNetwork(RealRuntime):
    """Nothing leaves in this test: a gateway that tried would fail on the missing methods."""

    def secret(self, name: str) -> str:
        return "made-up"

    def http(self) -> Any:
        return object()

    def files(self) -> Any:
        return object()


class Canaries:
    """A value of the right type and of its own for whatever is asked."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def value(self, kind: str, columns: Iterator[Any]) -> Any:
        """Tokens that no other field has: text, dates and amounts; a flag or a small number cannot tell where it comes from."""
        number = next(self._numbers)
        day = datetime(1900, 1, 1, tzinfo=UTC) + timedelta(days=number)
        table = {
            "date": f"{day:%Y-%m-%d}",
            "month": f"{day:%Y-%m}",
            "money": f"{7000 + number // 100}.{number % 100:02d}",
            "decimal": "1",
            "int": 1,
            "bool": True,
            "codes": [f"Q{number:04d}"],
        }
        if kind == "table":
            return [
                {
                    one.name: self.value(one.type, iter(one.columns if hasattr(one, "columns") else ()))
                    for one in columns
                }
            ]
        return table.get(kind, f"Q{number:04d}")


def full_case(item: Item) -> dict[str, Any]:
    """The roots of the item's sources, every field filled with a canary."""
    canaries = Canaries()
    roots: dict[str, Any] = {"applicant": {}, "agent": {}, "form": {}}
    for name in item.field_groups:
        group = CITY.field_groups[name]
        for field in group.fields:
            roots[group.scope][field.name] = _filled(canaries, field)
    for field in item.form_fields:
        roots["form"][field.name] = _filled(canaries, field)
    roots["steps"] = {
        step.id: {"outcome": "done", "reply": _reply(canaries, operation_of(step))}
        for step in item.steps
        if step.kind is StepKind.DEPARTMENT
    }
    roots["joined"] = [
        {
            "step": step.id,
            "system": step.system,
            "status": "answered",
            "answered_at": None,
            "reply": roots["steps"][step.id]["reply"],
        }
        for step in item.steps
        if step.source_of
    ]
    return {
        **roots,
        **dict.fromkeys(("case_no", "received_at", "accepted_at"), "Q0000"),
        "applicant_type": item.applicant_type,
    }


def _filled(canaries: Canaries, field: FormField) -> Any:
    return canaries.value(field.type, iter(field.columns))


def _reply(canaries: Canaries, operation: Operation) -> dict[str, Any]:
    return {field.name: canaries.value(field.type, iter(field.columns)) for field in operation.reply}


def operation_of(step: Step) -> Operation:
    """What a step calls."""
    return REGISTERED.systems[str(step.system)].operations[str(step.operation)]


def tokens(content: bytes) -> set[bytes]:
    """Canaries in bytes; dates and amounts compared without their punctuation. Ids and digests may look like anything."""
    plain = IDS.sub(b"", content)
    return {found.replace(b"-", b"").replace(b".", b"") for found in TOKEN.findall(plain)}


def deliveries(item: Item, step: Step) -> list[Delivery]:
    """What the hub would hand to the gateway for this step, one a row where the operation repeats."""
    operation, context = operation_of(step), full_case(item)
    rows = [None] if operation.repeat is None else source(operation.repeat)(context)
    return [
        Delivery(
            id=uuid4(),
            system=str(step.system),
            operation=operation.key,
            round=1,
            case_no="310104901202603020000013",
            item=item.code,
            item_version=item.version,
            step=step.id,
            subject=None if row is None else "1",
            centre="310104901",
            attempt=1,
            send_before=datetime.now(UTC) + timedelta(days=1),
            fields=minimised(operation, context if row is None else {**context, "row": row}),
        )
        for row in rows
    ]


@asynccontextmanager
async def opened(channel: Channel, folder: Path) -> AsyncIterator[Gateway]:
    """The channel, open without a network."""
    runtime = NoNetwork(folder)
    async with channel.open(PLACES[channel.situation], runtime) as gateway:
        yield gateway
    runtime.close()


@pytest.mark.parametrize(("item", "step"), STEPS, ids=[f"{item.code}-{step.id}" for item, step in STEPS])
async def test_a_system_is_sent_the_fields_of_its_operation_and_no_other(
    item: Item, step: Step, tmp_path: Path
) -> None:
    allowed = {field.name for field in operation_of(step).request}
    sent = 0
    for channel in REGISTERED.systems[str(step.system)].channels:
        async with opened(channel, tmp_path) as gateway:
            assert isinstance(gateway, Preparing)
            for delivery in deliveries(item, step):
                assert set(delivery.fields) <= allowed
                wanted = tokens(orjson.dumps(delivery.fields))
                assert wanted
                message = gateway.prepare(delivery)
                assert tokens(message) == wanted, channel.situation
                if isinstance(gateway, BatchGateway):
                    assert tokens(_whole_file(gateway, delivery, message)) == wanted
                if isinstance(gateway, Printing):
                    assert tokens(await _printed(gateway, delivery)) <= wanted
                sent += 1
    assert sent


def _whole_file(gateway: BatchGateway, delivery: Delivery, payload: bytes) -> bytes:
    """The file of one record, unpacked where it travels packed."""
    batch = Batch(
        id=uuid4(),
        system=delivery.system,
        sequence=1,
        sealed_at=datetime(2026, 3, 2, tzinfo=UTC),
        deliveries=(replace(delivery, payload=payload),),
    )
    content = gateway.seal(batch)
    if not content.startswith(b"PK"):
        return content
    with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
        archive.setpassword(b"made-up")
        return b"".join(archive.read(name) for name in archive.namelist())


async def _printed(gateway: Printing, delivery: Delivery) -> bytes:
    """The text of the printed sheet."""
    outcome = await gateway.deliver(delivery)  # type: ignore[attr-defined] # a Printing gateway is a Gateway too
    assert isinstance(outcome, AwaitingReply)
    assert outcome.task_sheet is not None
    pdf = await gateway.print_sheets(
        [
            NumberedSheet(
                sheet=outcome.task_sheet,
                number="ABCDEFGH0001",
                version=1,
                code="ODS1:ABCDEFGH0001:01:00000000000000000000000000",
                content_hash="0" * 64,
                print_no=1,
                printed_at=datetime(2026, 3, 2, tzinfo=UTC),
                case_no=delivery.case_no,
                item_name="样例",
                centre_name="样例中心",
                department_name="样例部门",
                received_at=datetime(2026, 3, 2, tzinfo=UTC),
                due_at=None,
                lamp="none",
                clerk="staff-1",
            )
        ]
    )
    document = pypdfium2.PdfDocument(pdf)
    return "".join(page.get_textpage().get_text_bounded() for page in document).encode()
