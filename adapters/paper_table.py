"""The ``[systems.channels.paper]`` table of a department without IT.

    [systems.channels.paper]
    sheet = { copies = 3, copies_for = ["department", "centre", "file"], barcode = "code128", qr = true, version_stamp = true }
    handover_list = true
    pickup = { weekdays = [1, 3, 5], time = "14:30", carrier = "courier", skip_holidays = true }
    confirm = { steps = ["key_result", "scan_stamped_sheet"], second_person_for = ["completed.refused"], back_dated_with_reason = true }
    remind_after_working_days = 3
    code_style = "box"

An operation says in ``wire.paper``: ``sheet``, the number of its form, and where the usual sentence will not do ``todo_zh`` and ``todo_en``.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adapters.strict_tables import Strict
from contracts.catalogue import ResultKind

Weekday = Annotated[int, Field(ge=1, le=7)]
TimeOfDay = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class SheetTable(Strict):
    """What is printed. ``copies_for``: who keeps each copy, in order. ``language`` of the printed words.

    ``masked``: request fields to print with their middle hidden besides identity numbers, which always are.
    """

    copies: int = 3
    copies_for: tuple[Literal["department", "centre", "file", "applicant"], ...] = ("department", "centre", "file")
    barcode: Literal["code128", "none"] = "code128"
    qr: bool = True
    version_stamp: bool = True
    language: Literal["zh", "en"] = "zh"
    masked: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _every_copy_has_a_holder(self) -> Self:
        if not self.copies_for or len(self.copies_for) != self.copies:
            raise ValueError("copies_for must name who keeps each of the copies")
        if len(set(self.copies_for)) != self.copies:
            raise ValueError("copies_for names one holder twice")
        return self


class PickupBatch(Strict):
    """A pick-up rarer than weekly. ``day`` is a text for people."""

    kind: Literal["monthly"] = "monthly"
    day: str


class Pickup(Strict):
    """When the papers leave the centre. ``weekdays``: 1 Monday to 7 Sunday; ``time``: ``HH:MM``, time of the site."""

    weekdays: tuple[Weekday, ...] = (1, 2, 3, 4, 5)
    time: TimeOfDay
    carrier: str = "courier"
    skip_holidays: bool = True
    batch: PickupBatch | None = None


class Confirm(Strict):
    """How a stamped sheet comes back into the hub. ``second_person_for``: outcomes that one person cannot confirm alone."""

    steps: tuple[Literal["key_result", "scan_stamped_sheet"], ...] = ("key_result", "scan_stamped_sheet")
    second_person_for: tuple[ResultKind, ...] = (ResultKind.REFUSED,)
    back_dated_with_reason: bool = True


class PaperTable(Strict):
    """The whole table; every key has a default, so that ``paper = {}`` is a channel."""

    sheet: SheetTable = SheetTable()
    handover_list: bool = True
    pickup: Pickup | None = None
    confirm: Confirm = Confirm()
    remind_after_working_days: int | None = Field(default=None, ge=1)
    code_style: Literal["box"] = "box"


class WirePaper(Strict):
    """``wire.paper`` of an operation."""

    sheet: str = Field(min_length=1, max_length=32)
    todo_zh: str = ""
    todo_en: str = ""


class PaperSettings(Strict):
    """The place of installation: times on a sheet are shown in this zone."""

    timezone: str = "Asia/Shanghai"
