"""``onedoor wsdl lock`` brings home whatever a WSDL refers to, after which nothing else is opened; ``drift`` says by operation what changed."""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from lxml import etree
from typer.testing import CliRunner

from adapters import soap_wsdl
from adapters.soap_port import Port
from adapters.soap_table import SoapTable
from adapters.soap_wsdl import Bundle, WsdlError, bundle_of, read_port
from adapters.wsdl_command import app
from tests.wsdl_sets import write_set

TABLE = SoapTable(wsdl="registry.wsdl")
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
DEEP: dict[str, Any] = {"next": [{"next": [{"next": [{}]}]}]}
FIELDS: dict[str, Any] = {
    "LSH": "1",
    "r0": {"id": "a", "flag": "x", "first": DEEP, "more": {"id": "b"}},
    "r5": {"id": "c"},
}


class Quiet(SimpleHTTPRequestHandler):
    """A department's web server."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""

    def do_GET(self) -> None:
        """Files; one path that leads elsewhere."""
        if self.path == "/moved.wsdl":
            self.send_response(302)
            self.send_header("Location", "/service/registry.wsdl")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """The folder, served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and what was printed, or what was raised."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    said = "" if done.exception is None or isinstance(done.exception, SystemExit) else str(done.exception)
    return done.exit_code, done.output + said


def message(port: Port) -> bytes:
    """A request that reaches into many files."""
    body = etree.Element(f"{{{ENVELOPE}}}Body")
    port.request("Register", FIELDS, body)
    return bytes(etree.tostring(body))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Every file opened and every connection made while the test runs, as the interpreter's own audit sees it."""
    seen: list[str] = []
    watching = [True]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if watching and event in {"open", "socket.connect", "socket.getaddrinfo"}:
            seen.append(f"{event} {args[0] if event != 'socket.connect' else args[1]}")

    sys.addaudithook(hook)
    yield seen
    watching.clear()


class Trusting(Bundle):
    """Opens whatever a set refers to: what the lock is compared with."""

    def load(self, location: str) -> bytes:
        """Any file."""
        return Path(unquote(urlsplit(location).path)).read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_set_of_hundreds_of_schemas_is_read_strictly_with_the_network_cut(
    seed: int, tmp_path: Path, opened: list[str]
) -> None:
    original = write_set(tmp_path / "there", seed)
    with web(tmp_path / "there") as address:
        assert run("lock", f"{address}/service/registry.wsdl", "--folder", tmp_path / "here") == (
            0,
            f"{tmp_path}/here/registry.wsdl: 304 files locked, operations: Query, Register\n",
        )
    bundle = bundle_of(tmp_path / "here", "registry.wsdl")
    as_it_was = message(read_port(Trusting(path=original), TABLE))
    opened.clear()
    found = read_port(bundle, TABLE)
    home = str((tmp_path / "here").resolve())
    assert [entry for entry in opened if home not in entry] == []
    assert message(found) == as_it_was
    assert b"urn:sample-city:schemas:5" in message(found)


def test_what_was_read_of_a_lock_is_kept_until_the_lock_says_otherwise(tmp_path: Path) -> None:
    run("lock", write_set(tmp_path / "there", 1, namespaces=2, files=4), "--folder", tmp_path / "here")
    told = json.loads(
        run("lock", tmp_path / "there" / "service" / "registry.wsdl", "--folder", tmp_path / "here", "--json")[1]
    )
    assert (told["files"], told["operations"]) == (12, ["Query", "Register"])
    bundle = bundle_of(tmp_path / "here", "registry.wsdl")
    soap_wsdl._kept.cache_clear()
    first, second = read_port(bundle, TABLE), read_port(bundle_of(tmp_path / "here", "registry.wsdl"), TABLE)
    assert soap_wsdl._kept.cache_info().hits == 1
    assert first.names == second.names
    run("lock", write_set(tmp_path / "there", 2, namespaces=3, files=4), "--folder", tmp_path / "here")
    assert "r2" in read_port(bundle_of(tmp_path / "here", "registry.wsdl"), TABLE).request_names("Register")
    assert soap_wsdl._kept.cache_info().hits == 1


def test_a_bundle_that_is_not_what_was_locked_is_not_used(tmp_path: Path) -> None:
    run("lock", write_set(tmp_path / "there", 1, namespaces=2, files=4), "--folder", tmp_path)
    part = tmp_path / "registry" / "001-messages.xsd"
    content = part.read_bytes()
    read_port(bundle_of(tmp_path, "registry.wsdl"), TABLE)
    part.write_bytes(content + b" ")
    with pytest.raises(WsdlError, match=r"001-messages\.xsd is not the file that was locked: restore it"):
        read_port(bundle_of(tmp_path, "registry.wsdl"), TABLE)
    part.unlink()
    with pytest.raises(WsdlError, match="cannot be read"):
        read_port(bundle_of(tmp_path, "registry.wsdl"), TABLE)
    part.write_bytes(content)
    (tmp_path / "more.xsd").write_bytes(content)
    with pytest.raises(WsdlError, match=r"more\.xsd is not in the lock"):
        bundle_of(tmp_path, "registry.wsdl").load(str(tmp_path / "more.xsd"))


@pytest.mark.parametrize("lock", ["", "file = 1", "[[file]]\npath = 'x'", "file = []", "no TOML"])
def test_a_lock_that_is_not_readable_is_no_lock(lock: str, tmp_path: Path) -> None:
    (tmp_path / "registry.wsdl").write_text("<x/>")
    (tmp_path / "registry.wsdl.lock").write_text(lock)
    with pytest.raises(WsdlError, match="lock the WSDL again"):
        bundle_of(tmp_path, "registry.wsdl")


SCHEMA = '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema">{}</xsd:schema>'


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ('<xsd:include schemaLocation="file:///etc/passwd"/>', "may not refer to a file here"),
        ('<xsd:import namespace="urn:x" schemaLocation="ftp://127.0.0.1/x.xsd"/>', "may not refer to a file here"),
        (
            '<xsd:import namespace="urn:x" schemaLocation="http://other.invalid/x.xsd"/>',
            "say --allow-host other.invalid",
        ),
        ('<xsd:include schemaLocation="missing.xsd"/>', "is answered with 404"),
        ('<xsd:include schemaLocation="moved.wsdl"/>', "is answered with 302: give the address"),
        ('<xsd:include schemaLocation="page.html"/>', "neither a WSDL 1.1 nor an XML Schema"),
        ('<xsd:include schemaLocation="dtd.xsd"/>', "document type definition"),
        ('<xsd:include schemaLocation="half.xsd"/>', "not readable as XML"),
        ('<xsd:include schemaLocation="large.xsd"/>', "cannot be fetched: the answer exceeds"),
    ],
)
def test_what_a_department_refers_to_is_not_fetched_blindly(inside: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "start.xsd").write_text(SCHEMA.format(inside))
    (tmp_path / "page.html").write_text("<html/>")
    (tmp_path / "dtd.xsd").write_text(f"<!DOCTYPE x [<!ENTITY a 'b'>]>{SCHEMA}")
    (tmp_path / "half.xsd").write_text("<xsd:schema")
    with (tmp_path / "large.xsd").open("wb") as large:
        large.truncate(30_000_000)
    with web(tmp_path) as address:
        code, said = run("lock", f"{address}/start.xsd", "--folder", tmp_path / "here")
    assert code == 1
    assert message in said
    assert not (tmp_path / "here").exists()


def test_nobody_there_and_no_such_file_are_told(tmp_path: Path) -> None:
    assert "no-such.wsdl cannot be read" in run("lock", tmp_path / "no-such.wsdl")[1]
    assert "cannot be fetched: the department's host name" in run("lock", "http://nowhere.invalid/a.wsdl")[1]


def test_another_host_may_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "types.xsd").write_text(SCHEMA.format(""))
    with web(tmp_path) as address:
        start = address.replace("127.0.0.1", "localhost")
        reference = f'<xsd:include schemaLocation="{address}/types.xsd?v=1"/>'
        (tmp_path / "start.xsd").write_text(SCHEMA.format(reference))
        assert "--allow-host 127.0.0.1" in run("lock", f"{start}/start.xsd", "--folder", tmp_path / "here")[1]
        assert run("lock", f"{start}/start.xsd", "--folder", tmp_path / "here", "--allow-host", "127.0.0.1")[0] == 0
    assert (tmp_path / "here" / "start" / "001-types.xsd").read_text() == SCHEMA.format("")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("service/registry.wsdl", "x", "x", "nothing has changed\n"),
        ("xsd/n1/index.xsd", "<xsd:include", "<!-- new --><xsd:include", "no operation has changed (2 files have)\n"),
        (
            "service/messages.xsd",
            '<xsd:element name="Query"><xsd:complexType><xsd:sequence>',
            '<xsd:element name="Query"><xsd:complexType><xsd:sequence><xsd:element name="NEW" type="xsd:string"/>',
            "Query: changed: element {urn:sample-city:registry}Query\n",
        ),
        (
            "xsd/n1/index.xsd",
            'name="id" type="xsd:string"',
            'name="id" type="xsd:int"',
            "".join(
                f"{name}: changed: complexType {{urn:sample-city:schemas:1}}Record\n" for name in ("Query", "Register")
            ),
        ),
        (
            "xsd/common/flags.xsd",
            'maxLength value="8"',
            'maxLength value="2"',
            "".join(
                f"{name}: changed: simpleType {{urn:sample-city:schemas:0}}Flag, simpleType {{urn:sample-city:schemas:1}}Flag\n"
                for name in ("Query", "Register")
            ),
        ),
        ("service/registry.wsdl", 'soapAction="Query"', 'soapAction="Ask"', "Query: changed: operation Query\n"),
        (
            "service/registry.wsdl",
            '<wsdl:operation name="Query"><soap:operation',
            '<wsdl:operation name="Ask"><soap:operation',
            "Ask: added\nQuery: removed\n",
        ),
    ],
)
def test_drift_is_told_by_operation(file: str, old: str, new: str, told: str, tmp_path: Path) -> None:
    original = write_set(tmp_path / "there", 1, namespaces=2, files=4)
    run("lock", original, "--folder", tmp_path / "here")
    path = tmp_path / "there" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert run("drift", tmp_path / "here" / "registry.wsdl") == (int("changed:" in told or "removed" in told), told)


def test_drift_names_the_items_that_it_concerns(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(str(files("plugins")), site, ignore=shutil.ignore_patterns("__pycache__"))
    wsdl = site / "police" / "wsdl" / "GA-residence.wsdl"
    changed = tmp_path / "new.wsdl"
    changed.write_text(
        wsdl.read_text().replace("GA-residence/PermitCheck", "x").replace("ga-residence/PermitCheck", "x")
    )
    assert changed.read_text() != wsdl.read_text()
    code, said = run("drift", wsdl, "--source", changed, "--site", site, "--json")
    told = json.loads(said)
    assert code == 1
    assert told["changed_files"] == 2
    (one,) = told["operations"]
    assert (one["operation"], one["what"]) == ("PermitCheck", "changed")
    uses = {path.stem[:5] for path in site.glob("*/items/*.toml") if 'operation = "permit_check"' in path.read_text()}
    assert uses
    assert set(one["items"]) == uses
    assert f"    items: {', '.join(sorted(uses))}\n" in run("drift", wsdl, "--source", changed, "--site", site)[1]


def test_the_sample_city_is_locked() -> None:
    found = list(Path(str(files("plugins"))).glob("*/wsdl/*.wsdl"))
    assert found
    for path in found:
        assert bundle_of(path.parent, path.name).locked is not None
        assert run("drift", path) == (0, "nothing has changed\n")
