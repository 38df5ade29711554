"""Records in an XML document: one element a row, its values in elements named for them.

    <?xml version="1.0" encoding="GB18030"?>
    <Package><Head><batch>SC_20261124_001</batch><rows>1</rows><sent_at>20261124200000</sent_at></Head>
    <Body><Row ywlx="SC01"><LSH>...</LSH><XM>...</XM></Row></Body></Package>

A value that is blank is left out. Rows are read without trust: no DTD, no entity, nothing fetched, libxml2's limits of depth.
"""

import re
from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import Annotated, Literal

from lxml import etree
from pydantic import Field

from adapters.file_totals import NO_FACTS, FileFacts
from adapters.record_layout import Columns, bad, encoded
from adapters.record_verdicts import FileRejected, Line, RecordRefused
from adapters.soap_xml import Element, children, parsed_bytes
from adapters.text_encodings import Encoding
from contracts.errors import OutcomeUnknownError
from contracts.records import record

_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"


@record
class Xml:
    """``row`` is the path of a row below ``root``. ``head``: what the file says of itself in the element ``head_name``."""

    encoding: Encoding
    columns: Columns = Columns()
    root: Annotated[str, Field(pattern=rf"^{_NAME}$")]
    row: Annotated[str, Field(pattern=rf"^{_NAME}(/{_NAME})*$")]
    head_name: Annotated[str, Field(pattern=rf"^{_NAME}$")] = "Head"
    head: tuple[Literal["batch", "rows", "sent_at"], ...] = ()
    operation_attribute: Annotated[str, Field(pattern=rf"^{_NAME}$")] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a column whose name no element can have."""
        if strange := [cell.name for cell in self.columns.every() if not re.fullmatch(_NAME, cell.name)]:
            raise ValueError(f"{', '.join(dict.fromkeys(strange))} cannot name an element")

    def record(self, values: Sequence[str], /) -> bytes:
        """One row. Raises RecordRefused where reading it back would give anything but ``values``."""
        cells = self.columns.cells(values)
        for place, value in enumerate(values, 1):
            encoded(value, place, self.encoding)
        row = etree.Element(self.row.rpartition("/")[2])
        try:
            for place, (cell, value) in enumerate(zip(cells, values, strict=True)):
                if place == self.columns.operation_at:
                    row.set(self.operation_attribute, value)
                elif value or not place:
                    etree.SubElement(row, cell.name).text = value
        except ValueError as error:
            raise RecordRefused("a value holds a character that XML cannot carry") from error
        content = f"{etree.tostring(row, encoding='unicode')}\n"
        if self._lines([parsed_bytes(content.encode(), "UTF-8")])[0].values != tuple(values):
            raise RecordRefused("a value holds a character that XML would change")
        return encoded(content, 1, self.encoding)

    def file(self, records: Sequence[bytes], /, facts: FileFacts = NO_FACTS) -> bytes:
        """The document around the rows."""
        batch = escape(PurePath(facts.name).stem)
        told = {"batch": batch, "rows": str(len(records)), "sent_at": f"{facts.at:%Y%m%d%H%M%S}"}
        head = "".join(f"<{name}>{told[name]}</{name}>" for name in self.head)
        above = self.row.split("/")[:-1]
        before = f'<?xml version="1.0" encoding="{self.encoding}"?>\n<{self.root}>' + (
            f"<{self.head_name}>{head}</{self.head_name}>\n" if head else ""
        )
        after = "".join(f"</{name}>" for name in reversed(above)) + f"</{self.root}>\n"
        opening = "".join(f"<{name}>" for name in above) + "\n"
        return b"".join([encoded(before + opening, 1, self.encoding), *records, after.encode()])

    def lines(self, content: bytes, /, *, whole: bool = False, facts: FileFacts = NO_FACTS) -> Sequence[Line]:
        """Every row; ``number`` counts rows. Raises FileRejected: ``xml``, ``structure``, ``rows``, ``sent_at``."""
        try:
            document = parsed_bytes(content, self.encoding)
        except OutcomeUnknownError as error:
            raise FileRejected("xml", error.detail) from error
        *above, row_name = self.row.split("/")
        body = self._only(document, above) if document.tag == self.root else document
        rows = [node for node in children(body) if above or node.tag != self.head_name]
        if document.tag != self.root or any(row.tag != row_name for row in rows):
            raise FileRejected("structure", "the document does not have the declared elements")
        if self.head:
            self._check_head(document, len(rows))
        return self._lines(rows)

    def _check_head(self, document: Element, rows: int) -> None:
        head = self._only(document, [self.head_name])
        told = {str(node.tag): node.text or "" for node in children(head)}
        if set(told) != set(self.head):
            raise FileRejected("structure", "the head does not have the declared elements")
        if told.get("rows", str(rows)) != str(rows):
            raise FileRejected("rows", "the document does not agree with its own rows")
        if not re.fullmatch(r"\d{14}", told.get("sent_at", "0" * 14), re.ASCII):
            raise FileRejected("sent_at", "the document does not say when it was sent")

    @staticmethod
    def _only(document: Element, path: Sequence[str]) -> Element:
        """The one element at the end of ``path``."""
        node = document
        for name in path:
            found = [child for child in children(node) if child.tag == name]
            if len(found) != 1:
                raise FileRejected("structure", f"there must be one {name}")
            node = found[0]
        return node

    def _lines(self, rows: Sequence[Element]) -> Sequence[Line]:
        return [self._line(number, row) for number, row in enumerate(rows, 1)]

    def _line(self, number: int, row: Element) -> Line:
        nodes = list(children(row))
        told = {str(node.tag): node.text or "" for node in nodes}
        first = told.get(self.columns.lead[0].name, "") if self.columns.lead else ""
        line = Line(number=number, first=first)
        if len(told) != len(nodes) or any(len(node) for node in nodes):
            return bad(line, "structure")
        lead = [
            row.get(self.operation_attribute, "") if place == self.columns.operation_at else told.pop(cell.name, "")
            for place, cell in enumerate(self.columns.lead)
        ]
        shape = self.columns.shape(lead)
        if shape is None:
            return bad(line, "operation")
        values = (*lead, *(told.pop(cell.name, "") for cell in shape))
        return bad(line, "columns") if told else Line(number=number, values=values, first=first)
