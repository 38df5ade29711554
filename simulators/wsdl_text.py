"""The WSDL that a department would hand out for a SOAP system, written from its table and its operations.

The sample city's files were made with it, and so are those of tests. A real department's WSDL is its own and is not written here.
"""

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import quoteattr

from adapters.soap_table import CompactDates, SoapTable, SoapWire, StringCutByBytes, XmlInString
from contracts.catalogue import Column, Operation, ReplyField, RequestField
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation

_XSD_TYPES: Mapping[str, str] = {
    "bool": "xsd:boolean",
    "int": "xsd:int",
    "decimal": "xsd:decimal",
    "money": "xsd:decimal",
    "date": "xsd:date",
    "codes": "tns:CodeList",
}
_TRANSPORT = "http://schemas.xmlsoap.org/soap/http"
_ENCODED = ' use="encoded" encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'


@record
class Part:
    """An element of a message."""

    name: str
    type: str
    optional: bool = False


@record
class _Message:
    """One operation: its name and the elements of both directions."""

    name: str
    request: tuple[Part, ...]
    reply: tuple[Part, ...]


def wsdl_text(system: SystemFile, table: SoapTable) -> str:
    """A complete WSDL 1.1 document without imports."""
    writer = _Writer(system, table)
    return "\n".join(writer.lines()) + "\n"


class _Writer:
    def __init__(self, system: SystemFile, table: SoapTable) -> None:
        self._system = system
        self._table = table
        self._namespace = f"urn:sample-city:{system.key.lower()}"
        self._compact = table.has(CompactDates)
        self._lists: dict[str, tuple[str, str]] = {}
        self._types: dict[str, Sequence[Part]] = {}
        self._is_rpc = table.style.startswith("rpc")

    def lines(self) -> Iterator[str]:
        messages = list(self._messages())
        key = self._system.key
        soap = (
            "http://schemas.xmlsoap.org/wsdl/soap/"
            if self._table.soap_version == "1.1"
            else "http://schemas.xmlsoap.org/wsdl/soap12/"
        )
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield f'<wsdl:definitions name="{key}" targetNamespace="{self._namespace}"'
        yield '    xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        yield f'    xmlns:soap="{soap}" xmlns:tns="{self._namespace}">'
        yield from self._schema(messages)
        for message in messages:
            yield from self._wsdl_messages(message)
        yield f'  <wsdl:portType name="{key}">'
        for message in messages:
            yield f'    <wsdl:operation name="{message.name}">'
            yield f'      <wsdl:input message="tns:{message.name}Request"/>'
            yield f'      <wsdl:output message="tns:{message.name}Response"/>'
            yield "    </wsdl:operation>"
        yield "  </wsdl:portType>"
        yield f'  <wsdl:binding name="{key}Soap" type="tns:{key}">'
        style, use = self._table.style.split("/")
        yield f'    <soap:binding style="{style}" transport="{_TRANSPORT}"/>'
        spaced = f' namespace="{self._namespace}"' if self._is_rpc else ""
        body = f"<soap:body{_ENCODED if use == 'encoded' else ' use=' + quoteattr(use)}{spaced}/>"
        for message in messages:
            yield f'    <wsdl:operation name="{message.name}">'
            yield f'      <soap:operation soapAction="{self._namespace}/{message.name}"/>'
            yield f"      <wsdl:input>{body}</wsdl:input>"
            yield f"      <wsdl:output>{body}</wsdl:output>"
            yield "    </wsdl:operation>"
        yield "  </wsdl:binding>"
        yield f'  <wsdl:service name="{key}">'
        yield f'    <wsdl:port name="{key}Soap" binding="tns:{key}Soap">'
        yield f'      <soap:address location="http://department.invalid{self._table.base_path}"/>'
        yield "    </wsdl:port>"
        yield "  </wsdl:service>"
        yield "</wsdl:definitions>"

    def _schema(self, messages: Sequence[_Message]) -> Iterator[str]:
        form = "unqualified" if self._is_rpc else "qualified"
        yield "  <wsdl:types>"
        yield f'    <xsd:schema targetNamespace="{self._namespace}" elementFormDefault="{form}">'
        if not self._is_rpc:
            for message in messages:
                for name, parts in ((message.name, message.request), (f"{message.name}Response", message.reply)):
                    yield f'      <xsd:element name="{name}">'
                    yield "        <xsd:complexType>"
                    yield from _sequence(parts, "          ")
                    yield "        </xsd:complexType>"
                    yield "      </xsd:element>"
        for name, fields in self._types.items():
            yield f'      <xsd:complexType name="{name}">'
            yield from _sequence(fields, "        ")
            yield "      </xsd:complexType>"
        for name, (item, kind) in self._lists.items():
            yield f'      <xsd:complexType name="{name}">'
            yield "        <xsd:sequence>"
            yield f'          <xsd:element name="{item}" type="{kind}" minOccurs="0" maxOccurs="unbounded"/>'
            yield "        </xsd:sequence>"
            yield "      </xsd:complexType>"
        yield "    </xsd:schema>"
        yield "  </wsdl:types>"

    def _wsdl_messages(self, message: _Message) -> Iterator[str]:
        for way, parts in (("Request", message.request), ("Response", message.reply)):
            yield f'  <wsdl:message name="{message.name}{way}">'
            if self._is_rpc:
                yield from (f'    <wsdl:part name="{part.name}" type="{part.type}"/>' for part in parts)
            else:
                yield f'    <wsdl:part name="parameters" element="tns:{message.name}{way.removeprefix("Request")}"/>'
            yield "  </wsdl:message>"

    def _messages(self) -> Iterator[_Message]:
        table = self._table
        every: dict[str, Part] = {}
        for operation in self._system.operations:
            if Situation.API in operation.wire:
                wire = SoapWire.model_validate(dict(operation.wire[Situation.API]))
                reply = self._fields(operation.reply)
                every |= {part.name: _merged(part, every.get(part.name)) for part in reply}
                yield self._message(wire.operation, self._requested(operation), self._answered(reply))
        if table.enquire_operation:
            yield self._message(table.enquire_operation, [_reference(table)], self._answered(list(every.values())))
        if table.poll and table.poll.operation:
            names = table.poll
            question = [
                Part(name=names.since, type="xsd:string", optional=True),
                Part(name=names.limit, type="xsd:int"),
            ]
            self._types["Result"] = self._answered(list(every.values()))
            self._lists["ResultList"] = ("JG", "tns:Result")
            listed = [
                Part(name=names.rows, type="tns:ResultList"),
                Part(name=names.following, type="xsd:string", optional=True),
            ]
            yield self._message(names.operation or "", question, listed)

    def _message(self, name: str, request: Sequence[Part], reply: Sequence[Part]) -> _Message:
        table = self._table
        match table.argument:
            case XmlInString() as form:
                request = [Part(name=form.argument, type="xsd:string")]
                reply = [Part(name=form.result, type="xsd:string")]
            case StringCutByBytes() as form:
                request = [Part(name=form.argument, type="xsd:string")]
                reply = [Part(name=form.result.name, type="xsd:string")]
            case None:
                request = self._held(f"{name}Request", "request", request)
                reply = self._held(f"{name}Reply", "return", reply)
        return _Message(name=name, request=tuple(request), reply=tuple(reply))

    def _held(self, name: str, inside: str, parts: Sequence[Part]) -> Sequence[Part]:
        """The parts of an RPC message cannot be left out, so one of them holds what may be."""
        if not self._is_rpc:
            return parts
        self._types[name] = parts
        return [Part(name=inside, type=f"tns:{name}")]

    def _requested(self, operation: Operation) -> Sequence[Part]:
        fields = self._fields(operation.request)
        return [_reference(self._table), *fields] if self._table.reference.place == "element" else fields

    def _answered(self, reply: Sequence[Part]) -> Sequence[Part]:
        names = self._table.answer
        optional = [names.operation, names.happened_at, names.department_ref, names.reason_code, names.wanted]
        return [
            Part(name=self._table.echo, type="xsd:string"),
            Part(name=self._system.result_field, type="xsd:string"),
            *(Part(name=name, type="xsd:string", optional=True) for name in optional),
            *(Part(name=part.name, type=part.type, optional=True) for part in reply),
        ]

    def _fields(self, fields: Sequence[RequestField | ReplyField | Column]) -> Sequence[Part]:
        return [
            Part(name=field.name, type=self._type(field), optional=not getattr(field, "required", False))
            for field in fields
        ]

    def _type(self, field: RequestField | ReplyField | Column) -> str:
        if isinstance(field, RequestField | ReplyField) and field.type == "table":
            rows = self._fields(field.columns)
            name = f"{field.name}Row"
            if self._types.setdefault(name, rows) != rows:
                name = f"{field.name}Row{len(self._types)}"
                self._types[name] = rows
            self._lists[f"{name}List"] = ("ROW", f"tns:{name}")
            return f"tns:{name}List"
        if field.type == "codes":
            self._lists["CodeList"] = ("CODE", "xsd:string")
        if field.type == "date" and self._compact:
            return "xsd:string"
        return _XSD_TYPES.get(field.type, "xsd:string")


def _reference(table: SoapTable) -> Part:
    return Part(name=table.reference.name, type="xsd:string")


def _merged(part: Part, known: Part | None) -> Part:
    """Two operations may give one name two types: an answer that may belong to either holds text."""
    return part if known is None or known.type == part.type else Part(name=part.name, type="xsd:string", optional=True)


def _sequence(parts: Sequence[Part], indent: str) -> Iterator[str]:
    yield f"{indent}<xsd:sequence>"
    for part in parts:
        least = ' minOccurs="0"' if part.optional else ""
        yield f'{indent}  <xsd:element name="{part.name}" type="{part.type}"{least}/>'
    yield f"{indent}</xsd:sequence>"
