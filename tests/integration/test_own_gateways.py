"""Two departments of the sample city have a gateway.py; a site folder elsewhere may not."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from cryptography.hazmat.primitives import hashes, hmac

from contracts.delivery import AwaitingReply, Delivery
from contracts.errors import SiteError
from contracts.plugin import Enquiring, Gateway, Preparing, Printing
from contracts.records import Fields
from contracts.situation import Situation
from hub.runtime import RealRuntime
from hub.systems import register

SITE = Path(str(files("plugins")))


@asynccontextmanager
async def opened(system: str, folder: Path) -> AsyncIterator[Gateway]:
    """The sending channel of a system of the sample city, open."""
    runtime = RealRuntime(folder)
    secret = folder / "sw_tax_token"
    secret.write_text("样例-made-up")
    secret.chmod(0o600)
    channel = next(one for one in register(SITE).systems[system].channels)
    place: Fields = {"url": "http://127.0.0.1:1"} if channel.situation is Situation.API else {}
    async with channel.open(place, runtime) as gateway:
        yield gateway
    runtime.close()


def delivery(system: str, operation: str, fields: Fields) -> Delivery:
    """A made-up one."""
    return Delivery(
        id=uuid4(),
        system=system,
        operation=operation,
        round=1,
        case_no="310104901202603020000013",
        item="X",
        item_version=1,
        step="s2",
        centre="310104901",
        attempt=1,
        send_before=datetime.now(UTC) + timedelta(days=1),
        fields=fields,
    )


async def test_tax_gets_a_seal_over_what_the_table_maps(tmp_path: Path) -> None:
    given = delivery("SW-tax", "tax_paid_check", {"applicant_name": "张㛃", "applicant_id_no": "310101194002299919"})
    async with opened("SW-tax", tmp_path) as gateway:
        assert isinstance(gateway, Preparing)
        assert isinstance(gateway, Enquiring)
        message = gateway.prepare(given)
        assert gateway.prepare(given) == message
    sent = orjson.loads(message)
    seal = hmac.HMAC("样例-made-up".encode(), hashes.SM3())
    seal.update(orjson.dumps({name: sent[name] for name in given.fields}, option=orjson.OPT_SORT_KEYS))
    assert sent == {**given.fields, "seal": seal.finalize().hex()}


@pytest.mark.parametrize(("purpose", "notice"), [("02", "须本人到场核对身份"), ("01", "")])
async def test_credit_prints_a_notice_for_a_loan_only(purpose: str, notice: str, tmp_path: Path) -> None:
    fields: Fields = {
        "applicant_name": "张㛃",
        "applicant_id_no": "310101194002299919",
        "purpose": purpose,
        "consent": True,
    }
    async with opened("JX-credit", tmp_path) as gateway:
        assert isinstance(gateway, Printing)
        outcome = await gateway.deliver(delivery("JX-credit", "credit_report", fields))
        assert isinstance(outcome, AwaitingReply)
        assert outcome.task_sheet is not None
        assert outcome.task_sheet.notice_zh == notice
        again = await gateway.deliver(replace(delivery("JX-credit", "credit_report", fields), id=uuid4()))
    assert again == outcome


def test_a_gateway_that_is_not_installed_is_a_mistake_in_its_table(tmp_path: Path) -> None:
    shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    register(tmp_path / "site")
    table = tmp_path / "site/tax/department.toml"
    table.write_text(table.read_text("utf-8").replace("plugins.tax.gateway", "plugins.nowhere.gateway"), "utf-8")
    with pytest.raises(SiteError, match=r"no installed module plugins.nowhere.gateway has a function gateway"):
        register(tmp_path / "site")
