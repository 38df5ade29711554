"""A WSDL with all it refers to, copied into a department's folder: what ``onedoor wsdl lock`` writes and every start verifies.

    wsdl/registry.wsdl           the WSDL; its references point into the folder beside it
    wsdl/registry/001-types.xsd  what it imports and includes, however deep, each document once
    wsdl/registry.wsdl.lock      where each came from, and the SHA-256 of each as it lies there and as it came

Nothing but these files is opened afterwards, and none that has been changed.
"""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree

from adapters.soap_xml import Element
from contracts.errors import OnedoorError
from contracts.records import record

MOST_BYTES = 20_000_000
MOST_FILES = 5_000

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XSD = "http://www.w3.org/2001/XMLSchema"
_REFERENCES = {
    f"{{{WSDL}}}import": "location",
    f"{{{XSD}}}import": "schemaLocation",
    f"{{{XSD}}}include": "schemaLocation",
    f"{{{XSD}}}redefine": "schemaLocation",
}
_ROOTS = {f"{{{WSDL}}}definitions", f"{{{XSD}}}schema"}

Fetch = Callable[[str], Awaitable[bytes]]
"""Brings a document by its absolute location (http, https or file)."""


class LockError(OnedoorError):
    """A WSDL that cannot be locked, or a bundle that is not what was locked. The text says what to do."""


@record
class Locked:
    """A file of a bundle: ``path`` below the WSDL's folder, ``origin`` where it came from (an address, or a path from that
    folder), ``sha256`` as it lies there, ``fetched`` as
    it came."""

    path: str
    origin: str
    sha256: str
    fetched: str


@record
class Bundled:
    """A WSDL and all it refers to, ready to be written: contents by path, and what the lock says of them; the WSDL comes first."""

    contents: Mapping[str, bytes]
    files: tuple[Locked, ...]


async def gather(source: str, name: str, fetch: Fetch, hosts: frozenset[str] = frozenset()) -> Bundled:
    """Everything that the WSDL at ``source`` (an absolute URL) refers to. ``name``: of the bundle's WSDL, ``registry.wsdl``.

    ``hosts``: those that may be asked beside the source's own. Raises LockError, and whatever ``fetch`` raises.
    """
    own = urlsplit(source)
    may_ask = hosts | ({own.hostname} if own.hostname else set())
    places = {source: name}
    contents: dict[str, bytes] = {}
    files: list[Locked] = []
    waiting = [source]
    while waiting:
        location = waiting.pop(0)
        came = await fetch(location)
        root = parsed(came, location)
        found = [(node, attribute, urljoin(location, node.get(attribute, ""))) for node, attribute in references(root)]
        for _, _, target in found:
            if target not in places:
                _allow(location, target, may_ask)
                places[target] = _place(name, len(places), target)
                waiting.append(target)
        if len(places) > MOST_FILES:
            raise LockError(f"{source} refers to more than {MOST_FILES} files")
        for node, attribute, target in found:
            node.set(attribute, _relative(places[location], places[target]))
        # What refers to nothing is kept byte for byte.
        content = etree.tostring(root, xml_declaration=True, encoding="UTF-8") if found else came
        contents[places[location]] = content
        files.append(Locked(path=places[location], origin=location, sha256=_digest(content), fetched=_digest(came)))
    return Bundled(contents=contents, files=tuple(files))


def parsed(content: bytes, location: str) -> Element:
    """The root of a WSDL or a schema. Raises LockError for anything else, and for a document type definition."""
    if len(content) > MOST_BYTES:
        raise LockError(f"{location} holds more than {MOST_BYTES} bytes")
    try:
        root: Element = etree.fromstring(
            content, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
        )
    except etree.XMLSyntaxError as error:
        raise LockError(f"{location} is not readable as XML: {error.msg}") from error
    if root.getroottree().docinfo.doctype:
        raise LockError(f"{location} has a document type definition, which is refused")
    if root.tag not in _ROOTS:
        raise LockError(
            f"{location} is neither a WSDL 1.1 nor an XML Schema: its root is {etree.QName(root).localname}"
        )
    return root


def references(root: Element) -> Iterator[tuple[Element, str]]:
    """The elements that refer to other files, with the attribute that does."""
    for node in root.iter(*_REFERENCES):
        attribute = _REFERENCES[node.tag]
        if node.get(attribute):
            yield node, attribute


def _allow(location: str, target: str, hosts: frozenset[str] | set[str | None]) -> None:
    scheme, host = urlsplit(target).scheme, urlsplit(target).hostname
    if scheme == "file" and urlsplit(location).scheme == "file":
        return
    if scheme not in {"http", "https"}:
        raise LockError(f"{location} refers to {target}: a document from the network may not refer to a file here")
    if host not in hosts:
        raise LockError(f"{location} refers to {target} on another host: if that is right, say --allow-host {host}")


def _place(name: str, number: int, target: str) -> str:
    """``registry/017-types.xsd``: whatever the other side calls its files, ours are plain, and no two alike."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(unquote(urlsplit(target).path)).stem).strip("-")[:40]
    ending = ".wsdl" if target.lower().partition("?")[0].endswith(".wsdl") else ".xsd"
    return f"{name.removesuffix('.wsdl')}/{number:03d}{'-' + plain if plain else ''}{ending}"


def _relative(of: str, to: str) -> str:
    """``to`` as ``of`` refers to it: the WSDL lies above the folder of all the others."""
    inside = PurePosixPath(of).parent != PurePosixPath()
    if "/" not in to:
        return f"../{to}" if inside else to
    return PurePosixPath(to).name if inside else to


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(bundled: Bundled, folder: Path) -> Path:
    """Put a bundle into ``folder``, over an older one of that name; returns the WSDL's path."""
    name = bundled.files[0].path
    old = folder / f"{name}.lock"
    if old.exists():
        for file in read(old):
            (folder / file.path).unlink(missing_ok=True)
    for path, content in bundled.contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    old.write_text(_lock_text(bundled.files, folder.resolve()), encoding="utf-8")
    return folder / name


def origin_of(file: Locked, folder: Path) -> str:
    """The absolute location that a file of the bundle in ``folder`` came from."""
    return file.origin if urlsplit(file.origin).scheme else (folder / file.origin).resolve().as_uri()


def _lock_text(files: tuple[Locked, ...], folder: Path) -> str:
    lines = ["# Written by `onedoor wsdl lock`, which also renews it. A file that is not as it says here is not used."]
    for file in files:
        parts = urlsplit(file.origin)
        # A checkout lies elsewhere on every machine.
        origin = os.path.relpath(unquote(parts.path), folder) if parts.scheme == "file" else file.origin
        values = {"path": file.path, "origin": origin, "sha256": file.sha256, "fetched": file.fetched}
        # A JSON string is a TOML string.
        lines += [
            "",
            "[[file]]",
            *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()),
        ]
    return "\n".join(lines) + "\n"


def read(lock: Path) -> tuple[Locked, ...]:
    """What a lock says; the WSDL comes first. Raises LockError for one that is not readable."""
    try:
        rows = tomllib.loads(lock.read_text(encoding="utf-8"))["file"]
        files = tuple(Locked(**{key: str(row[key]) for key in ("path", "origin", "sha256", "fetched")}) for row in rows)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise LockError(f"{lock.name} is not readable: lock the WSDL again") from error
    if not files:
        raise LockError(f"{lock.name} names no file: lock the WSDL again")
    return files


def verified(content: bytes, path: str, files: Mapping[str, Locked]) -> bytes:
    """``content`` if it is what was locked under ``path``. Raises LockError."""
    if path not in files:
        raise LockError(f"{path} is not in the lock: nothing that was not locked is opened")
    if _digest(content) != files[path].sha256:
        raise LockError(f"{path} is not the file that was locked: restore it, or run onedoor wsdl lock again")
    return content
