"""The table of misbehaviours, ``tests/misbehaviours.toml``: its rows, and what a department that speaks HTTP does by one.

    python -m tests.misbehaviours > docs/misbehaviours.md      after a change of the table

A row says what the department does (``inject``) and how the delivery ends (``ends``). ``protocol`` names the runner: the two of
``http_misbehaviours.py`` are ``rest`` and ``soap``; for the others ``inject`` has a shape of their own.
"""

import gzip
import json
import re
import sys
import tomllib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.records import adapter, record
from tests import soap_world
from tests.rest_world import granted

TABLE = Path(__file__).parent / "misbehaviours.toml"


@record
class Ends:
    """``state`` of the delivery when it rests; ``attempt`` and ``code``: how its first attempt ended and with which error code.

    ``attempts``: tries in our journal. ``arrivals``: requests that carried the message and reached the department; None: as many as
    attempts. ``reason``: the code beside what lies in quarantine, where files are exchanged.
    """

    state: str
    attempt: str
    code: str | None = None
    attempts: int = 1
    arrivals: int | None = None
    reason: str | None = None


@record
class Case:
    """A row. ``rows``: what of the fault plan it belongs to (B06). ``table``: keys of the channel's table beside the usual ones.

    ``inject``: what the department does with the first request, the second, and so on; the last one again and again.
    """

    id: str
    protocol: str
    rows: tuple[str, ...]
    does: str
    inject: tuple[Mapping[str, Any], ...]
    ends: Ends
    table: Mapping[str, Any]
    operation: Mapping[str, Any]
    resend_is_safe: bool


def table() -> Sequence[Case]:
    """Every row, in the order of the file."""
    return [_case(row) for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["case"]]


def of(protocol: str) -> Sequence[Case]:
    """The rows of one runner."""
    return [case for case in table() if case.protocol == protocol]


def _case(row: dict[str, Any]) -> Case:
    steps = row["inject"] if isinstance(row["inject"], list) else [row["inject"]]
    usual = {"table": {}, "operation": {}, "resend_is_safe": False}
    return adapter(Case).validate_python({**usual, **row, "inject": steps})


def injected(case: Case) -> str:
    """What makes a row differ from every other: what is injected, and the channel that meets it."""
    return json.dumps([case.protocol, case.inject, case.table, case.operation, case.resend_is_safe], sort_keys=True)


_MARK = re.compile(r"@(id|other|good|(?P<text>[^@]{1,60})\*(?P<times>\d+))@", re.DOTALL)
OTHER = "7a3f0c52-9d1e-4b6a-8c24-5e0f1d2b3a49"
"""The id of a delivery that is not ours."""


def filled(text: str, protocol: str, delivery_id: str) -> str:
    """``text`` with ``@id@`` (our delivery), ``@other@`` (another one), ``@good@`` (a good answer) and ``@ab*3@`` (ababab)."""
    good = granted(delivery_id).decode() if protocol == "rest" else soap_world.granted(delivery_id)

    def said(mark: re.Match[str]) -> str:
        if mark["text"] is not None:
            return mark["text"] * int(mark["times"])
        return {"id": delivery_id, "other": OTHER, "good": good}[mark[1]]

    return _MARK.sub(said, text)


def body_of(step: Mapping[str, Any], protocol: str, delivery_id: str) -> bytes:
    """The content of an answer, packed as the step says. A key of SOAP writes what stands around its text: ``reply`` the fields of
    a good reply, ``envelope`` a body, ``fault11`` and ``fault12`` the arguments of a fault."""
    match step:
        case {"reply": str(inner)}:
            text = soap_world.answer(inner)
        case {"envelope": str(inner)}:
            text = soap_world.envelope(inner, step.get("version", "1.1"), step.get("header", ""))
        case {"fault11": list(parts)}:
            text = soap_world.fault11(*parts)
        case {"fault12": list(parts)}:
            text = soap_world.fault12(*parts)
        case _:
            text = step.get("body", "")
    text = filled(text, protocol, delivery_id)
    for old, new in step.get("replace", []):
        assert filled(old, protocol, delivery_id) in text, f"{old} is not in the answer"
        text = text.replace(filled(old, protocol, delivery_id), filled(new, protocol, delivery_id), 1)
    content = bytes.fromhex(step["hex"]) if "hex" in step else text.encode(step.get("charset", "utf-8"))
    return _packed(content, step.get("pack", ""))


def _packed(content: bytes, how: str) -> bytes:
    match how:
        case "gzip":
            return gzip.compress(content, mtime=0)
        case "deflate":
            return zlib.compress(content)
        case "gzip twice":
            return gzip.compress(gzip.compress(content, mtime=0), mtime=0)
        case "gzip bomb" | "deflate bomb":
            packer = zlib.compressobj(9, wbits=31 if how == "gzip bomb" else 15)
            return b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()
        case _:
            assert how == "", how
            return content


def answer_of(step: Mapping[str, Any], protocol: str, delivery_id: str) -> bytes:
    """The bytes of a whole HTTP answer, ``framing`` (length, chunked, none, more, less) and ``cut`` (bytes missing at the end) as said."""
    if "raw" in step:
        return filled(step["raw"], protocol, delivery_id).encode("latin-1")
    content = body_of(step, protocol, delivery_id)
    kind = "application/json" if protocol == "rest" else "text/xml"
    lines = [f"HTTP/1.1 {step.get('status', '200 OK')}", f"Content-Type: {step.get('content_type', kind)}"]
    lines += [filled(line, protocol, delivery_id) for line in step.get("headers", [])]
    match step.get("framing", "length"):
        case "chunked":
            lines.append("Transfer-Encoding: chunked")
            content = f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"
        case "length":
            lines.append(f"Content-Length: {len(content)}")
        case "more":
            lines.append(f"Content-Length: {len(content) + 100}")
        case "less":
            lines.append(f"Content-Length: {len(content) - 10}")
        case other:
            assert other == "none", other
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
    return whole[: len(whole) - step.get("cut", 0)]


_HEADINGS = {"rest": "REST", "soap": "SOAP", "file_drop": "Files"}
_HEAD = """# What departments do wrong

Every row of this page drives a test, against a running hub and a department that does just that. No row ends in a success that nobody proved, none is sent twice
without being marked, and none keeps another department's deliveries waiting. What a code means, and how to declare a channel, is told in the pages on
[REST](reference/rest.md), [SOAP](reference/soap.md) and [files](reference/file_drop.md).

| the delivery ends | and then |
|---|---|
| `done`, `returned` | it is settled, perhaps after another try or an enquiry |
| `waiting` | the answer comes later; if it does not, it is overdue and somebody asks |
| `due` | it is tried again by itself |
| `unknown` | the department may have acted: it is enquired, or a person finds out |
| `dead` | the message, or the channel's table, has to be put right by a person |
| `held` | our credentials are refused: the lane stands until staff have seen to it |

The page is written from `tests/misbehaviours.toml`.
"""


def page() -> str:
    """The page of the manual."""
    lines = [_HEAD]
    for protocol, heading in _HEADINGS.items():
        rows = of(protocol)
        if rows:
            lines += [
                f"## {heading}",
                "",
                "| the department | the delivery ends | the first try | code |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {case.does.replace('|', '&#124;')} | `{case.ends.state}`{_tries(case)} | {case.ends.attempt} |"
                f" {f'`{case.ends.code}`' if case.ends.code else ''} |"
                for case in rows
            ]
            lines.append("")
    return "\n".join(lines)


def _tries(case: Case) -> str:
    return f" after {case.ends.attempts} tries" if case.ends.attempts > 1 else ""


if __name__ == "__main__":
    sys.stdout.write(page())
