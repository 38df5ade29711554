"""Record files: layouts as data, pure functions both ways.

A format is a frozen record whose fields are the layout and whose methods write and read it; ``FORMATS`` names them. Writing
goes in two steps, one record at a time and then the file around them, so that a record is mapped, checked and stored before
the batch that carries it is sealed. Reading gives every line a verdict of its own; what casts doubt on the file as a whole
(cut off, wrong count, wrong digest, wrong header) rejects the whole file, and nothing of it may be used.
"""

from collections.abc import Mapping
from dataclasses import fields

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from adapters.csv_records import Csv
from adapters.dbf_records import Dbf
from adapters.fixed_records import Fixed
from adapters.ini_records import Ini
from adapters.record_layout import Columns, Format
from adapters.strict_tables import told
from adapters.text_encodings import Encoding
from adapters.xml_records import Xml
from adapters.zip_records import ZipCsv
from contracts.mistake_words import said
from contracts.near_names import meant
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
    of = FORMATS.get(format_name)
    if of is None:
        raise ValueError(f"the format {format_name} is not one of {', '.join(FORMATS)}{meant(format_name, FORMATS)}")
    declared = {**table, **(framing or {}), "encoding": encoding, "columns": columns}
    try:
        return adapter(of).validate_python(declared)
    except ValidationError as error:
        raise _in_record(error, table, keys_of(of)) from None


COMPUTED = frozenset({"encoding", "columns", "header", "trailer", "fee_cents_per_row", "table"})
"""Fields of a layout that ``record`` does not hold: they stand beside it, or follow from the operations."""


def keys_of(of: type[Format]) -> frozenset[str]:
    """The keys of a layout's ``record`` table."""
    return frozenset(one.name for one in fields(of)) - COMPUTED  # type: ignore[arg-type] # every format is a record


def _in_record(error: ValidationError, table: Fields, keys: frozenset[str]) -> ValidationError:
    """The same mistakes where a person looks for them: in the table ``record``."""
    found: list[InitErrorDetails] = []
    for one in error.errors(include_url=False):
        key = one["loc"][0] if one["loc"] else ""
        message = "no such key" + meant(str(key), keys) if key in table.keys() - keys else said(one)
        place = ("record", *one["loc"]) if key in table.keys() | keys else one["loc"]
        found.append(told(message, place, one["input"]))
    return ValidationError.from_exception_data(error.title, found)
