"""The gateway and a department that works, with every fault it has."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.file_drop import FileDropGateway, make
from contracts.catalogue import ResultKind
from contracts.delivery import Completed, Reply, Returned
from contracts.errors import OutcomeUnknownError, TemporaryError
from contracts.site import SystemFile
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.file_department import FileDepartment, habits
from simulators.ledger import Ledger
from simulators.sftp import SftpDepartment, sftp_department
from simulators.sftp_server import Account, SftpServer, sftp_server
from tests.file_world import (
    CSV_TABLE,
    OUT_NAME,
    TABLE,
    Place,
    batch_of,
    collected,
    delivery_of,
    names,
    opened,
    system_of,
)


async def answers(gateway: FileDropGateway, wanted: set[UUID], seconds: float = 15) -> dict[UUID, list[Reply]]:
    """Collect as the hub does until every delivery has been answered."""
    found: dict[UUID, list[Reply]] = {}
    end = time.monotonic() + seconds
    while wanted - found.keys() and time.monotonic() < end:
        try:
            for replies in await collected(gateway):
                for reply in replies:
                    found.setdefault(reply.delivery_id, []).append(reply)
        except TemporaryError:
            pass
        await asyncio.sleep(0.05)
    return found


@contextmanager
def department(
    table: dict[str, Any], sftp_tree: Path, ledger: Ledger, dial: FaultDial | None = None
) -> Iterator[SftpDepartment]:
    with sftp_department(
        system_of(table), root=sftp_tree, ledger=ledger, dial=dial, seed=7, result_delay_seconds=0.1
    ) as running:
        yield running


@pytest.mark.parametrize("table", [TABLE, CSV_TABLE], ids=["separator of two", "quoted with header"])
async def test_a_batch_goes_out_and_every_record_is_acted_on_once_and_answered(
    tmp_path: Path, sftp_tree: Path, table: dict[str, Any]
) -> None:
    deliveries = [delivery_of(XM="样例,某"), *(delivery_of("check") for _ in range(20))]
    with Ledger(tmp_path / "ledger") as ledger, department(table, sftp_tree, ledger) as running:
        async with opened(table, running.server) as gateway:
            batch = batch_of(*deliveries)
            await gateway.deliver_batch(batch)
            found = await answers(gateway, {one.id for one in deliveries})
            await gateway.deliver_batch(batch)
            await asyncio.sleep(0.3)
        assert running.department.problems == {}
        assert found.keys() == {one.id for one in deliveries}
        assert all(isinstance(reply.outcome, Completed | Returned) for replies in found.values() for reply in replies)
        assert {ledger.effects(str(one.id)) for one in deliveries} == {1}
    arrivals = (tmp_path / "ledger").read_text().count('"arrival"')
    assert arrivals == 2 * len(deliveries)


async def test_every_fault_of_a_department_ends_with_every_record_answered_once(
    tmp_path: Path, sftp_tree: Path
) -> None:
    probabilities = {Fault.REFUSE: 0.3, Fault.LOST_REPLY: 0.15, Fault.TRUNCATED_FILE: 0.2, Fault.DUPLICATE_REPLY: 0.25}
    dial = FaultDial(probabilities, seed=3)
    sent: set[UUID] = set()
    found: dict[UUID, list[Reply]] = {}
    with Ledger(tmp_path / "ledger") as ledger, department(TABLE, sftp_tree, ledger, dial) as running:
        async with opened(TABLE, running.server) as gateway:
            for sequence in range(1, 100):
                if sequence > 5 and set(dial.counts) == set(probabilities):
                    break
                batch = batch_of(*(delivery_of() for _ in range(6)), sequence=sequence)
                while True:
                    try:
                        await gateway.deliver_batch(batch)
                        break
                    except (TemporaryError, OutcomeUnknownError):
                        continue
                sent |= {one.id for one in batch.deliveries}
                # A new connection for every batch, so that the door has its chances.
                running.server.cut()
            while sent - found.keys():
                for delivery_id, replies in (await answers(gateway, sent - found.keys())).items():
                    found.setdefault(delivery_id, []).extend(replies)
        assert {ledger.effects(str(one)) for one in sent} == {1}
    assert found.keys() == sent
    for replies in found.values():
        assert len({repr(reply.outcome) for reply in replies}) == 1
    assert set(dial.counts) == set(probabilities)
    assert any(name.endswith(".reason.txt") for name in names(sftp_tree / "back/quarantine"))


async def test_one_server_holds_several_departments_apart(tmp_path: Path) -> None:
    roots = {name: tmp_path / name for name in ("wj", "da")}
    system = system_of(TABLE)
    with Ledger(tmp_path / "ledger") as ledger, departments(system, roots, ledger) as server:
        for name, root in roots.items():
            channel = make(system, system.channels[0])
            values: dict[str, Any] = {
                "host": server.host,
                "port": server.port,
                "username": name,
                "host_key": server.host_key,
            }
            async with channel.open(values, Place(secrets={"sftp_password": name})) as gateway:
                assert isinstance(gateway, FileDropGateway)
                delivery = delivery_of()
                await gateway.deliver_batch(batch_of(delivery))
                assert await answers(gateway, {delivery.id})
                assert names(root / "taken")


@contextmanager
def departments(system: SystemFile, roots: dict[str, Path], ledger: Ledger) -> Iterator[SftpServer]:
    with ExitStack() as stack:
        for root in roots.values():
            root.mkdir()
            worker = FileDepartment(system, root, habits(result_delay_seconds=0.05), ledger=ledger, dial=None)
            stack.enter_context(worker.working())
        accounts = [Account(username=name, password=name, root=root) for name, root in roots.items()]
        yield stack.enter_context(sftp_server(accounts))


def test_a_department_refuses_what_its_control_file_disproves(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        worker = FileDepartment(system_of(TABLE), tmp_path / "tree", habits(), ledger=ledger, dial=None)
        out = tmp_path / "tree/out"
        unreadable = (b"c|!WJ77|!x\r\n", b"c|!WJ02|!\xff\r\n", b"c\r\n")
        for name, content, control in (
            (OUT_NAME, b"a|!WJ02|!x\r\n", "rows=2"),
            (OUT_NAME, b"b|!WJ02|!x\r\n", "rows=1"),
            *((f"WJ_20261124_10{number}.txt", content, "rows=1") for number, content in enumerate(unreadable)),
        ):
            (out / name).write_bytes(content)
            (out / name).with_suffix(".ok").write_text(control)
            worker.take()
        assert worker.problems.pop(OUT_NAME) == "the same name came with other content"
        assert [problem.split()[-1] for problem in worker.problems.values()] == [
            "KeyError",
            "UnicodeDecodeError",
            "IndexError",
        ]
        assert names(out) == []
        other = OUT_NAME.replace(".txt", "~2.txt")
        kept = {name: (tmp_path / "tree/taken" / name).read_bytes() for name in (OUT_NAME, other)}
        assert kept == {OUT_NAME: b"a|!WJ02|!x\r\n", other: b"b|!WJ02|!x\r\n"}, "neither lies over the other"
        assert (tmp_path / "tree/taken" / other).with_suffix(".ok").read_text() == "rows=1"
        assert ledger.effects("a") == ledger.effects("b") == 0


def test_what_comes_again_under_its_name_is_kept_once_and_every_other_content_beside_it(tmp_path: Path) -> None:
    worker = FileDepartment(system_of(TABLE), tmp_path / "tree", habits(), ledger=None, dial=None)
    for content in (b"a|!WJ02|!x\r\n", b"b|!WJ02|!x\r\n", b"a|!WJ02|!x\r\n", b"c|!WJ02|!x\r\n", b"b|!WJ02|!x\r\n"):
        (tmp_path / "tree/out" / OUT_NAME).write_bytes(content)
        (tmp_path / "tree/out" / OUT_NAME).with_suffix(".ok").write_text("rows=1")
        worker.take()
    stem = Path(OUT_NAME).stem
    assert names(tmp_path / "tree/taken") == sorted(
        f"{stem}{number}.{suffix}" for number in ("", "~2", "~3") for suffix in ("ok", "txt")
    )


def test_a_department_that_says_try_again_takes_the_record_the_second_time(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        behaviour = habits(result_delay_seconds=0, shares={ResultKind.TEMPORARY: 1.0})
        worker = FileDepartment(system_of(TABLE), tmp_path / "tree", behaviour, ledger=ledger, dial=None)
        for number in (1, 2):
            (tmp_path / "tree/out" / f"WJ_{number}.txt").write_bytes(b"a|!WJ02|!x\r\n")
            (tmp_path / "tree/out" / f"WJ_{number}.ok").write_text("rows=1")
            worker.take()
            worker.answer()
            assert ledger.effects("a") == number - 1
    texts = [path.read_text() for path in sorted((tmp_path / "tree/back").glob("*.txt"))]
    assert [text.split("|!")[2] for text in texts] == ["99", "00"]
