"""A vendored WSDL: its bundle of files, and zeep's bindings over it. Nothing outside the bundle is opened, nothing is fetched.

``declared`` looks at the file alone and says plainly what is wrong with it; ``read_port`` does the rest. zeep is slow to import,
hence only where a site speaks SOAP.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from lxml import etree

from adapters.soap_port import Port
from adapters.soap_table import SoapTable
from adapters.soap_xml import Element, local
from adapters.wsdl_lock import MOST_BYTES, XSD, Locked, LockError, read, references, verified
from adapters.xsd_facets import SimpleTypes
from contracts.records import record

_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_BINDING = {"1.1": "{http://schemas.xmlsoap.org/wsdl/soap/}", "1.2": "{http://schemas.xmlsoap.org/wsdl/soap12/}"}


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

    def files(self) -> Mapping[Path, Element]:
        """The WSDL and all that it imports and includes, however deep, read. What lies elsewhere, or is no XML, is passed over."""
        found: dict[Path, Element] = {}
        waiting = [self.path]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            try:
                found[path] = etree.fromstring(self.load(str(path)), _PARSER)
            except (WsdlError, etree.XMLSyntaxError):
                continue
            waiting += [
                target for node, attribute in references(found[path]) if (target := _target(path, node.get(attribute)))
            ]
        return found


_PARSER = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)


def _target(path: Path, location: str | None) -> Path | None:
    """The file that ``path`` refers to; None for an address."""
    parts = urlsplit(location or "")
    if not location or parts.scheme or parts.netloc:
        return None
    return (path.parent / unquote(parts.path)).resolve()


def _schemas(files: Mapping[Path, Element], main: Path) -> Iterator[tuple[Element, str]]:
    """Every schema with its namespace; one that has none of its own takes that of who includes it."""
    seen: set[tuple[Path, str]] = set()
    waiting = [(main, "")]
    while waiting:
        path, inherited = waiting.pop()
        root = files.get(path)
        if root is None or (path, inherited) in seen:
            continue
        seen.add((path, inherited))
        for schema in root.iter(f"{{{XSD}}}schema"):
            space = schema.get("targetNamespace") or inherited
            yield schema, space
            for node, attribute in references(schema):
                if target := _target(path, node.get(attribute)):
                    waiting.append((target, "" if local(node) == "import" else space))
        imported = (_target(path, node.get("location")) for node in root.iterfind(f"{_WSDL}import"))
        waiting.extend((target, "") for target in imported if target is not None)


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


def read_port(bundle: Bundle, table: SoapTable) -> Port:
    """The port of the table: what is read of a locked bundle is kept, as long as its lock says the same. Raises WsdlError."""
    if bundle.locked is None:
        operations, schema, namespace, types = _read(bundle, table.soap_version)
    else:
        for path in bundle.locked:
            bundle.load(str(bundle.path.parent / path))
        fingerprint = tuple(sorted((file.path, file.sha256) for file in bundle.locked.values()))
        operations, schema, namespace, types = _kept(bundle.path, fingerprint, table.soap_version)
    return Port(operations, schema, table, namespace, types)


@lru_cache(maxsize=64)
def _kept(path: Path, fingerprint: tuple[tuple[str, str], ...], version: str) -> "_Read":
    """Reading hundreds of schemas costs a good part of a second; a site is checked, opened and opened again."""
    known = {name: Locked(path=name, origin="", sha256=digest, fetched="") for name, digest in fingerprint}
    return _read(Bundle(path=path, locked=known), version)


_Read: TypeAlias = tuple[Mapping[str, Any], Any, str, SimpleTypes]
"""zeep's operations by name, its types, the target namespace, and what it reads past."""


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
                return operations, document.types, namespace, SimpleTypes(_schemas(bundle.files(), bundle.path))
    raise WsdlError(f"{bundle.path.name} has no service with a SOAP {version} port")
