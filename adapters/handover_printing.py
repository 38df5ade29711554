"""A handover list as PDF, set by typst from ``handover_list.typ`` with the fonts of the task sheet."""

from datetime import UTC, tzinfo

from adapters.sheet_codes import code128_svg, qr_svg
from adapters.typesetting import local_time, printable_data, shown_number, typeset
from contracts.handover import Handover, HandoverLine

TEMPLATE = "handover_list.typ"


def render_handover(handover: Handover, language: str, zone: tzinfo) -> bytes:
    """The PDF, a copy for either side. Blocks for tens of milliseconds; the same arguments give the same bytes."""
    data = printable_data(
        {
            "language": language,
            "number": handover.number,
            "centre": handover.centre_name,
            "department": handover.department_name,
            "carrier": handover.carrier,
            "run_at": None if handover.run_at is None else local_time(handover.run_at, zone),
            "made_at": local_time(handover.made_at, zone),
            "made_by": handover.made_by,
            "print_no": handover.print_no,
            "printed_at": local_time(handover.printed_at, zone),
            "lines": [_line(line) for line in handover.lines],
        }
    )
    codes = {"qr": qr_svg(handover.number), "bar": code128_svg(handover.number)}
    return typeset(TEMPLATE, "handover", {**data, **codes}, handover.printed_at.astimezone(UTC))


def _line(line: HandoverLine) -> dict[str, object]:
    return {
        "seq": line.seq,
        "sheet": f"{shown_number(line.sheet_no)} / {line.sheet_version:02d}",
        "case_no": line.case_no,
        "item": line.item_name,
        "applicant": line.applicant,
        "originals": line.originals,
        "copies": line.copies,
        "pages": line.pages,
    }
