"""The desk of a simulated department that exchanges files: what lies in its folders, read by its own means, and answers laid by hand.

Nothing here moves by itself, so that a check sees every file exactly as the hub left it.
"""

import configparser
import csv
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zoneinfo import ZoneInfo

from paramiko.sftp import SFTP_OK
from pydantic import JsonValue

from adapters.file_drop_table import FileDropTable
from contracts.catalogue import CodeList, Operation
from contracts.delivery import Delivery
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.certify.verdict import Failed, NotApplicable
from simulators.department_files import appear, cell_text, control_path, control_text, disagreement
from simulators.file_department import file_drop_table
from simulators.file_forms import Form, Request, Result, Sending, read_requests, write_results
from simulators.plausible import decide
from simulators.sftp_server import SftpServer

_KNOWN = frozenset({"name", "bytes", "rows", "md5", "sha256", "sm3"})
"""Items of a control file that a file alone decides."""

_UNREADABLE = (LookupError, ValueError, configparser.Error, csv.Error, ParseError, struct.error)


@record
class Taken:
    """A whole file of the hub's, as the department reads it. ``control`` is None where none lies beside it."""

    name: str
    content: bytes
    control: str | None


@record
class Asked:
    """A request that reached the server: a word (``SftpServer.watch``) and its paths."""

    what: str
    paths: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class FileDesk:
    """``asked``: every request that reached the server. ``form``: the department's own view of the declaration."""

    server: SftpServer
    root: Path
    table: FileDropTable
    form: Form
    seed: int
    code_lists: Mapping[str, CodeList]
    asked: list[Asked] = field(default_factory=list)
    number: int = 0
    fault: Callable[[Asked], int] | None = None

    @property
    def out(self) -> Path:
        """Where the hub's files come."""
        return self.root / self.table.out.dir.lstrip("/")

    @property
    def back(self) -> Path:
        """Where answers lie."""
        return self.root / self.table.back.dir.lstrip("/")

    @property
    def done(self) -> Path:
        """Where the hub puts what it has committed."""
        return self.root / self.table.back.done_dir.lstrip("/")

    def watch(self, what: str, paths: tuple[str, ...]) -> int:
        """Note a request, and answer it where a fault is in force."""
        asked = Asked(what=what, paths=paths)
        self.asked.append(asked)
        return self.fault(asked) if self.fault is not None else SFTP_OK

    @contextmanager
    def failing(self, fault: Callable[[Asked], int]) -> Iterator[None]:
        """Every request meets ``fault`` until the block ends: what it returns instead of SFTP_OK is the answer."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def changes(self) -> Sequence[Asked]:
        """Every request that changes something, since the last ``clear``."""
        return [one for one in self.asked if one.what in {"create", "write", "rename", "remove", "mkdir"}]

    def clear(self) -> None:
        """Take everything away, as the department would, and forget what was asked."""
        for path in self.root.rglob("*"):
            if path.is_file():
                path.unlink()
        self.asked.clear()

    def lying(self) -> Sequence[str]:
        """Names in the folder of the hub's files, temporary ones and control files apart."""
        control, names = self.table.control_file, sorted(path.name for path in self.out.iterdir())
        return [
            name
            for name in names
            if not name.endswith(self.table.out.temporary_suffix)
            and (control is None or not name.endswith(control.suffix))
        ]

    def taken(self) -> Taken:
        """The one file that lies there; it stays. Raises Failed where there is none, or several."""
        names = self.lying()
        if len(names) != 1:
            raise Failed("{0} files lie where one should: {1}", len(names), names)
        path = self.out / names[0]
        control = control_path(path, self.table.control_file) if self.table.control_file else None
        told = control.read_text("utf-8") if control is not None and control.exists() else None
        return Taken(name=path.name, content=path.read_bytes(), control=told)

    def read(self, content: bytes) -> Sequence[Request]:
        """The records of a file, by the department's own reader. Raises Failed."""
        try:
            return read_requests(self.form, content)
        except _UNREADABLE as error:
            raise Failed(
                "the department cannot read the file by the declared layout ({0})", type(error).__name__
            ) from error

    def contradiction(self, taken: Taken, rows: int) -> str:
        """The item on which the control file contradicts its file; empty: none."""
        lines = [line for line in (taken.control or "").splitlines() if line.partition("=")[0] in _KNOWN]
        return disagreement("\n".join(lines), taken.name, taken.content, rows)

    def result(self, delivery: Delivery, code: str, reference: str = "", **lead: str) -> Result:
        """A line about a delivery. ``reference``: what stands instead of its id; ``lead`` replaces what comes before the fields."""
        operation, operation_code = self._operation(delivery)
        verdict = decide(
            operation, Situation.FILE_DROP, str(delivery.id), self.seed, code_lists=self.code_lists, code=code
        )
        width = self.table.reference.width
        local = datetime.now(ZoneInfo(self.table.timezone))
        told = {
            "reference": reference or (str(delivery.id) if width == 36 else delivery.id.hex),
            "operation": operation_code,
            "code": code,
            "happened_at": f"{local:%Y%m%d%H%M%S}",
            "wanted": operation.request[0].name if operation.request else "",
        }
        fields: Mapping[str, JsonValue] = verdict.fields
        cells = {one.name: cell_text(fields.get(one.name), one.type) for one in operation.reply}
        return Result(operation=operation_code, lead=told | lead, fields=cells)

    def _operation(self, delivery: Delivery) -> tuple[Operation, str]:
        for code, operation in self.form.operations.items():
            if operation.key == delivery.operation:
                return operation, code
        raise NotApplicable("{0} is not carried by files", delivery.operation)

    def new_name(self) -> str:
        """A name for a result file that was not used before."""
        self.number += 1
        local = datetime.now(ZoneInfo(self.table.timezone))
        return self.table.back.pattern.format(date=local, seq=self.number, day_seq=self.number)

    def written(self, name: str, *results: Result) -> bytes:
        """A result file."""
        return write_results(self.form, results, Sending(name=Path(name).stem, at=datetime.now(UTC)))

    def control_of(self, name: str, content: bytes, rows: int) -> bytes | None:
        """What the department's control file says; None where it has none. Raises NotApplicable for totals of columns."""
        control = self.table.back.control_file
        if control is None:
            return None
        counted = {"sequence", "day_sequence"}
        if set(control.content) - _KNOWN - counted:
            raise NotApplicable("the kit cannot add up the columns that the department's control file tells of")
        plain = control.model_copy(update={"content": tuple(one for one in control.content if one in _KNOWN)})
        numbers = "".join(f"{one}={self.number}\r\n" for one in control.content if one in counted)
        return control_text(plain, name, content, rows) + numbers.encode()

    def lay(self, *results: Result, name: str = "") -> str:
        """Lay a result file down, whole; its name."""
        name = name or self.new_name()
        content = self.written(name, *results)
        self.put(name, content, self.control_of(name, content, len(results)))
        return name

    def put(self, name: str, content: bytes, control: bytes | None) -> None:
        """Lay a result file down as it is, then its control file."""
        appear(self.back / name, content)
        declared = self.table.back.control_file
        if declared is not None and control is not None:
            appear(control_path(self.back / name, declared), control)

    def lies_back(self, name: str) -> bool:
        """Whether a result file still waits."""
        return (self.back / name).exists()


def desk_of(
    system: SystemFile,
    *,
    server: SftpServer,
    root: Path,
    secret: Callable[[str], str],
    seed: int,
    code_lists: Mapping[str, CodeList],
) -> FileDesk:
    """A desk with empty folders."""
    table = file_drop_table(system)
    carried = [one for one in system.operations if Situation.FILE_DROP in one.wire]
    by_code = {str(one.wire[Situation.FILE_DROP]["operation_code"]): one for one in carried}
    form = Form(table=table, operations=by_code, code_column=system.result_field, secret=secret)
    back, receipt = table.back, table.receipt
    receipts = (receipt.dir, receipt.done_dir, receipt.quarantine_dir) if receipt else ()
    shutil.rmtree(root, ignore_errors=True)
    for folder in (table.out.dir, back.dir, back.done_dir, back.quarantine_dir, *receipts):
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    desk = FileDesk(server=server, root=root, table=table, form=form, seed=seed, code_lists=code_lists)
    server.watch = desk.watch
    return desk
