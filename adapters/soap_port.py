"""The operations of one port of a WSDL: zeep writes the messages, and holds the answers against the schemas."""

from collections.abc import Mapping
from typing import Any

from lxml import etree
from pydantic import JsonValue

from adapters.soap_table import SoapTable
from adapters.soap_xml import XSI, Element, children, leaf, local, resolve_references, tree
from adapters.xsd_facets import NONE, Facets, SimpleTypes
from contracts.errors import OutcomeUnknownError, PermanentError
from contracts.records import Fields

_RPC_RESULT = "{http://www.w3.org/2003/05/soap-rpc}result"
"""Says which element is the return value (SOAP 1.2 part 2 section 4.2.1): the WSDL says so already, and does not list it."""
_ENCODING_STYLE = "http://schemas.xmlsoap.org/soap/encoding/"


class Port:
    """The operations of one port. Safe for use by several threads once it is made."""

    def __init__(
        self, operations: Mapping[str, Any], schema: Any, table: SoapTable, namespace: str, types: SimpleTypes
    ) -> None:
        """``operations``: zeep's, by name; ``schema``: zeep's types; ``namespace``: the target namespace of the WSDL; ``types``: what
        zeep reads past."""
        self.types = types
        self._operations = operations
        self._schema = schema
        self._table = table
        self._namespace = namespace
        self._types = table.style == "rpc/encoded" or any(
            quirk.kind == "xsi_type_on_every_element" for quirk in table.binding_quirks
        )

    @property
    def names(self) -> frozenset[str]:
        """The operations."""
        return frozenset(self._operations)

    def answers(self, operation: str) -> bool:
        """Whether an operation has an answer at all."""
        one = self._operations[operation]
        return getattr(one.input, "body", None) is not None and getattr(one.output, "body", None) is not None

    def operation_of(self, request: Element) -> str | None:
        """Whose request that child of a Body is; None: nobody's."""
        return next((name for name, one in self._operations.items() if one.input.body.qname == request.tag), None)

    def request_names(self, operation: str) -> frozenset[str]:
        """The elements that can hold fields of an operation's request."""
        return _names(self._operations[operation].input.body)

    def reply_names(self, operation: str) -> frozenset[str]:
        """The elements that can hold fields of an operation's answer."""
        return _names(self._operations[operation].output.body)

    def message(self, operation: str, *, reply: bool) -> Any:
        """zeep's element of a message, or the one in it, whose own elements hold the fields."""
        body = self._operations[operation].output.body if reply else self._operations[operation].input.body
        holder = _holder(body)
        return body if holder is None else dict(_elements(body))[holder]

    def elements(self, operation: str, *, reply: bool) -> Mapping[str, Any]:
        """zeep's elements of a message that can hold fields, by name, in the order of the WSDL."""
        return dict(_elements(self.message(operation, reply=reply)))

    def facets(self, operation: str, place: str, *, reply: bool) -> Facets:
        """What the schemas allow in the element at that dotted path."""
        element, owner = self.message(operation, reply=reply), None
        for name in place.split("."):
            owner, element = element.type, dict(_elements(element)).get(name)
            if element is None:
                return NONE
        return self.types.of(element, owner)

    def soap_action(self, operation: str) -> str:
        """The SOAPAction; blank where the WSDL gives none."""
        return str(self._operations[operation].soapaction or "")

    def wsa_action(self, operation: str) -> str:
        """The WS-Addressing action: the WSDL's, else the SOAPAction, else the default pattern of WS-Addressing."""
        found = self._operations[operation].abstract.wsa_action or self.soap_action(operation)
        return str(found) if found else f"{self._namespace}/{operation}"

    def request(self, operation: str, fields: Fields, body: Element) -> None:
        """Append the request to a SOAP Body. Raises PermanentError where the WSDL has no room for a field, or wants more."""
        self._render(self._operations[operation].input.body, fields, body)

    def reply(self, operation: str, fields: Fields, body: Element) -> None:
        """Append the answer to a SOAP Body: what a department does. Raises PermanentError as ``request`` does."""
        self._render(self._operations[operation].output.body, fields, body)

    def _render(self, element: Any, fields: Fields, body: Element) -> None:
        from zeep.exceptions import Error  # noqa: PLC0415 - a quarter of a second, only where SOAP is spoken

        try:
            holder = _holder(element)
            placed = fields if holder is None or holder in fields else {holder: dict(fields)}
            values = {name: self._fitted(value, child) for name, value, child in _matched(element, placed)}
            element.render(body, element(**values))
        except (Error, TypeError, ValueError) as error:
            # The text of zeep's errors may repeat a value; its class and the place do not.
            raise PermanentError(
                "not_in_wsdl", f"the message does not fit {local_name(element)} of the WSDL"
            ) from error
        if self._types:
            _say_types(body[-1], element)
        if self._table.style == "rpc/encoded":
            body[-1].set(f"{{{etree.QName(body).namespace}}}encodingStyle", _ENCODING_STYLE)

    def _fitted(self, value: JsonValue, element: Any) -> Any:
        """A value of ours in the shape of its element: a list may be a repeated element, a wrapper around one, or a joined text."""
        inner = _elements(element)
        match value:
            case list() if element.accepts_multiple:
                return [self._single(one, element) for one in value]
            case list() if _is_list(element):
                return {inner[0][0]: [self._single(one, inner[0][1]) for one in value]}
            case list() if not inner and not any(isinstance(one, dict | list) for one in value):
                return self._table.separator.join(leaf(one) for one in value)
            case list():
                raise ValueError("a list needs an element that may repeat")
            case _:
                return self._single(value, element)

    def _single(self, value: JsonValue, element: Any) -> Any:
        if not isinstance(value, dict):
            return leaf(value)
        return {name: self._fitted(inner, child) for name, inner, child in _matched(element, value)}

    def read_reply(self, operation: str, answer: Element) -> dict[str, JsonValue]:
        """The child of a Body as named texts, in the structure that the WSDL declares. Raises OutcomeUnknownError."""
        one = self._operations[operation]
        expected = {one.output.body.qname.localname}
        if self._table.style != "document/literal":
            expected.add(f"{operation}Response")
        namespace = one.output.body.qname.namespace
        if local(answer) not in expected or (namespace and etree.QName(answer).namespace != namespace):
            raise OutcomeUnknownError("wrong_answer", f"the answer is not that of the operation {operation}")
        return self._read(one.output.body, answer)

    def read_request(self, operation: str, request: Element) -> dict[str, JsonValue]:
        """The same for a request: what a department does."""
        return self._read(self._operations[operation].input.body, request)

    def _read(self, element: Any, node: Element) -> dict[str, JsonValue]:
        """zeep holds the answer against the WSDL. The values are taken as text: zeep reads every word as a boolean."""
        from zeep.exceptions import Error  # noqa: PLC0415 - see above

        try:
            if self._table.style == "rpc/encoded":
                resolve_references(node)
            for named in node.findall(_RPC_RESULT):
                node.remove(named)
            element.parse(node, self._schema)
            found = tree(node)
        except (Error, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            # zeep's builtin types raise what the value happens to break in them.
            raise OutcomeUnknownError("unreadable_answer", "the answer does not fit the WSDL") from error
        holder = _holder(element)
        inner = found[holder] if isinstance(found, dict) and holder is not None and set(found) == {holder} else found
        return inner if isinstance(inner, dict) else {}


def local_name(element: Any) -> str:
    """The name of a zeep element."""
    return str(element.qname.localname)


def _elements(element: Any) -> list[tuple[str, Any]]:
    return list(getattr(element.type, "elements", []))


def _holder(element: Any) -> str | None:
    """The one element of a message that holds all its fields, as a struct does; None where they lie side by side."""
    found = _elements(element)
    alone = len(found) == 1 and not found[0][1].accepts_multiple and not _is_list(found[0][1])
    return found[0][0] if alone and _elements(found[0][1]) else None


def _is_list(element: Any) -> bool:
    inner = _elements(element)
    return len(inner) == 1 and bool(inner[0][1].accepts_multiple)


def _names(element: Any) -> frozenset[str]:
    found, holder = dict(_elements(element)), _holder(element)
    return frozenset(found if holder is None else dict(_elements(found[holder])))


def _matched(element: Any, fields: Fields) -> list[tuple[str, JsonValue, Any]]:
    known = dict(_elements(element))
    strange = set(fields) - set(known)
    if strange:
        raise ValueError(f"no element {', '.join(sorted(strange))}")
    return [(name, value, known[name]) for name, value in fields.items() if value is not None]


def _say_types(node: Element, element: Any) -> None:
    """xsi:type on every element below ``node`` whose type has a name."""
    known = dict(_elements(element))
    for child in children(node):
        declared_as = known.get(local(child))
        if declared_as is not None:
            if declared_as.type.qname is not None:
                child.set(f"{{{XSI}}}type", etree.QName(declared_as.type.qname))
            _say_types(child, declared_as)
