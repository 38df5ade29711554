"""A department that exchanges files: it takes what is complete, acts once for a delivery id, and answers in result files.

What it has taken it keeps in ``taken``, also what comes under a name that was used before.
Where its table expects a file after a cut-off (``expected_files``), an empty file is answered by an empty one.
What it receives, does and answers is in its ledger before anybody can see it. What its dial can make it do wrong with records and result
files is told in ``simulators.faults``; after a file that is wrong in itself the right one follows under a new name.
"""

import configparser
import csv
import hashlib
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from adapters.file_drop_table import ControlFile, FileDropTable
from contracts.catalogue import CodeList, Operation, ResultKind
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.department_files import appear, cell_text, control_path, control_text, disagreement, ledger_id, numbered
from simulators.dial import NOTHING, FaultDial, Met
from simulators.faults import Fault, Place
from simulators.file_faults import NOTE, impossible, reencoded
from simulators.file_forms import Form, Request, Result, Sending, read_requests, write_results
from simulators.ledger import Ledger
from simulators.plausible import SHARES, decide

_NO_EFFECT = frozenset({ResultKind.TEMPORARY, ResultKind.PERMANENT})


@record
class Habits:
    """How the department works. ``shares``: of refusals, returns and errors; ``rows_per_file``: most lines of a result file."""

    seed: int = 0
    result_delay_seconds: float = 0.2
    later_seconds: float = 0.5
    poll_seconds: float = 0.02
    rows_per_file: int = 500
    shares: Mapping[ResultKind, float]
    code_lists: Mapping[str, CodeList]
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic


@record
class _Line:
    """One result line that is due."""

    delivery_id: str
    operation: str
    kind: ResultKind
    result: Result
    note: str = ""


class FileDepartment:
    """One simulated system over the folder ``root`` that its SFTP account shows. ``problems``: what it could not take, by name."""

    def __init__(
        self,
        system: SystemFile,
        root: Path,
        habits: Habits,
        *,
        ledger: Ledger | None,
        dial: FaultDial | None,
        secret: Callable[[str], str] = str,
    ) -> None:
        self.problems: dict[str, str] = {}
        self._system = system
        self._table = file_drop_table(system)
        self._root = root
        self._habits = habits
        self._ledger = ledger
        self._dial = dial
        self._dice = random.Random(f"{habits.seed}/{system.key}")  # noqa: S311 - must repeat itself, no secret
        by_code = {str(one.wire[Situation.FILE_DROP]["operation_code"]): one for one in _carried(system)}
        self._form = Form(table=self._table, operations=by_code, code_column=system.result_field, secret=secret)
        self._cannot = impossible(self._table)
        self._due: list[tuple[float, _Line]] = []
        self._whole: list[tuple[float, tuple[_Line, ...]]] = []
        self._empty: list[float] = []
        self._arrivals: dict[str, int] = {}
        self._sequence = 0
        for folder in (self._out, self._back, self._taken, *self._put_away):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def _out(self) -> Path:
        return self._root / self._table.out.dir.lstrip("/")

    @property
    def _back(self) -> Path:
        return self._root / self._table.back.dir.lstrip("/")

    @property
    def _taken(self) -> Path:
        return self._root / "taken"

    @property
    def _put_away(self) -> Sequence[Path]:
        back, receipt = self._table.back, self._table.receipt
        receipts = (receipt.dir, receipt.done_dir, receipt.quarantine_dir) if receipt else ()
        return [self._root / folder.lstrip("/") for folder in (back.done_dir, back.quarantine_dir, *receipts)]

    @contextmanager
    def working(self) -> Iterator["FileDepartment"]:
        """Works in a thread of its own until the block ends; what is due by then stays unanswered."""
        stop = threading.Event()
        worker = threading.Thread(target=self._work, args=(stop,), daemon=True)
        worker.start()
        try:
            yield self
        finally:
            stop.set()
            worker.join(10)

    def _work(self, stop: threading.Event) -> None:
        while not stop.wait(self._habits.poll_seconds):
            self.take()
            self.answer()

    def take(self) -> None:
        """Every complete file in ``out``, once."""
        table = self._table
        for path in sorted(self._out.iterdir()):
            control = control_path(path, table.control_file) if table.control_file else None
            is_data = not path.name.endswith(table.out.temporary_suffix) and (
                table.control_file is None or not path.name.endswith(table.control_file.suffix)
            )
            if is_data and (control is None or control.exists()):
                self._take(path, control)

    def _take(self, path: Path, control: Path | None) -> None:
        content = path.read_bytes()
        number = self._number_of(path.name, content)
        if number > 1:
            self.problems[path.name] = "the same name came with other content"
        else:
            try:
                rows = read_requests(self._form, content)
                wrong = disagreement(control.read_text(), path.name, content, len(rows)) if control else ""
            except (LookupError, ValueError, configparser.Error, csv.Error, ParseError, struct.error) as error:
                rows, wrong = [], type(error).__name__
            if wrong:
                self.problems[path.name] = f"not readable, or the control file says otherwise: {wrong}"
            else:
                self._acknowledge(path.name, len(rows))
                for row in rows:
                    self._receive(row)
                if not rows and self._table.expected_files:
                    self._empty.append(self._habits.monotonic() + self._habits.result_delay_seconds)
        path.rename(self._taken / numbered(path.name, number))
        if control:
            number = max(number, self._number_of(control.name, control.read_bytes()))
            control.rename(self._taken / numbered(control.name, number))

    def _number_of(self, name: str, content: bytes) -> int:
        """1 for a name that is new, or that came with the same content before; else which content it is that comes under it."""
        number = 1
        while (kept := self._taken / numbered(name, number)).exists() and kept.read_bytes() != content:
            number += 1
        return number

    def _acknowledge(self, name: str, rows: int) -> None:
        """The receipt for a whole file, where the exchange has them."""
        receipt = self._table.receipt
        if receipt is None:
            return
        told = {receipt.code: receipt.accepted[0] if receipt.accepted else "", receipt.rows: str(rows)}
        text = "".join(f"{key}={value}\r\n" for key, value in told.items() if key is not None)
        path = self._root / receipt.dir.lstrip("/") / name
        appear(control_path(path, ControlFile(suffix=receipt.suffix)), text.encode())

    def _receive(self, row: Request) -> None:
        operation = self._form.operations[row.operation]
        delivery_id = ledger_id(row.reference)
        digest = hashlib.sha256("\x1f".join(f"{name}={row.values[name]}" for name in row.values).encode()).hexdigest()
        self._arrivals[delivery_id] = arrival = self._arrivals.get(delivery_id, 0) + 1
        shares = self._habits.shares
        if arrival > 1:
            # A department that said "try again" takes the record the second time.
            shares = {kind: share for kind, share in shares.items() if kind is not ResultKind.TEMPORARY}
        seed, lists = self._habits.seed, self._habits.code_lists
        verdict = decide(operation, Situation.FILE_DROP, delivery_id, seed, shares=shares, code_lists=lists)
        acted = self._ledger.effects(delivery_id) if self._ledger else 0
        turned_away = verdict.kind in _NO_EFFECT
        self._log("arrival", delivery_id, operation, digest, verdict.kind.value if turned_away else "")
        if not turned_away and not acted:
            self._log("effect", delivery_id, operation, digest)
        line = _Line(
            delivery_id=delivery_id,
            operation=operation.key,
            kind=verdict.kind,
            result=self._result(row, verdict.code, verdict.fields),
        )
        latency = self._dial.latency((operation.key,)) if self._dial else 0.0
        self._due.append((self._habits.monotonic() + self._habits.result_delay_seconds + latency, line))

    def _result(self, row: Request, code: str, fields: Mapping[str, JsonValue]) -> Result:
        operation = self._form.operations[row.operation]
        local = self._habits.now().astimezone(ZoneInfo(self._table.timezone))
        return Result(
            operation=row.operation,
            lead={
                "reference": row.reference,
                "operation": row.operation,
                "code": code,
                "happened_at": f"{local:%Y%m%d%H%M%S}",
                "wanted": operation.request[0].name if operation.request else "",
            },
            fields={field.name: cell_text(fields.get(field.name), field.type) for field in operation.reply},
        )

    def answer(self) -> None:
        """Everything that is due, out of order and in one to three files; for an empty file that must be answered an empty one."""
        now = self._habits.monotonic()
        for due in [at for at in self._empty if at <= now]:
            self._empty.remove(due)
            self._write(())
        for cut in [one for one in self._whole if one[0] <= now]:
            self._whole.remove(cut)
            self._write(cut[1])
        lines = [line for at, line in self._due if at <= now and not self._is_left_out(line)]
        picked = {id(line) for line in lines}
        late = now + self._habits.later_seconds
        self._due = [(late if at <= now else at, line) for at, line in self._due if id(line) not in picked]
        self._dice.shuffle(lines)
        files = max(self._dice.randint(1, 3), -(-len(lines) // self._habits.rows_per_file))
        for part in (lines[start::files] for start in range(files)):
            if part:
                self._send(tuple(part))

    def forget(self) -> None:
        """Hold nothing of what was: as a department that was set up anew. What lies in its folders for the hub stays."""
        self._due, self._whole, self._empty, self._arrivals = [], [], [], {}
        self.problems.clear()
        for path in self._taken.iterdir():
            path.unlink()

    def _is_left_out(self, line: _Line) -> bool:
        return self._dial is not None and self._dial.meet(Place.RECORD, (line.operation,)).fault is not None

    def _send(self, lines: tuple[_Line, ...]) -> None:
        operations = {line.operation for line in lines}
        met = self._dial.meet(Place.FILE, operations, without=self._cannot) if self._dial else NOTHING
        match met.fault:
            case Fault.FILE_LATE:
                self._again(lines, met)
            case Fault.TRUNCATED_FILE | Fault.REENCODED_FILE | Fault.WRONG_COUNTS:
                self._write(lines, met.fault)
                self._again(lines, met)
            case Fault.SWAPPED_REPLIES:
                self._swap(lines, met, operations)
            case Fault.FILE_TWICE:
                path, content = self._write(lines)
                self._appear(path.with_name(self._new_name()), content, content, len(lines))
            case Fault.DUPLICATE_REPLY if self._dice.random() < 0.5:
                self._write((*lines, *lines))
            case Fault.DUPLICATE_REPLY:
                self._write(lines)
                self._write(lines)
            case _:
                self._write(lines)

    def _swap(self, lines: tuple[_Line, ...], met: Met, operations: set[str]) -> None:
        """Two lines change their contents over between their delivery ids; the right ones come later."""
        pair = next(((one, two) for one, two in combinations(lines, 2) if _says(one) != _says(two)), None)
        if pair is None:
            if self._dial:
                self._dial.take_back(Fault.SWAPPED_REPLIES, next(iter(operations)) if len(operations) == 1 else "")
            self._write(lines)
            return
        one, two = pair
        changed = {id(one): _in_place_of(one, two), id(two): _in_place_of(two, one)}
        self._write(tuple(changed.get(id(line), line) for line in lines))
        self._again(pair, met)

    def _again(self, lines: tuple[_Line, ...], met: Met) -> None:
        """The file as it should be, later."""
        seconds = self._habits.later_seconds if met.seconds is None else met.seconds
        self._whole.append((self._habits.monotonic() + seconds, lines))

    def _write(self, lines: tuple[_Line, ...], fault: Fault | None = None) -> tuple[Path, bytes]:
        """A file of these lines. Returns its path and what it should hold."""
        path = self._back / self._new_name()
        local = self._habits.now().astimezone(ZoneInfo(self._table.timezone))
        surplus = int(fault is Fault.WRONG_COUNTS)
        sending = Sending(name=path.stem, at=local, surplus=surplus)
        content = written = write_results(self._form, [line.result for line in lines], sending)
        if fault is Fault.TRUNCATED_FILE:
            written = content[: len(content) // 2]
        elif fault is Fault.REENCODED_FILE:
            written = reencoded(content, self._table.encoding)
            if written == content and self._dial:
                # Plain ASCII is the same in both.
                self._dial.take_back(fault, lines[0].operation if len({line.operation for line in lines}) == 1 else "")
            content = written
        if fault is not Fault.TRUNCATED_FILE:
            operations = {one.key: one for one in self._system.operations}
            digest = hashlib.sha256(content).hexdigest()
            note = NOTE.get(fault, "") if fault else ""
            for line in lines:
                said = f"{line.kind.value} {note or line.note}".strip()
                self._log("reply", line.delivery_id, operations[line.operation], digest, said)
        self._appear(path, written, content, len(lines) + surplus)
        return path, content

    def _appear(self, path: Path, written: bytes, content: bytes, rows: int) -> None:
        """The file and what its control file says of it."""
        appear(path, written)
        control = self._table.back.control_file
        if control:
            appear(control_path(path, control), control_text(control, path.name, content, rows))

    def _new_name(self) -> str:
        """A name that this department never used, a restart included."""
        local = self._habits.now().astimezone(ZoneInfo(self._table.timezone))
        while True:
            self._sequence += 1
            name = self._table.back.pattern.format(date=local, seq=self._sequence)
            if not any((folder / name).exists() for folder in (self._back, *self._put_away)):
                return name

    def _log(self, kind: str, delivery_id: str, operation: Operation, digest: str, note: str = "") -> None:
        if self._ledger:
            self._ledger.write(kind, self._system.key, delivery_id, operation.key, digest, note)


def _says(line: _Line) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What a line says, whatever delivery it says it of."""
    return {role: text for role, text in line.result.lead.items() if role != "reference"}, line.result.fields


def _in_place_of(one: _Line, other: _Line) -> _Line:
    """The line of a delivery, with what should be said of another."""
    lead = {**other.result.lead, "reference": one.result.lead["reference"]}
    return replace(one, kind=other.kind, result=replace(other.result, lead=lead), note="swapped")


def file_drop_table(system: SystemFile) -> FileDropTable:
    """The table of the system's file channel. Raises ValueError where it has none."""
    for channel in system.channels:
        if channel.file_drop is not None:
            return FileDropTable.model_validate(dict(channel.file_drop))
    raise ValueError(f"{system.key} has no file_drop channel")


def habits(
    *,
    seed: int = 0,
    result_delay_seconds: float = 0.2,
    shares: Mapping[ResultKind, float] = SHARES,
    code_lists: Mapping[str, CodeList] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Habits:
    """The usual habits; a record left out, or a file cut, is made good after about twice the delay."""
    return Habits(
        seed=seed,
        result_delay_seconds=result_delay_seconds,
        later_seconds=2 * result_delay_seconds,
        shares=shares,
        code_lists=code_lists or {},
        now=now,
    )


def _carried(system: SystemFile) -> Iterator[Operation]:
    return (operation for operation in system.operations if Situation.FILE_DROP in operation.wire)
