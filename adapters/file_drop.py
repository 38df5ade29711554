"""File drop: batches go out as one file each, answers come back as result files, over SFTP.

    out   write under a temporary name -> rename -> the same for the control file, which alone says "complete"
    back  a complete file -> verify -> one reply a line -> (the hub commits) -> done; or quarantine with the reason

Until the first rename nothing is visible, so every failure is temporary; from then on it is unknown. A resend finds the same
content under its name and only finishes what is missing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.control_files import Item, control_content, totals
from adapters.file_drop_table import ControlFile, FileDropPlace, FileDropTable, control_name, file_rules, out_name
from adapters.file_records import Exchange, exchange, record_of
from adapters.file_totals import FileFacts
from adapters.record_verdicts import RecordRefused
from adapters.remote_folders import RemoteFolders
from adapters.result_inbox import ResultInbox
from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.crash_points import crash_point
from contracts.delivery import AwaitingReply, Batch, Delivery, Outcome, Reply
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Channel, Gateway, RemoteFiles, Runtime, channel
from contracts.site import ChannelFile, SystemFile, protocol_of
from contracts.situation import ChannelStatus, Situation


def make(system: SystemFile, channel_file: ChannelFile) -> Channel:
    """The channel that a ``file_drop`` table declares.

    Raises ValidationError for a wrong table, ValueError where the table does not fit the system's operations or a channel
    that sends has no ``batching``.
    """
    _, table = protocol_of(channel_file)
    spec = exchange(system, FileDropTable.model_validate(dict(table)))
    if channel_file.batching is None and channel_file.status is not ChannelStatus.FORMER:
        raise ValueError(f"{system.key}: a file_drop channel that sends needs batching")

    def connect(place: FileDropPlace, runtime: Runtime) -> AbstractAsyncContextManager[Gateway]:
        return _open(spec, place, runtime)

    return channel(
        Situation.FILE_DROP,
        FileDropPlace,
        connect,
        resend_is_safe=channel_file.resend_is_safe,
        status=channel_file.status,
        limits=channel_file.limits,
        batching=channel_file.batching,
        files=file_rules(spec.table),
        own_loop=False,
    )


@asynccontextmanager
async def _open(spec: Exchange, place: FileDropPlace, runtime: Runtime) -> AsyncIterator[Gateway]:
    """Connects at the first call, so that a department that is down delays nothing."""
    given = runtime.files()
    files = given or _sftp(spec.table, place, runtime)
    try:
        yield FileDropGateway(spec, files, runtime)
    finally:
        if given is None:
            await runtime.in_thread(files.close)


def _sftp(table: FileDropTable, place: FileDropPlace, runtime: Runtime) -> SftpFiles:
    def secret(name: str | None) -> str:
        return runtime.secret(name) if name else ""

    def login() -> SftpLogin:
        return SftpLogin(
            password=secret(table.auth.password),
            private_key=secret(table.auth.private_key),
            passphrase=secret(table.auth.passphrase),
        )

    return SftpFiles(
        SftpAddress(host=place.host, port=place.port, username=place.username, host_key=place.host_key),
        login,
        SftpTimeouts(**table.timeouts.model_dump()),
    )


class FileDropGateway:
    """An open file exchange: Preparing, BatchGateway, Collecting. Remote calls run in threads, one at a time."""

    def __init__(self, spec: Exchange, files: RemoteFiles, runtime: Runtime) -> None:
        self._spec = spec
        self._secret = runtime.secret
        self._folders = RemoteFolders(files, runtime)
        self._inbox = ResultInbox(spec, self._folders, runtime)

    def prepare(self, delivery: Delivery, /) -> bytes:
        """The delivery's record. Raises PermanentError; CredentialsError where its file could not be sealed."""
        for name in self._spec.secrets:
            self._secret(name)
        return record_of(self._spec, delivery)

    def seal(self, batch: Batch, /) -> bytes:
        """The whole file, around the records as they were stored."""
        records = [one.payload if one.payload is not None else self.prepare(one) for one in batch.deliveries]
        table = self._spec.table
        facts = FileFacts(
            name=out_name(table, batch),
            sequence=batch.sequence,
            day_sequence=batch.day_sequence,
            at=batch.sealed_at.astimezone(ZoneInfo(table.timezone)),
            secret=self._secret,
        )
        try:
            return self._spec.outgoing.file(records, facts)
        except RecordRefused as error:
            raise PermanentError("not_expressible", str(error)) from error

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """Always PermanentError: a record travels in a sealed batch or not at all, or its sequence would be lost."""
        raise PermanentError("batch_only", "this channel takes batches only")

    async def deliver_batch(self, batch: Batch, /) -> Mapping[UUID, Outcome | DeliveryError]:
        """Upload, rename, then the control file. Every member waits for its result line."""
        table = self._spec.table
        content = batch.payload if batch.payload is not None else self.seal(batch)
        name = out_name(table, batch)
        crash_point("put.before")
        await self._place(name, content)
        crash_point("put.before_control")
        if table.control_file is not None:
            rows = len(batch.deliveries) if batch.members is None else batch.members
            try:
                await self._place(*self._control(table.control_file, batch, content, rows))
            except DeliveryError as error:
                # The file itself stands under its final name: a careless department may have taken it.
                raise OutcomeUnknownError(error.code, "the file is there, its control file is not") from error
        crash_point("put.after")
        return {delivery.id: AwaitingReply() for delivery in batch.deliveries}

    async def check(self) -> None:
        """List every folder of the exchange; nothing changes there."""
        back, receipt = self._spec.table.back, self._spec.table.receipt
        receipts = (receipt.dir, receipt.done_dir, receipt.quarantine_dir) if receipt else ()
        for folder in (self._spec.table.out.dir, back.dir, back.done_dir, back.quarantine_dir, *receipts):
            await self._folders.list(folder, 1)

    def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """Receipts, then one sequence a complete result file; see ``ResultInbox``."""
        return self._inbox.collect()

    def _control(self, control: ControlFile, batch: Batch, content: bytes, rows: int) -> tuple[str, bytes]:
        name, layout = out_name(self._spec.table, batch), self._spec.outgoing
        numbers: dict[Item, int] = {"sequence": batch.sequence, "day_sequence": batch.day_sequence}
        if control.sum_of or control.hash_of:
            lines = layout.lines(content, whole=True, facts=FileFacts(name=name, secret=self._secret))
            numbers |= totals(lines, layout.columns, control.sum_of, control.hash_of)
        return control_name(name, control), control_content(
            control.content, name=name, content=content, rows=rows, eol=control.eol, numbers=numbers
        )

    def batch_name(self, batch: Batch, /) -> str:
        """The name of the batch's file."""
        return out_name(self._spec.table, batch)

    async def _place(self, name: str, content: bytes) -> None:
        """Make ``content`` appear under ``name`` as a whole. Raises PermanentError where other content has the name."""
        out = self._spec.table.out
        final = f"{out.dir}/{name}"
        if await self._is_there(final, content):
            return
        temporary = final + out.temporary_suffix
        await self._folders.write(temporary, content)
        crash_point("put.written")
        try:
            await self._folders.rename(temporary, final)
        except TemporaryError as error:
            if error.code != "exists" or not await self._is_there(final, content):
                raise
        crash_point("put.renamed")

    async def _is_there(self, final: str, content: bytes) -> bool:
        if not await self._folders.exists(final):
            return False
        try:
            found = await self._folders.read(final, len(content))
        except TemporaryError as error:
            if error.code == "no_such_file":
                return False
            if error.code != "too_large":
                raise
            found = None
        if found != content:
            raise PermanentError("name_taken", "another file has the name of this batch")
        return True
