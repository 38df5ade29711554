"""The book of files: what came in, what a partner said of the files that went out, and which numbers are missing.

A file counts by its content, never by its name: the same content again is a no-op under whatever name, and a known name with other
content is set aside. Empty files are all alike: one under a new name is another answer, to another cut-off.
"""

from collections.abc import Iterable

from contracts.delivery import Reply
from contracts.errors import DeliveryError, PermanentError, TemporaryError
from contracts.exchange import BatchReceipt, ExchangedFile, FileState, ReceiptVerdict
from contracts.records import record
from hub import batches
from hub.city import City, moment
from hub.journal import Chain, Codes
from hub.store import file_book
from hub.store.connection import Connection, Row

REUSED = PermanentError("name_reused", "a file of this name with other content was processed before")


@record
class Standing:
    """What the book knows of a file before its lines are applied."""

    file: ExchangedFile
    refused: PermanentError | None = None

    @property
    def counts(self) -> bool:
        """Whether its lines are to be applied."""
        return self.file.state is FileState.TAKEN


def standing(connection: Connection, city: City, system: str, file: ExchangedFile) -> Standing:
    """A file that the channel would take, beside what was taken before."""
    if file.state is not FileState.TAKEN:
        return Standing(file=file)
    for known in file_book.taken(connection, city.region, system, file.name, file.digest):
        if known["digest"] != file.digest:
            return Standing(file=_changed(file, FileState.QUARANTINED, REUSED.code), refused=REUSED)
        if file.lines or known["name"] == file.name:
            return Standing(file=_changed(file, FileState.REPEATED, ""))
    return Standing(file=file)


def _changed(file: ExchangedFile, state: FileState, reason: str) -> ExchangedFile:
    return ExchangedFile(
        name=file.name,
        digest=file.digest,
        size=file.size,
        state=state,
        reason=reason,
        sequence=file.sequence,
        scope=file.scope,
        lines=file.lines,
        unread=file.unread,
    )


def note(connection: Connection, city: City, queue: tuple[str, str], file: ExchangedFile, at: int) -> None:
    """Enter a file whose replies are committed. ``queue``: system and situation."""
    system, situation = queue
    new = file_book.enter(
        connection,
        {
            "region": city.region,
            "system": system,
            "name": file.name,
            "digest": file.digest,
            "situation": situation,
            "kind": "result",
            "state": file.state.value,
            "reason": file.reason,
            "day": local_day(city, at),
            "scope": file.scope,
            "sequence": file.sequence,
            "lines": file.lines,
            "unread": file.unread,
            "size": file.size,
            "times": 1,
            "first_at": at,
            "last_at": at,
        },
    )
    if new:
        chain = Chain(city.journal, f"system:{system}", at)
        codes: Codes = {"name": file.name, "lines": file.lines, "unread": file.unread, "reason": file.reason or None}
        chain.add("file", file.digest, None, file.state.value, codes)
        chain.write(connection, "hub")


def take_receipt(
    connection: Connection, city: City, queue: tuple[str, str], receipt: BatchReceipt, at: int
) -> tuple[Reply, ...]:
    """Enter what a partner says of a whole file; returns a reply for each member that a refusal concerns.

    A file that nobody sent is kept as a difference of the day.
    """
    system, situation = queue
    row = batches.named(connection, city, system, situation, receipt.name)
    if row is None:
        unknown = ExchangedFile(
            name=receipt.name,
            digest=f"receipt:{receipt.verdict}:{receipt.code}",
            size=0,
            state=FileState.QUARANTINED,
            reason="receipt_of_nothing",
        )
        note(connection, city, queue, unknown, at)
        return ()
    columns = {"receipt": receipt.verdict.value, "receipt_code": receipt.code or None, "receipt_rows": receipt.rows}
    connection.update("batch", {"region": city.region, "id": row["id"]}, columns)
    chain = Chain(city.journal, f"system:{system}", at)
    codes: Codes = {"code": receipt.code or None, "rows": receipt.rows}
    chain.add("receipt", row["id"], None, receipt.verdict.value, codes)
    chain.write(connection, "hub")
    batches.receipted(connection, city, row, receipt, at)
    if receipt.verdict is ReceiptVerdict.ACCEPTED:
        return ()
    again = receipt.verdict is ReceiptVerdict.AGAIN
    code = f"file_refused:{receipt.code}" if receipt.code else "file_refused"
    error: DeliveryError = TemporaryError(code) if again else PermanentError(code)
    members = file_book.open_members(connection, city.region, row["id"])
    return tuple(Reply(delivery_id=member, outcome=error, happened_at=moment(at)) for member in members)


def gaps(files: Iterable[Row]) -> dict[str, Row]:
    """Numbers that a partner left out: ``scope:number`` -> the file after the gap. Within a day they begin at 1.

    ``files``: rows with ``scope`` and ``sequence``, in that order.
    """
    found: dict[str, Row] = {}
    scope, last = None, 0
    for row in files:
        if row["scope"] != scope:
            scope, last = row["scope"], 0 if row["scope"] else row["sequence"] - 1
        for number in range(last + 1, min(row["sequence"], last + 1 + MOST_GAPS)):
            found[f"{scope}:{number}"] = row
        last = max(last, row["sequence"])
    return found


MOST_GAPS = 100
"""A partner that jumps from 7 to 70,000 has one thing to explain, not as many."""


def local_day(city: City, at: int) -> str:
    """The site's date of a time (ms), ISO 8601."""
    return city.calendar.local_day(moment(at)).isoformat()
