"""MTOM answers are read: each part takes its place in the envelope, byte for byte, or the answer is none."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.soap_multipart import unpacked
from contracts.delivery import Completed
from contracts.errors import OutcomeUnknownError
from tests.soap_world import delivery, gateway, granted, scripted, system, vendored

XOP = "http://www.w3.org/2004/08/xop/include"


def package(*parts: tuple[str, bytes], boundary: str = "=_b", more: str = "") -> bytes:
    """A multipart body."""
    inner = b"".join(
        f"--{boundary}\r\nContent-ID: <{name}>\r\nContent-Transfer-Encoding: binary{more}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in parts
    )
    return b"a word before the first part\r\n" + inner + f"--{boundary}--\r\n".encode()


async def test_a_part_takes_its_place_in_the_answer(tmp_path: Path) -> None:
    one, of = delivery(), system()
    scan = bytes(range(256)) * 200 + b"\r\n--=_\r\n"
    include = f'<x:Include xmlns:x="{XOP}" href="cid:scan%40department"/>'
    content = package(("env", granted(one.id).replace("样例1", include).encode()), ("scan@department", scan))
    kind = 'multipart/related; boundary="=_b"; type="application/xop+xml"; start="<env>"; start-info="text/xml"'
    server = scripted(content, "200 OK", f"Content-Type: {kind}")
    server_answer = server._script(1)
    assert isinstance(server_answer, bytes)
    server._script = lambda _: server_answer.replace(b"Content-Type: application/json\r\n", b"")
    async with server.serving(), gateway(of, vendored(of, tmp_path), server.url) as opened:
        outcome = await opened.deliver(one)
    assert isinstance(outcome, Completed)
    assert base64.b64decode(str(outcome.fields["decision_no"])) == scan


@given(parts=st.lists(st.binary(max_size=200).filter(lambda part: b"--=_b" not in part), min_size=1, max_size=5))
def test_parts_come_back_byte_for_byte(parts: list[bytes]) -> None:
    named = [(f"p{number}", content) for number, content in enumerate(parts)]
    found = unpacked(package(*named), "Multipart/Related; boundary==_b")
    assert {"p0": found.envelope, **found.parts} == dict(named)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (package(("a", b"x"), ("a", b"y")), "multipart/related; boundary==_b"),
        (package(("a", b"x"), more="\r\nContent-Transfer-Encoding: base64"), "multipart/related; boundary==_b"),
        (package(*((str(number), b"") for number in range(1001))), "multipart/related; boundary==_b"),
        (b"--=_b\r\nContent-ID: <a>\r\n--=_b--", "multipart/related; boundary==_b"),
        (package(("a", b"x")), f"multipart/related; boundary={'b' * 71}"),
        (b"", "multipart/related; boundary==_b"),
    ],
)
def test_what_is_no_package_is_no_answer(body: bytes, kind: str) -> None:
    with pytest.raises(OutcomeUnknownError, match="unreadable_answer"):
        unpacked(body, kind)
