"""XML with ElementTree."""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from simulators.file_forms.form import CODECS, Form, Request, Result, Sending, back_values, request_of


def read_xml(form: Form, content: bytes) -> Iterator[Request]:
    told = form.table.record
    text = content.decode(CODECS[form.table.encoding])
    declaration, _, body = text.partition("?>")
    if form.table.encoding not in declaration:
        raise ValueError("encoding")
    root = ET.fromstring(body)  # noqa: S314 - the hub's own file, on loopback
    rows = root.findall(str(told["row"]))
    names = told.get("head")
    head = root.find("Head")
    if isinstance(names, list) and (head is None or [node.tag for node in head] != names):
        raise ValueError("head")
    if head is not None and head.findtext("rows") not in {None, str(len(rows))}:
        raise ValueError("rows")
    for row in rows:
        code = row.get(form.operation_name() or "") if form.operation_name() else form.only()
        values = {node.tag: node.text or "" for node in row}
        known = {one.name for one in form.operations[code or ""].request} | {form.table.reference.name}
        if not values.keys() <= known:
            raise ValueError("element")
        yield request_of(form, code or "", values)


def write_xml(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    told = form.table.record
    root = ET.Element(str(told["root"]))
    names = told.get("head")
    if isinstance(names, list):
        head = ET.SubElement(root, "Head")
        said = {
            "batch": sending.name,
            "rows": str(len(results) + sending.surplus),
            "sent_at": f"{sending.at:%Y%m%d%H%M%S}",
        }
        for name in names:
            ET.SubElement(head, str(name)).text = said[str(name)]
    *above, row_name = str(told["row"]).split("/")
    body = root
    for name in above:
        body = ET.SubElement(body, name)
    for result in results:
        row = ET.SubElement(body, row_name)
        for name, value in back_values(form, result).items():
            if name == form.operation_name():
                row.set(name, value)
            elif value:
                ET.SubElement(row, name).text = value
    encoding = form.table.encoding
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + ET.tostring(root, encoding="unicode")
    return text.encode(CODECS[encoding])
