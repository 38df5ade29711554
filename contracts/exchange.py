"""What comes in as a file: the file itself, what a partner says of a whole file of ours, and the replies inside of it.

Names of files are made of a declared pattern, so that nothing here holds personal data.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import overload

from contracts.delivery import Reply
from contracts.records import record


class FileState(StrEnum):
    """What becomes of a file that came in: its lines count, it said nothing new, or none of it counts."""

    TAKEN = "taken"
    REPEATED = "repeated"
    QUARANTINED = "quarantined"


@record
class ExchangedFile:
    """A file that came in. ``digest``: hex SHA-256, or ``size:n`` of one that was too large to be read.

    ``sequence`` is the number that the partner gave it, within ``scope`` (``20261124``; empty: for good); None where it gives none
    that must be without gaps. ``lines`` that hold a record; ``unread`` of them name no delivery. ``reason``: a countable code.
    """

    name: str
    digest: str
    size: int
    state: FileState
    reason: str = ""
    sequence: int | None = None
    scope: str = ""
    lines: int = 0
    unread: int = 0


class ReceiptVerdict(StrEnum):
    """ACK 文件回执: the file was taken; refused, and the same may come again; refused for good."""

    ACCEPTED = "accepted"
    AGAIN = "again"
    REFUSED = "refused"


@record
class BatchReceipt:
    """What a partner says of the whole file ``name`` that we sent. ``rows``: how many records it counted, where it says so."""

    name: str
    verdict: ReceiptVerdict
    code: str = ""
    rows: int | None = None


@record
class Collected(Sequence[Reply]):
    """What one file brought: its replies, in their order, and the file or the receipt that it was.

    The hub commits them and resumes. If it throws a PermanentError instead, nothing of the file counts: set it aside with that code.
    """

    replies: tuple[Reply, ...] = ()
    file: ExchangedFile | None = None
    receipt: BatchReceipt | None = None

    def __len__(self) -> int:
        return len(self.replies)

    @overload
    def __getitem__(self, index: int, /) -> Reply: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[Reply]: ...
    def __getitem__(self, index: int | slice, /) -> Reply | Sequence[Reply]:
        return self.replies[index]

    def __iter__(self) -> Iterator[Reply]:
        return iter(self.replies)
