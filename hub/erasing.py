"""Erasing a person's data: the key of the case is deleted, and all that was sealed under it cannot be read by anybody any more.

The journal stays whole: it holds commitments under that key, which say nothing without it. What is not sealed under the case's key
goes as well: its lines in the blind index, its uploads, its scanned pages, the files in which it travelled.
"""

import re

from contracts.records import record
from hub import case_index
from hub.case_states import CaseState
from hub.city import City
from hub.core import Core
from hub.keys import Keys
from hub.results.cases import finished
from hub.results.casework import Casework
from hub.results.errors import NotAllowed
from hub.store import erased
from hub.store.blobs import Blobs
from hub.store.connection import Connection

FLAG = "erased"


@record
class EraseOrder:
    """Who has it erased and why: a reference and a code, for the journal."""

    by: str
    reason: str = "request"


@record
class FindQuestion:
    """Whose cases: ``kind`` and what it is."""

    kind: str
    plain: str


@record
class Erasure:
    """``blobs``: stored files that nothing needs any more. ``again``: the case had been erased before."""

    case_no: str
    blobs: tuple[str, ...] = ()
    again: bool = False


def erase(connection: Connection, city: City, case_no: str, order: EraseOrder, at: int) -> Erasure:
    """A unit of work; call ``clean_up`` after its commit. Raises NotFoundHere, NotAllowed."""
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", order.reason):
        raise NotAllowed("the reason is a code of small letters, digits, - and _: the journal keeps it for good")
    work = Casework.load(connection, city, case_no, at, order.by)
    if not work.row["sealed_key"]:
        return Erasure(case_no=case_no, blobs=erased.blobs(connection, city.region, case_no), again=True)
    _require_settled(connection, work)
    pairs = case_index.pairs(work.data)
    uploads = [
        plain
        for kind, plain in sorted(pairs)
        if kind == case_index.UPLOAD and not case_index.others_use(connection, city, case_no, plain)
    ]
    case_index.change(connection, city, case_no, pairs, frozenset())
    blobs = (*uploads, *erased.blobs(connection, city.region, case_no))
    erased.forget_uploads(connection, city.region, uploads)
    work.log("erasure", case_no, None, FLAG, reason=order.reason)
    work.flag(FLAG, up=True)
    work.set(sealed_key=b"", sealed_data=b"")
    work.save()
    return Erasure(case_no=case_no, blobs=blobs)


def _require_settled(connection: Connection, work: Casework) -> None:
    archived = work.row["status"] == CaseState.ARCHIVED or finished(work)
    if not archived or work.open_tasks() or erased.open_deliveries(connection, work.city.region, work.case_no):
        raise NotAllowed(
            f"case {work.case_no} is not at its end: it can be erased when it is finished and nothing of it is under way"
        )


def clean_up(keys: Keys, blobs: Blobs, erasure: Erasure) -> None:
    """After the commit: forget the key in memory and delete the files. Blocks."""
    keys.forget()
    for key in erasure.blobs:
        blobs.delete(key)


async def erase_now(core: Core, case_no: str, order: EraseOrder) -> Erasure:
    """In a running hub: erase, delete the files, and empty the write-ahead log of the old page. Raises NotFoundHere, NotAllowed."""
    done = await core.writer.run(lambda c: erase(c, core.city, case_no, order, core.now_ms()))
    await core.runtime.in_thread(clean_up, core.city.keys, core.blobs, done)
    await core.runtime.in_thread(erased.empty_log, core.settings.data / "onedoor.db")
    return done
