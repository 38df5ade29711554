"""Mutants of channels on paper."""

import ctypes
import io
import itertools
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from contracts.delivery import AwaitingReply, Completed, Confirmation, Decision, Delivery, Outcome, Returned
from contracts.errors import DeliveryError, PermanentError, TemporaryError
from contracts.handover import Handover
from contracts.task_sheet import NumberedSheet, TaskSheet, sheet_code
from tests.conformance.fronts import Front
from tests.conformance.reference import Mutant


class _Issuing(Front):
    """Changes the sheet of a delivery."""

    def sheet(self, sheet: TaskSheet, delivery: Delivery) -> TaskSheet:
        raise NotImplementedError

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        outcome: AwaitingReply = await self.inner.deliver(delivery)
        assert outcome.task_sheet is not None
        return replace(outcome, task_sheet=self.sheet(outcome.task_sheet, delivery))


def _issuing(change: Callable[[TaskSheet, Delivery], TaskSheet]) -> type[_Issuing]:
    class Issuing(_Issuing):
        def sheet(self, sheet: TaskSheet, delivery: Delivery) -> TaskSheet:
            return change(sheet, delivery)

    return Issuing


class _Printing(Front):
    """Changes what is printed."""

    def printed(self, whole: NumberedSheet) -> NumberedSheet:
        raise NotImplementedError

    async def print_sheets(self, sheets: Sequence[NumberedSheet], /) -> bytes:
        return bytes(await self.inner.print_sheets([self.printed(one) for one in sheets]))


def _printing(change: Callable[[NumberedSheet], NumberedSheet]) -> type[_Printing]:
    class Printing(_Printing):
        def printed(self, whole: NumberedSheet) -> NumberedSheet:
            return change(whole)

    return Printing


class _Unmasking(_Printing):
    """Prints identity numbers in full."""

    def printed(self, whole: NumberedSheet) -> NumberedSheet:
        lines = [replace(line, masked=line.masked and not line.value[:6].isdigit()) for line in whole.sheet.lines]
        return replace(whole, sheet=replace(whole.sheet, lines=lines))


class _Saving(_Printing):
    """Saves paper where there are several copies."""

    def printed(self, whole: NumberedSheet) -> NumberedSheet:
        return replace(whole, sheet=replace(whole.sheet, copies=list(whole.sheet.copies)[:1]))


class _Miscoding(_Printing):
    """Prints the code of another version."""

    def printed(self, whole: NumberedSheet) -> NumberedSheet:
        return replace(whole, code=sheet_code(whole.number, 2, bytes(16)))


class _Brief(_Printing):
    """Prints forty lines at most."""

    def printed(self, whole: NumberedSheet) -> NumberedSheet:
        return replace(whole, sheet=replace(whole.sheet, lines=list(whole.sheet.lines)[:80]))


class _Wordless(_Printing):
    """Prints boxes without their words."""

    def printed(self, whole: NumberedSheet) -> NumberedSheet:
        boxes = [replace(box, label_zh="", label_en="") for box in whole.sheet.boxes]
        return replace(whole, sheet=replace(whole.sheet, boxes=boxes))


class _Borrowing(Front):
    """Adds a word in a font that the printer should have."""

    async def print_sheets(self, sheets: Sequence[NumberedSheet], /) -> bytes:
        document = pypdfium2.PdfDocument(io.BytesIO(await self.inner.print_sheets(sheets)))
        page = document[0]
        word = pdfium.FPDFPageObj_NewTextObj(document.raw, b"Helvetica", 8.0)
        letters = "x\0".encode("utf-16-le")
        pdfium.FPDFText_SetText(word, ctypes.cast(ctypes.c_char_p(letters), ctypes.POINTER(ctypes.c_ushort)))
        pdfium.FPDFPageObj_Transform(word, 1, 0, 0, 1, 20, 20)
        pdfium.FPDFPage_InsertObject(page.raw, word)
        pdfium.FPDFPage_GenerateContent(page.raw)
        whole = io.BytesIO()
        document.save(whole)
        document.close()
        # PDFium puts a new id into each file that it writes.
        return re.sub(rb"<[0-9A-F]{32}>\s*\]", b"<00>]", whole.getvalue())


class _Numbering(Front):
    """Numbers its prints for itself."""

    numbers = itertools.count()

    async def print_sheets(self, sheets: Sequence[NumberedSheet], /) -> bytes:
        return bytes(await self.inner.print_sheets(sheets)) + b"%%%d\n" % next(self.numbers)


class _Listing(Front):
    """Leaves the last one off the list."""

    async def print_handover(self, handover: Handover, /) -> bytes:
        return bytes(await self.inner.print_handover(replace(handover, lines=list(handover.lines)[:-1])))


class _Calling(Front):
    """Tells somebody of every print."""

    async def print_sheets(self, sheets: Sequence[NumberedSheet], /) -> bytes:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.connect(("127.0.0.1", 9))
        return bytes(await self.inner.print_sheets(sheets))


class _Busy(Front):
    """Sees nobody once it has something to do."""

    busy = False

    def prepare(self, delivery: Delivery, /) -> bytes:
        self.busy = True
        return bytes(self.inner.prepare(delivery))

    async def check(self) -> None:
        if self.busy:
            raise TemporaryError("busy", "nobody answers")


class _Refusing(Front):
    """Has no sheet for what only has to be looked at."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        outcome: AwaitingReply = await self.inner.deliver(delivery)
        assert outcome.task_sheet is not None
        return replace(outcome, task_sheet=replace(outcome.task_sheet, title_en=""))


class _Confirming(Front):
    """Reads a keyed sheet in its own way."""

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        raise NotImplementedError

    def plain(self, delivery: Delivery, confirmation: Confirmation) -> Outcome | DeliveryError:
        found: Outcome | DeliveryError = self.inner.confirm(delivery, confirmation)
        return found


class _Mild(_Confirming):
    """Takes a lost sheet for a return."""

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        end = self.plain(delivery, confirmation)
        return Returned(reason_code="E") if isinstance(end, TemporaryError) else end


class _Guessing(_Confirming):
    """Takes an unknown box for the first one."""

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        try:
            return self.plain(delivery, confirmation)
        except PermanentError as error:
            if error.code != "unknown_box":
                raise
            return Completed(decision=Decision.DONE, fields={})


class _Speechless(_Confirming):
    """Returns without a reason."""

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        return self.plain(delivery, replace(confirmation, reason_code=confirmation.reason_code or "other"))


class _Deaf(_Confirming):
    """Forgets what was filled in."""

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        end = self.plain(delivery, confirmation)
        return replace(end, fields={}) if isinstance(end, Completed) else end


class _Dropping(_Confirming):
    """Passes over what it does not understand."""

    code = ""

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        try:
            return self.plain(delivery, confirmation)
        except PermanentError as error:
            if error.code != self.code:
                raise
            return self.plain(delivery, replace(confirmation, fields={}))


class _DroppingLines(_Dropping):
    """Passes over lines that the sheet does not have."""

    code = "unknown_field"


class _DroppingValues(_Dropping):
    """Passes over values that are none."""

    code = "bad_field"


def _again(sheet: TaskSheet, delivery: Delivery) -> TaskSheet:
    return replace(sheet, title_zh=f"{sheet.title_zh}（补）") if delivery.attempt > 1 else sheet


def _without(field: str) -> type[_Issuing]:
    """Leaves out the last of a list."""

    def change(sheet: TaskSheet, _delivery: Delivery) -> TaskSheet:
        changes: dict[str, Any] = {field: list(getattr(sheet, field))[:-1]}
        return replace(sheet, **changes)

    return _issuing(change)


def _real(sheet: TaskSheet, delivery: Delivery) -> TaskSheet:
    return replace(sheet, notice_zh="", notice_en="") if delivery.test else sheet


def _sure(sheet: TaskSheet, delivery: Delivery) -> TaskSheet:
    return replace(sheet, notice_zh="", notice_en="") if delivery.possible_duplicate else sheet


def of_office(check: str, gateway: Callable[..., Any]) -> Mutant:
    """A mutant of the reference system on paper."""
    return Mutant(check=check, of="EE-office", gateway=gateway)


MUTANTS = (
    of_office("paper-is-always-there", _Busy),
    of_office("delivery-becomes-a-sheet", _Refusing),
    of_office("same-delivery-same-sheet", _issuing(_again)),
    of_office("sheet-shows-the-request", _without("lines")),
    of_office("sheet-asks-for-the-reply", _without("reply_lines")),
    of_office("sheet-has-every-box", _without("boxes")),
    of_office("sheet-lists-the-papers", _without("materials")),
    of_office("test-copy-says-so", _issuing(_real)),
    of_office("possible-duplicate-says-so", _issuing(_sure)),
    of_office("identity-number-is-masked", _Unmasking),
    of_office("print-has-a-page-for-each-copy", _Saving),
    of_office("codes-on-every-page", _Miscoding),
    of_office("print-can-be-read", _Wordless),
    of_office("fonts-are-embedded", _Borrowing),
    of_office("print-is-repeatable", _Numbering),
    of_office("reprint-says-so", _printing(lambda whole: replace(whole, print_no=1))),
    of_office("long-content-flows-on", _Brief),
    of_office("handover-list-prints", _Listing),
    of_office("nothing-leaves-by-itself", _Calling),
    of_office("every-box-confirms", _Mild),
    of_office("undeclared-box-is-refused", _Guessing),
    of_office("returned-box-needs-its-reason", _Speechless),
    of_office("keyed-lines-come-back", _Deaf),
    of_office("unknown-line-is-refused", _DroppingLines),
    of_office("bad-line-is-refused", _DroppingValues),
)
