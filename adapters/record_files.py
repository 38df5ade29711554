"""Record files: layouts as data, pure functions both ways.

A format is a frozen record whose fields are the layout and whose methods write and read it; ``FORMATS`` names them. Writing
goes in two steps, one record at a time and then the file around them, so that a record is mapped, checked and stored before
the batch that carries it is sealed. Reading gives every line a verdict of its own; what casts doubt on the file as a whole
(cut off, wrong count, wrong digest, wrong header) rejects the whole file, and nothing of it may be used.
"""

from collections.abc import Mapping

from adapters.csv_records import Csv
from adapters.dbf_records import Dbf
from adapters.fixed_records import Fixed
from adapters.ini_records import Ini
from adapters.record_layout import Columns, Format
from adapters.text_encodings import Encoding
from adapters.xml_records import Xml
from adapters.zip_records import ZipCsv
from contracts.records import Fields, adapter

FORMATS: Mapping[str, type[Format]] = {
    "csv": Csv,
    "fixed": Fixed,
    "dbf": Dbf,
    "xml": Xml,
    "zip_csv": ZipCsv,
    "ini": Ini,
}
"""Format name -> layout. The keys of a channel's ``record`` table are the fields of the layout."""


def layout(
    format_name: str, encoding: Encoding, columns: Columns, table: Fields, framing: Mapping[str, object] | None = None
) -> Format:
    """The layout that a channel declares. ``framing``: ``header``, ``trailer``, ``fee_cents_per_row``, where it declares them.

    Raises ValueError for an unknown format or columns that it cannot carry, and ValidationError for a wrong table.
    """
    if format_name not in FORMATS:
        raise ValueError(f"the format {format_name} is not one of {', '.join(FORMATS)}")
    declared = {**table, **(framing or {}), "encoding": encoding, "columns": columns}
    return adapter(FORMATS[format_name]).validate_python(declared)
