"""Receipts 文件回执: what a partner says of a whole file of ours, before it says anything of the records.

One small file each, named as ours with another suffix, ``key=value`` lines inside. What cannot be read goes to quarantine.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from adapters.file_drop_table import ControlFile, FileDropTable, Receipt, control_name
from adapters.file_names import name_matcher
from adapters.put_away import PutAway
from adapters.record_verdicts import FileRejected
from adapters.remote_folders import RemoteFolders
from contracts.errors import TemporaryError
from contracts.exchange import BatchReceipt, ReceiptVerdict
from contracts.plugin import Runtime

MAX_BYTES = 65_536
PAGE = 500


class ReceiptInbox:
    """The folder of receipts of one channel."""

    def __init__(self, table: FileDropTable, folders: RemoteFolders, runtime: Runtime) -> None:
        assert table.receipt is not None
        self._receipt = table.receipt
        self._folders = folders
        self._matcher = name_matcher(table.out.pattern)
        self._extension = table.out.pattern.rpartition(".")[2] if "." in table.out.pattern else ""
        self._put_away = PutAway(folders, table.receipt, runtime, MAX_BYTES)

    async def ready(self) -> AsyncGenerator[BatchReceipt, None]:
        """Every receipt that can be read; call ``done`` for it before going on."""
        async with aclosing(self._folders.pages(self._receipt.dir, PAGE)) as pages:
            async for page in pages:
                for file, _size, _at in page:
                    name = f"{file.removesuffix(self._receipt.suffix)}.{self._extension}".rstrip(".")
                    if not file.endswith(self._receipt.suffix) or not self._matcher.fullmatch(name):
                        continue
                    try:
                        content = await self._folders.read(f"{self._receipt.dir}/{file}", MAX_BYTES)
                        yield receipt_of(self._receipt, name, content)
                    except FileRejected as error:
                        await self._put_away.set_aside([file], error.code, error.detail)
                    except TemporaryError as error:
                        if error.code == "too_large":
                            await self._put_away.set_aside([file], "receipt", "a receipt is a few lines")
                        elif error.code != "no_such_file":
                            raise

    async def done(self, receipt: BatchReceipt) -> None:
        """It is committed: put it away."""
        await self._put_away.archive([control_name(receipt.name, ControlFile(suffix=self._receipt.suffix))], [])


def receipt_of(receipt: Receipt, name: str, content: bytes) -> BatchReceipt:
    """What a receipt says. Raises FileRejected (``receipt``)."""
    pairs = [line.partition("=") for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    told = {key.strip(): value.strip() for key, _, value in pairs}
    if len(told) != len(pairs):
        raise FileRejected("receipt", "a key stands twice")
    rows = told.get(receipt.rows or "")
    if rows is not None and not re.fullmatch(r"[0-9]{1,9}", rows, re.ASCII):
        raise FileRejected("receipt", "its number of records is none")
    code = told.get(receipt.code or "", "")
    if receipt.code is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", code, re.ASCII):
        raise FileRejected("receipt", "it has no code")
    verdict = ReceiptVerdict.ACCEPTED
    if receipt.code is not None and code not in receipt.accepted:
        verdict = ReceiptVerdict.AGAIN if code in receipt.again else ReceiptVerdict.REFUSED
    return BatchReceipt(name=name, verdict=verdict, code=code, rows=int(rows) if rows is not None else None)
