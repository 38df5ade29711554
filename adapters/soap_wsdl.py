"""A vendored WSDL: its bundle of files, and zeep's bindings over it. Nothing outside the bundle is opened, nothing is fetched.

``declared`` looks at the file alone and says plainly what is wrong with it; ``read_port`` does the rest. zeep is slow to import,
hence only where a site speaks SOAP.
"""

import logging
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from lxml import etree
from pydantic import JsonValue

from adapters.soap_table import SoapTable
from adapters.soap_xml import XSI, Element, children, leaf, local, resolve_references, tree
from adapters.wsdl_lock import MOST_BYTES, Locked, LockError, read, verified
from contracts.errors import OutcomeUnknownError, PermanentError
from contracts.records import Fields, record

_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_BINDING = {"1.1": "{http://schemas.xmlsoap.org/wsdl/soap/}", "1.2": "{http://schemas.xmlsoap.org/wsdl/soap12/}"}
_RPC_RESULT = "{http://www.w3.org/2003/05/soap-rpc}result"
"""Says which element is the return value (SOAP 1.2 part 2 section 4.2.1): the WSDL says so already, and does not list it."""
_ENCODING_STYLE = "http://schemas.xmlsoap.org/soap/encoding/"


class WsdlError(ValueError):
    """A WSDL that cannot be used, with what to do about it."""


@record
class Bundle:
    """The WSDL and what lies beside and below it: all that may be opened. ``path`` is absolute, without symbolic links.

    ``locked``: the files of its lock, by path below the WSDL's folder, and then nothing else is opened; None: it has none.
    """

    path: Path
    locked: Mapping[str, Locked] | None = None

    def load(self, location: str) -> bytes:
        """A file of the bundle, by path or file URL. Raises WsdlError for everything else."""
        parts = urlsplit(location)
        if parts.scheme not in {"", "file"} or parts.netloc:
            raise WsdlError(f"{self.path.name} refers to {location}: put that file beside it and refer to it there")
        found = Path(unquote(parts.path) if parts.scheme else location).resolve()
        if not found.is_relative_to(self.path.parent):
            raise WsdlError(f"{self.path.name} refers to a file outside its folder: {found.name}")
        try:
            if found.stat().st_size > MOST_BYTES:
                raise WsdlError(f"{found.name} holds more than {MOST_BYTES} bytes")
            content = found.read_bytes()
        except OSError as error:
            raise WsdlError(f"{found.name} cannot be read: {error.strerror}") from error
        if self.locked is None:
            return content
        try:
            return verified(content, found.relative_to(self.path.parent).as_posix(), self.locked)
        except LockError as error:
            raise WsdlError(str(error)) from error


def bundle_of(folder: Path, wsdl: str) -> Bundle:
    """The bundle of a channel's ``wsdl``. Raises WsdlError where it leads out of the department's folder."""
    path, root = (folder / wsdl).resolve(), folder.resolve()
    if not path.is_relative_to(root):
        raise WsdlError(f"{wsdl} leads out of the department's folder")
    lock = path.with_name(f"{path.name}.lock")
    if not lock.exists():
        return Bundle(path=path)
    try:
        return Bundle(path=path, locked={file.path: file for file in read(lock)})
    except LockError as error:
        raise WsdlError(str(error)) from error


def declared(bundle: Bundle, table: SoapTable) -> frozenset[str] | None:
    """The operations of the port with the table's version and style; None where another file of the bundle tells.

    Cheap: neither zeep nor a schema is touched. Raises WsdlError.
    """
    try:
        root = etree.fromstring(
            bundle.load(str(bundle.path)), etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
        )
    except etree.XMLSyntaxError as error:
        raise WsdlError(f"{bundle.path.name} is not readable as XML: {error.msg}") from error
    if root.getroottree().docinfo.doctype:
        raise WsdlError(f"{bundle.path.name} has a document type definition, which is refused")
    if root.tag != f"{_WSDL}definitions":
        raise WsdlError(f"{bundle.path.name} is no WSDL 1.1: its root is {local(root)}")
    if root.find(f"{_WSDL}binding") is None and root.find(f"{_WSDL}import") is not None:
        return None
    soap = _BINDING[table.soap_version]
    found: set[str] = set()
    for binding in root.findall(f"{_WSDL}binding"):
        head = binding.find(f"{soap}binding")
        if head is not None:
            for operation in binding.findall(f"{_WSDL}operation"):
                if _style(head, operation, soap) == table.style:
                    found.add(operation.get("name", ""))
    if not found:
        raise WsdlError(f"{bundle.path.name} has no SOAP {table.soap_version} binding in the style {table.style}")
    return frozenset(found)


def _style(head: Element, operation: Element, soap: str) -> str:
    own = operation.find(f"{soap}operation")
    style = (own.get("style") if own is not None else None) or head.get("style", "document")
    body = operation.find(f"{_WSDL}input/{soap}body")
    return f"{style}/{'literal' if body is None else body.get('use', 'literal')}"


class Port:
    """The operations of one port. Safe for use by several threads once it is made."""

    def __init__(self, operations: Mapping[str, Any], schema: Any, table: SoapTable, namespace: str) -> None:
        """``operations``: zeep's, by name; ``schema``: zeep's types; ``namespace``: the target namespace of the WSDL."""
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

    def operation_of(self, request: Element) -> str | None:
        """Whose request that child of a Body is; None: nobody's."""
        return next((name for name, one in self._operations.items() if one.input.body.qname == request.tag), None)

    def request_names(self, operation: str) -> frozenset[str]:
        """The elements that can hold fields of an operation's request."""
        return _names(self._operations[operation].input.body)

    def reply_names(self, operation: str) -> frozenset[str]:
        """The elements that can hold fields of an operation's answer."""
        return _names(self._operations[operation].output.body)

    def elements(self, operation: str, *, reply: bool) -> Mapping[str, Any]:
        """zeep's elements of a message that can hold fields, by name, in the order of the WSDL."""
        body = self._operations[operation].output.body if reply else self._operations[operation].input.body
        found, holder = dict(_elements(body)), _holder(body)
        return found if holder is None else dict(_elements(found[holder]))

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


def read_port(bundle: Bundle, table: SoapTable) -> Port:
    """The port of the table: what is read of a locked bundle is kept, as long as its lock says the same. Raises WsdlError."""
    if bundle.locked is None:
        operations, schema, namespace = _read(bundle, table.soap_version)
    else:
        for path in bundle.locked:
            bundle.load(str(bundle.path.parent / path))
        fingerprint = tuple(sorted((file.path, file.sha256) for file in bundle.locked.values()))
        operations, schema, namespace = _kept(bundle.path, fingerprint, table.soap_version)
    return Port(operations, schema, table, namespace)


@lru_cache(maxsize=64)
def _kept(path: Path, fingerprint: tuple[tuple[str, str], ...], version: str) -> "_Read":
    """Reading hundreds of schemas costs a good part of a second; a site is checked, opened and opened again."""
    known = {name: Locked(path=name, origin="", sha256=digest, fetched="") for name, digest in fingerprint}
    return _read(Bundle(path=path, locked=known), version)


_Read: TypeAlias = tuple[Mapping[str, Any], Any, str]
"""zeep's operations by name, its types, and the target namespace."""


def _read(bundle: Bundle, version: str) -> "_Read":
    """All of the WSDL with its schemas: some milliseconds for a small one. Raises WsdlError."""
    from zeep import Settings  # noqa: PLC0415 - a quarter of a second, only where SOAP is spoken
    from zeep.exceptions import Error  # noqa: PLC0415
    from zeep.wsdl import Document  # noqa: PLC0415
    from zeep.wsdl.bindings import Soap11Binding, Soap12Binding  # noqa: PLC0415

    # They log every value that they cannot read, with a traceback: a date of birth, an identity number.
    for name in ("zeep.xsd.types.simple", "zeep.xsd.elements.attribute"):
        logging.getLogger(name).disabled = True
    settings = Settings(strict=True, forbid_dtd=True, forbid_external=True, xml_huge_tree=False, force_https=False)
    transport: Any = bundle  # all that zeep asks of a transport while it reads is ``load``
    try:
        with warnings.catch_warnings():
            # Of an operation that it cannot make sense of zeep only warns; whether it is one of ours shows by its name.
            warnings.simplefilter("ignore")
            document = Document(str(bundle.path), transport, settings=settings)
    except WsdlError:
        raise
    except (Error, etree.LxmlError, LookupError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise WsdlError(
            f"{bundle.path.name} is not a WSDL that can be used: {type(error).__name__}: {error}"
        ) from error
    kind = Soap11Binding if version == "1.1" else Soap12Binding
    namespace = next(iter(document._definitions.values())).target_namespace or ""  # noqa: SLF001 - zeep shows it nowhere else
    for service in document.services.values():
        for port in service.ports.values():
            if type(port.binding) is kind:
                operations = port.binding.all()  # type: ignore[no-untyped-call] # zeep is typed in parts
                return operations, document.types, namespace
    raise WsdlError(f"{bundle.path.name} has no service with a SOAP {version} port")
