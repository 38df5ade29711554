"""The layouts of record files as a department's own software reads and writes them: a witness of its own.

Nothing here is code under test: csv, struct, ElementTree, configparser and pyzipper stand where the adapters have their own. Only the
declaration is shared. What cannot be read raises (ValueError, LookupError, csv.Error ..), and the department takes none of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from simulators.file_forms.csv_form import read_csv, write_csv
from simulators.file_forms.dbf_form import read_dbf, write_dbf
from simulators.file_forms.fixed_form import read_fixed, write_fixed
from simulators.file_forms.form import Form, Request, Result, Sending
from simulators.file_forms.ini_form import read_ini, write_ini
from simulators.file_forms.xml_form import read_xml, write_xml
from simulators.file_forms.zip_form import read_zip, write_zip

__all__ = ["Form", "Request", "Result", "Sending", "read_requests", "write_results"]


def read_requests(form: Form, content: bytes) -> Sequence[Request]:
    """Every record of a file. Raises where anything of it is not as declared."""
    return list(_READERS[form.table.format](form, content))


def write_results(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    """A result file."""
    return _WRITERS[form.table.format](form, results, sending)


_READERS: Mapping[str, Callable[[Form, bytes], Iterator[Request]]] = {
    "csv": read_csv,
    "fixed": read_fixed,
    "dbf": read_dbf,
    "xml": read_xml,
    "zip_csv": read_zip,
    "ini": read_ini,
}
_WRITERS: Mapping[str, Callable[[Form, Sequence[Result], Sending], bytes]] = {
    "csv": write_csv,
    "fixed": write_fixed,
    "dbf": write_dbf,
    "xml": write_xml,
    "zip_csv": write_zip,
    "ini": write_ini,
}
