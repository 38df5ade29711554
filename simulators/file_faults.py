"""What a department does wrong with a result file: which of it its layout has room for, and how."""

from collections.abc import Mapping
from typing import Final

from adapters.file_drop_table import FileDropTable
from simulators.faults import Fault
from simulators.file_forms.form import CODECS

NOTE: Final[Mapping[Fault, str]] = {Fault.REENCODED_FILE: "re-encoded", Fault.WRONG_COUNTS: "miscounted"}
"""What the ledger adds to a reply in such a file."""

_BINARY: Final = frozenset({"zip_csv", "dbf"})


def impossible(table: FileDropTable) -> frozenset[Fault]:
    """What this exchange has no room for: a number of records that is stated nowhere, another encoding inside of a binary file."""
    found = set[Fault]()
    if table.format in _BINARY:
        found.add(Fault.REENCODED_FILE)
    control, back = table.back.control_file, table.back
    totals = (back.header or table.header, back.trailer or table.trailer)
    head = table.record.get("head")
    states = (
        (control is not None and "rows" in control.content)
        or any(field.name == "rows" for one in totals if one is not None for field in one.fields)
        or (isinstance(head, list) and "rows" in head)
    )
    if not states:
        found.add(Fault.WRONG_COUNTS)
    return frozenset(found)


def reencoded(content: bytes, encoding: str) -> bytes:
    """The same text in the other of the two encodings that departments mix up."""
    codec = CODECS[encoding]
    return content.decode(codec).encode("gb18030" if codec == "utf-8" else "utf-8")
