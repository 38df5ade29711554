"""What the tests of the file exchange share: two small declarations, a runtime of the real world, files laid by hand."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID, uuid4

from adapters.control_files import control_content
from adapters.file_drop import FileDropGateway, make
from contracts.catalogue import Answers, Operation, Purpose, ReplyField, RequestField, ResultCode, ResultKind
from contracts.delivery import Batch, Delivery, Document, Reply
from contracts.errors import CredentialsError
from contracts.exchange import Collected, FileState
from contracts.plugin import Http, RemoteFiles
from contracts.site import ChannelFile, SystemFile
from contracts.situation import Batching, Situation
from simulators.sftp_server import SftpServer

P = ParamSpec("P")
T = TypeVar("T")

SEALED_AT = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)  # the 24th in Shanghai
OUT_NAME = "WJ_20261124_001.txt"
BACK_NAME = "WJ_JG_20261124_001.txt"

CODES = {
    "00": ResultCode(outcome=ResultKind.GRANTED, name_zh="核准", name_en="approved"),
    "10": ResultCode(outcome=ResultKind.REFUSED, name_zh="不予核准", name_en="refused"),
    "20": ResultCode(outcome=ResultKind.RETURNED, name_zh="退回", name_en="returned"),
    "01": ResultCode(outcome=ResultKind.PERMANENT, name_zh="格式错误", name_en="format error"),
    "03": ResultCode(outcome=ResultKind.PERMANENT, name_zh="重复", name_en="duplicate record", duplicate=True),
    "99": ResultCode(outcome=ResultKind.TEMPORARY, name_zh="可重报", name_en="may be sent again"),
}
REWARD = Operation(
    key="reward",
    name_zh="奖励",
    name_en="Reward",
    purpose=Purpose.DECIDE,
    answers=Answers.LATER,
    request=(
        RequestField(name="XM", source="applicant.name", type="string", required=True),
        RequestField(name="TXRQ", source="form.retired_on", type="date"),
    ),
    reply=(ReplyField(name="amount", type="money"), ReplyField(name="reason", type="string")),
    result_codes={Situation.FILE_DROP: CODES},
    wire={Situation.FILE_DROP: {"operation_code": "WJ01"}},
)
CHECK = replace(
    REWARD,
    key="check",
    request=(RequestField(name="SFZH", source="applicant.id_no", type="string", required=True),),
    reply=(ReplyField(name="found", type="bool"),),
    wire={Situation.FILE_DROP: {"operation_code": "WJ02"}},
)
ELSEWHERE = replace(REWARD, key="elsewhere", wire={})

TABLE: dict[str, Any] = {
    "format": "csv",
    "encoding": "GB18030",
    "record": {"delimiter": "|!", "eol": "CRLF", "header_row": False},
    "reference": {"name": "LSH", "width": 36},
    "out": {"dir": "/out", "pattern": "WJ_{date:%Y%m%d}_{seq:03d}.txt", "temporary_suffix": ".tmp"},
    "control_file": {"suffix": ".ok", "content": ["rows", "md5"]},
    "back": {
        "dir": "/back",
        "pattern": "WJ_JG_{date:%Y%m%d}_{seq:03d}.txt",
        "control_file": {"suffix": ".ok", "content": ["rows", "md5"]},
    },
    "timeouts": {"connect_seconds": 2, "channel_seconds": 1, "total_seconds": 4},
    "auth": {"password": "sftp_password"},
}
CSV_TABLE: dict[str, Any] = {
    **TABLE,
    "encoding": "GBK",
    "record": {"delimiter": ",", "quote": '"', "eol": "LF", "header_row": True},
    "reference": {"width": 32},
    "control_file": {"suffix": ".flg", "content": []},
    "back": {
        **TABLE["back"],
        "control_file": {"suffix": ".flg"},
        "record": ["reference", "happened_at", "operation", "code", "wanted", "fields"],
    },
}


def system_of(table: dict[str, Any], *operations: Operation) -> SystemFile:
    channel = ChannelFile(
        situation=Situation.FILE_DROP, resend_is_safe=True, batching=Batching(max_size=100), file_drop=table
    )
    return SystemFile(
        key="WJ-family",
        name_zh="奖励扶助系统",
        name_en="Reward system",
        result_field="JGDM",
        channels=(channel,),
        operations=operations or (REWARD, CHECK, ELSEWHERE),
    )


@dataclass
class Place:
    """A runtime in the real world, with secrets in a dictionary and a clock that a test may move."""

    secrets: dict[str, str] = field(default_factory=lambda: {"sftp_password": "onedoor"})
    random: Random = field(default_factory=lambda: Random(1))
    given: RemoteFiles | None = None
    ahead: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    def secret(self, name: str) -> str:
        if name not in self.secrets:
            raise CredentialsError("no_secret", name)
        return self.secrets[name]

    async def material(self, document: Document) -> bytes:
        raise NotImplementedError(document.key)

    def http(self) -> Http | None:
        return None

    def files(self) -> RemoteFiles | None:
        return self.given


def delivery_of(operation: str = "reward", **fields: Any) -> Delivery:
    return Delivery(
        id=uuid4(),
        system="WJ-family",
        operation=operation,
        round=1,
        case_no="C1",
        item="WJ001",
        item_version=1,
        step="s1",
        centre="310101",
        attempt=1,
        send_before=SEALED_AT,
        fields=fields or ({"XM": "样例𠮷", "TXRQ": "2026-01-05"} if operation == "reward" else {"SFZH": "x"}),
    )


def batch_of(*deliveries: Delivery, sequence: int = 1, day_sequence: int = 1) -> Batch:
    return Batch(
        id=uuid4(),
        system="WJ-family",
        sequence=sequence,
        day_sequence=day_sequence,
        sealed_at=SEALED_AT,
        deliveries=tuple(deliveries),
    )


@asynccontextmanager
async def opened(
    table: dict[str, Any], server: SftpServer, place: Place | None = None, **settings: Any
) -> AsyncIterator[FileDropGateway]:
    system = system_of(table)
    channel = make(system, system.channels[0])
    values = {"host": server.host, "port": server.port, "username": "onedoor", "host_key": server.host_key, **settings}
    async with channel.open(values, place or Place()) as gateway:
        yield cast(FileDropGateway, gateway)


@contextmanager
def watching(folder: Path, name: str) -> Iterator[set[int]]:
    """Every size under which ``name`` was ever seen."""
    sizes: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                sizes.add((folder / name).stat().st_size)
            except FileNotFoundError:
                time.sleep(0.0005)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield sizes
    finally:
        stop.set()
        watcher.join()


def put_result(tree: Path, lines: Sequence[str], name: str = BACK_NAME, **proof: Any) -> bytes:
    content = "".join(f"{line}\r\n" for line in lines).encode("gb18030")
    (tree / "back" / name).write_bytes(proof.get("instead", content))
    control = control_content(("rows", "md5"), name=name, content=content, rows=proof.get("rows", len(lines)))
    (tree / "back" / name).with_suffix(".ok").write_bytes(control)
    return content


async def collected(gateway: FileDropGateway) -> list[Sequence[Reply]]:
    """The replies of each file that counts."""
    return [list(found) for found in await everything(gateway) if found.file and found.file.state is FileState.TAKEN]


async def everything(gateway: FileDropGateway) -> list[Collected]:
    """All that is told of the files, receipts included."""
    return [cast(Collected, found) async for found in gateway.collect()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def line(delivery_id: UUID, operation: str = "WJ01", code: str = "00", *fields: str) -> str:
    return "|!".join(
        [str(delivery_id), operation, code, *(fields or (("120050", "样例㛃") if operation == "WJ01" else ("1",)))]
    )
