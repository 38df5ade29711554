"""Every layout, over a real server, with a department that reads and writes it its own way."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

import plugins
from adapters.file_drop import FileDropGateway, make
from contracts.catalogue import Operation, ReplyField, ResultKind
from contracts.delivery import Completed, Decision, Delivery, Outcome
from contracts.errors import CredentialsError, DeliveryError, PermanentError
from contracts.exchange import Collected, FileState
from contracts.site import load_site
from contracts.situation import Situation
from simulators.file_department import file_drop_table
from simulators.file_forms import Form, Request, read_requests
from simulators.ledger import Ledger
from simulators.plausible import plausible
from simulators.sftp import SftpDepartment, sftp_department
from tests.file_layouts import LAYOUTS, delivery_with, system_with, table_of
from tests.file_world import Place, batch_of, names

SECRETS = {"sftp_password": "onedoor", "zip_password": "样例 Passw0rd"}
SHARES = {ResultKind.REFUSED: 0.3, ResultKind.RETURNED: 0.2}


async def collected(
    gateway: FileDropGateway, wanted: set[UUID], seconds: float = 15
) -> Mapping[UUID, Outcome | DeliveryError]:
    """Ask as the hub does until every delivery has been answered."""
    found: dict[UUID, Outcome | DeliveryError] = {}
    end = time.monotonic() + seconds
    while wanted - found.keys() and time.monotonic() < end:
        async for replies in gateway.collect():
            found |= {reply.delivery_id: reply.outcome for reply in replies}
        await asyncio.sleep(0.05)
    return found


async def answered_by_nothing(gateway: FileDropGateway, place: Place, seconds: float = 15) -> bool:
    """Whether a whole file without lines comes; one without a control file has to stand still for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        came = [cast(Collected, one).file async for one in gateway.collect()]
        if any(file is not None and (file.state, file.lines) == (FileState.TAKEN, 0) for file in came):
            return True
        place.ahead += 61
        await asyncio.sleep(0.05)
    return False


def requests_of(running: SftpDepartment, table: dict[str, Any]) -> list[Request]:
    """What the department has taken, read again by its own hand."""
    system = system_with(table)
    form = Form(
        table=file_drop_table(system),
        operations={str(one.wire[key]["operation_code"]): one for one in system.operations for key in one.wire},
        code_column=system.result_field,
        secret=SECRETS.__getitem__,
    )
    pattern = form.table.out.pattern[:2]
    suffix = form.table.control_file.suffix if form.table.control_file else ".none"
    files = [name for name in names(running.root / "taken") if name.startswith(pattern) and not name.endswith(suffix)]
    return [one for name in files for one in read_requests(form, (running.root / "taken" / name).read_bytes())]


@pytest.mark.parametrize("name", LAYOUTS)
async def test_every_layout_goes_out_is_acted_on_once_and_comes_back(tmp_path: Path, name: str) -> None:
    """And an empty file, where a file is expected after every cut-off, is answered by an empty one."""
    table = table_of(name, expected_files=[{"after_cut_off": "17:00", "by": "09:00", "days": 1}])
    system = system_with(table)
    operations = [operation.key for operation in system.operations]
    deliveries = [delivery_with(operations[number % len(operations)]) for number in range(30)]
    deliveries.append(delivery_with(SFZH=None, RENT=None, RETIRE_DATE=None, EMPLOYED=False, PAY_DAY=0))
    with (
        Ledger(tmp_path / "ledger") as ledger,
        sftp_department(
            system,
            root=tmp_path / "tree",
            ledger=ledger,
            seed=5,
            result_delay_seconds=0.05,
            shares=SHARES,
            secret=SECRETS.__getitem__,
        ) as running,
    ):
        channel = make(system, system.channels[0])
        place = Place(secrets=SECRETS)
        async with channel.open(dict(running.place), place) as opened:
            gateway = cast(FileDropGateway, opened)
            await gateway.deliver_batch(batch_of(*deliveries))
            found = await collected(gateway, {one.id for one in deliveries})
            await gateway.deliver_batch(batch_of(sequence=2))
            assert await answered_by_nothing(gateway, place)
        assert running.department.problems == {}
        assert found.keys() == {one.id for one in deliveries}
        assert {ledger.effects(str(one.id)) for one in deliveries} == {1}
        assert not any(isinstance(outcome, DeliveryError) for outcome in found.values())
        assert names(running.root / "back") == names(running.root / "back/quarantine") == []
        requests = {UUID(one.reference): one for one in requests_of(running, table)}
    first, last = requests[deliveries[0].id].values, requests[deliveries[-1].id].values
    assert (first["XM"], first["RENT"], first["RETIRE_DATE"]) == ("样例·某", "120050", "20260105")
    assert (first["EMPLOYED"], first["PAY_DAY"]) in {("1", "7"), ("T", "7")}
    assert {name: last.get(name, "") for name in ("SFZH", "RENT", "RETIRE_DATE")} == dict.fromkeys(
        ("SFZH", "RENT", "RETIRE_DATE"), ""
    )
    assert last["PAY_DAY"] == "0"
    granted = [one for one in found.values() if isinstance(one, Completed) and one.decision is Decision.GRANTED]
    full = next(one for one in granted if "amount_paid" in one.fields)
    assert isinstance(full.fields["found"], bool)
    assert str(full.fields["visit_on"]).startswith("2026-")
    assert str(full.fields["decision_no"]).startswith("样例")


async def test_an_archive_without_its_password_holds_the_lane_before_anything_is_sealed(tmp_path: Path) -> None:
    system = system_with(table_of("zip_csv"))
    with sftp_department(system, root=tmp_path / "tree", secret=SECRETS.__getitem__) as running:
        channel = make(system, system.channels[0])
        async with channel.open(dict(running.place), Place(secrets={"sftp_password": "onedoor"})) as opened:
            with pytest.raises(CredentialsError, match="zip_password"):
                cast(FileDropGateway, opened).prepare(delivery_with())


async def test_the_same_batch_gives_the_same_bytes_in_every_layout() -> None:
    for name in LAYOUTS:
        system = system_with(table_of(name))
        channel = make(system, system.channels[0])
        place = {"host": "127.0.0.1", "username": "x", "host_key": HOST_KEY}
        async with channel.open(place, Place(secrets=SECRETS)) as opened:
            gateway = cast(FileDropGateway, opened)
            batch = batch_of(delivery_with(), delivery_with())
            assert gateway.seal(batch) == gateway.seal(batch)
            assert gateway.seal(batch) != gateway.seal(batch_of(*batch.deliveries[:1]))


async def test_a_total_without_room_is_found_before_anything_leaves() -> None:
    trailer = {"record_type": "T", "fields": [{"name": "rows", "width": 1}]}
    system = system_with(table_of("fixed GBK", trailer=trailer, fee_cents_per_row=None))
    place = {"host": "127.0.0.1", "username": "x", "host_key": HOST_KEY}
    async with make(system, system.channels[0]).open(place, Place(secrets=SECRETS)) as opened:
        with pytest.raises(PermanentError, match="not_expressible"):
            cast(FileDropGateway, opened).seal(batch_of(*(delivery_with() for _ in range(10))))


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFyIPvr6GyGCTQ3YWP9EYwsuYuOVfuZ6dBb1AbG9WKlD"


async def test_a_file_whose_trailer_is_not_there_yet_is_left_alone_until_it_stands_still(tmp_path: Path) -> None:
    table = table_of("fixed GBK")
    system = system_with({**table, "back": {**table["back"], "stable_seconds": 60}})
    place = Place(secrets=SECRETS)
    with sftp_department(system, root=tmp_path, result_delay_seconds=0) as running:
        channel = make(system, system.channels[0])
        async with channel.open(dict(running.place), place) as opened:
            gateway = cast(FileDropGateway, opened)
            delivery = delivery_with()
            await gateway.deliver_batch(batch_of(delivery))
            # Nobody has to wait for a minute.
            assert await collected(gateway, {delivery.id}, seconds=5)
            (whole,) = names(tmp_path / "back/done")
            content = (tmp_path / "back/done" / whole).read_bytes()
            growing = tmp_path / "back" / whole.replace(".0", ".9")
            growing.write_bytes(content[:-10])
            assert await once(gateway) == {}
            assert names(tmp_path / "back") == [growing.name]
            growing.write_bytes(content)
            assert len(await once(gateway)) == 1
            # What was done before is recognised whether it came early or not; what never ends is set aside.
            (tmp_path / "back" / whole).write_bytes(content)
            assert await once(gateway) == {}
            assert names(tmp_path / "back") == []
            growing.write_bytes(content[:-10])
            assert await once(gateway) == {}
            place.ahead += 61
            assert await once(gateway) == {}
    assert len(names(tmp_path / "back/quarantine")) == 2


SITE = load_site(Path(plugins.__file__).parent)
CITY = {
    system.key: system
    for department in SITE.departments
    for system in department.systems
    if any(channel.file_drop is not None for channel in system.channels)
}


def plausible_delivery(operation: Operation, number: int) -> Delivery:
    """A delivery of the operation with a value in every field."""
    dice = random.Random(f"{operation.key}/{number}")
    fields = {
        one.name: plausible(
            ReplyField(
                name=one.name,
                type=one.type,
                width_bytes=min(one.width_bytes or 60, 2 * (one.max_length or 30)),
                code_list=one.code_list,
                columns=one.columns,
            ),
            dice,
            SITE.code_lists,
        )
        for one in operation.request
    }
    return replace(delivery_with(), operation=operation.key, fields=fields)


@pytest.mark.parametrize("key", CITY)
async def test_every_file_exchange_of_the_sample_city_works_in_both_directions(tmp_path: Path, key: str) -> None:
    system = CITY[key]
    channel_file = next(one for one in system.channels if one.file_drop is not None)
    place = Place(secrets=AnySecret())
    with sftp_department(
        system, root=tmp_path, password="x" * 8, result_delay_seconds=0.02, code_lists=SITE.code_lists, secret=str
    ) as running:
        async with make(system, channel_file).open(dict(running.place), place) as opened:
            gateway = cast(FileDropGateway, opened)
            carried = [one for one in system.operations if Situation.FILE_DROP in one.wire]
            deliveries = [plausible_delivery(one, number) for one in carried for number in range(4)]
            await gateway.deliver_batch(batch_of(*deliveries))
            wanted = {one.id for one in deliveries}
            found: dict[UUID, Outcome | DeliveryError] = {}
            for _ in range(200):
                found |= await once(gateway)
                # A file without a control file has to stand still for a minute.
                place.ahead += 61
                if wanted <= found.keys():
                    break
                await asyncio.sleep(0.02)
            if file_drop_table(system).expected_files:
                await gateway.deliver_batch(batch_of(sequence=2))
                assert await answered_by_nothing(gateway, place)
        assert running.department.problems == {}
    assert found.keys() == wanted
    assert not any(isinstance(outcome, DeliveryError) for outcome in found.values())


async def once(gateway: FileDropGateway) -> Mapping[UUID, Outcome | DeliveryError]:
    return {reply.delivery_id: reply.outcome async for replies in gateway.collect() for reply in replies}


class AnySecret(dict[str, str]):
    """Every secret is there: the login's, and the archives', which is its own name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "x" * 8 if name.endswith("_sftp") else name
