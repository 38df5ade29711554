"""Documents that attack whoever reads them, and a process that reads each as the answer of a SOAP department.

``main`` writes a JSON object a line: name, error, cpu_seconds, rss_kilobytes.

Each document is read by a child of its own, so that the memory of one is not hidden by that of another. ``port`` is a server on this machine
that nobody may connect to, ``fifo`` a pipe without a writer: whoever opens it waits for ever.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from contracts.errors import DeliveryError, OutcomeUnknownError
from contracts.plugin import HttpAnswer, HttpRequest
from tests.rest_world import World
from tests.soap_world import IN_STRING, SECRETS, answer, delivery, gateway, granted, system, vendored

ME = UUID("5b7e1f0a-3c2d-4e8b-9a6f-0d1c2b3a4e5f")
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
GOOD = granted(ME)
BARE = GOOD.removeprefix(DECLARATION)
FIELD = "样例1"


def documents(port: int, fifo: str) -> Mapping[str, bytes]:
    """By name. ``port`` and ``fifo`` are what they try to reach."""
    http, file = f"http://127.0.0.1:{port}/x", f"file://{fifo}"
    found: dict[str, str | bytes] = {
        **_with_dtd(http, file),
        **_references(http, file),
        **_too_much(),
        **_not_well_formed(),
    }
    plain = {name: text.encode() if isinstance(text, str) else text for name, text in found.items()}
    return {**plain, **_encodings()}


def _dtd(inside: str, use: str = FIELD) -> str:
    return f"{DECLARATION}<!DOCTYPE x {inside}>{BARE.replace(FIELD, use)}"


def _with_dtd(http: str, file: str) -> dict[str, str | bytes]:
    laughs = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    return {
        "a billion laughs": _dtd(f'[<!ENTITY a "haha">{laughs}]', "&j;"),
        "laughs in an attribute": _dtd(f'[<!ENTITY a "haha">{laughs}]').replace(
            "<NowResponse ", '<NowResponse a="&j;" '
        ),
        "quadratic growth": _dtd(f'[<!ENTITY a "{"x" * 50_000}">]', "&a;" * 20_000),
        "an entity of itself": _dtd('[<!ENTITY a "&b;"><!ENTITY b "&a;">]', "&a;"),
        "an entity from a file": _dtd(f'[<!ENTITY a SYSTEM "{file}">]', "&a;"),
        "an entity from the network": _dtd(f'[<!ENTITY a SYSTEM "{http}">]', "&a;"),
        "an entity from nowhere used": _dtd(f'[<!ENTITY a SYSTEM "{http}">]'),
        "a public entity": _dtd(f'[<!ENTITY a PUBLIC "-//X//EN" "{http}">]', "&a;"),
        "an external DTD from a file": _dtd(f'SYSTEM "{file}"'),
        "an external DTD from the network": _dtd(f'SYSTEM "{http}"'),
        "a public DTD": _dtd(f'PUBLIC "-//X//EN" "{http}"'),
        "a relative DTD": _dtd('SYSTEM "x.dtd"'),
        "a parameter entity from a file": _dtd(f'[<!ENTITY % p SYSTEM "{file}">%p;]'),
        "a parameter entity from the network": _dtd(f'[<!ENTITY % p SYSTEM "{http}">%p;]'),
        "a parameter entity that carries a file away": _dtd(
            f'[<!ENTITY % f SYSTEM "{file}"><!ENTITY % e "<!ENTITY s SYSTEM \'{http}?%f;\'>">%e;]', "&s;"
        ),
        "a default attribute": _dtd('[<!ATTLIST NowResponse a CDATA "1">]'),
        "an unparsed entity": _dtd(f'[<!NOTATION n SYSTEM "n"><!ENTITY a SYSTEM "{http}" NDATA n>]'),
        "an empty DTD": _dtd(""),
        "a DTD in lower case": _dtd("").replace("<!DOCTYPE", "<!doctype"),
        "a DTD after a comment": f"{DECLARATION}<!-- x --><!DOCTYPE x [<!ENTITY a 'b'>]>{BARE}",
        "a DTD inside the body": GOOD.replace("<NowResponse", "<!DOCTYPE x><NowResponse"),
        "an entity declaration alone": GOOD.replace("<NowResponse", "<!ENTITY a 'b'><NowResponse"),
        "a DTD in a string": answer(
            f"<outXml>&lt;!DOCTYPE x [&lt;!ENTITY a SYSTEM '{file}'&gt;]&gt;&lt;ROOT&gt;&amp;a;</outXml>"
        ),
    }


def _references(http: str, file: str) -> dict[str, str | bytes]:
    include = "http://www.w3.org/2001/XInclude"
    inside = f"<LSH>{ME}</LSH><JGDM>1</JGDM>"
    return {
        "XInclude of a text": answer(f'{inside}<i:include xmlns:i="{include}" href="{file}" parse="text"/>'),
        "XInclude of a document": answer(f'{inside}<i:include xmlns:i="{include}" href="{http}"/>'),
        "XInclude with a way out": answer(
            f'{inside}<i:include xmlns:i="{include}" href="{http}"><i:fallback><JGDM>1</JGDM></i:fallback></i:include>'
        ),
        "a link to a schema, and an element of it": GOOD.replace(
            "<NowResponse ",
            f'<NowResponse xmlns:s="http://www.w3.org/2001/XMLSchema-instance" s:schemaLocation="urn:n {http}" ',
        ).replace("</NowResponse>", '<n xmlns="urn:n"/></NowResponse>'),
        "a part of the network": answer(
            f'{inside}<decision_no><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="{http}"/></decision_no>'
        ),
        "a part from a file": answer(
            f'{inside}<decision_no><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="{file}"/></decision_no>'
        ),
        "a style sheet, and another root": f'{DECLARATION}<?xml-stylesheet href="{http}"?><html/>',
        "an entity nobody defined": GOOD.replace(FIELD, "&what;"),
        "an entity without an end": GOOD.replace(FIELD, "&amp"),
    }


def _too_much() -> dict[str, str | bytes]:
    return {
        "a hundred thousand levels": answer("<x>" * 100_000 + "</x>" * 100_000),
        "three hundred levels": answer("<x>" * 300 + "</x>" * 300),
        "a hundred thousand levels without an end": answer("<x>" * 100_000),
        "two hundred thousand attributes": GOOD.replace(
            "<NowResponse", "<NowResponse " + " ".join(f'a{n}="1"' for n in range(200_000))
        ),
        "as many attributes as there is room for": GOOD.replace(
            "<NowResponse", "<NowResponse " + " ".join(f'a{n}="1"' for n in range(160_000))
        ),
        "a thousand attributes": GOOD.replace(
            "<NowResponse", "<NowResponse " + " ".join(f'a{n}="1"' for n in range(1_000))
        ),
        "as much text as there is room for": GOOD.replace(FIELD, "x" * 1_900_000 + "<x/>"),
        "two attributes of one name": GOOD.replace("<NowResponse", '<NowResponse a="1" a="2"'),
        "fifty thousand namespaces": GOOD.replace(
            "<NowResponse", "<NowResponse " + " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(50_000))
        ).replace("</NowResponse>", "<x/></NowResponse>"),
        "eleven megabytes of text": GOOD.replace(FIELD, "x" * 11_000_000),
        "eleven megabytes in an attribute": GOOD.replace("<NowResponse", f'<NowResponse a="{"x" * 11_000_000}"'),
        "eleven megabytes of comment": GOOD.replace(FIELD, f"<!--{'x' * 11_000_000}-->"),
        "eleven megabytes of CDATA": GOOD.replace(FIELD, f"<![CDATA[{'x' * 11_000_000}]]>"),
        "eleven megabytes of blanks": GOOD + " " * 11_000_000,
        "a hundred thousand brothers": answer("<x/>" * 100_000),
        "a hundred thousand answers": GOOD.replace("</e:Body>", "<t:NowResponse/>" * 100_000 + "</e:Body>"),
        "a name of a megabyte": answer(f"<{'x' * 1_000_000}/>"),
        "a number reference of a megabyte": GOOD.replace(FIELD, f"&#{'0' * 1_000_000}65;<x/>"),
        "two million entities": GOOD.replace(FIELD, "&lt;" * 400_000 + "<x/>"),
    }


def _not_well_formed() -> dict[str, str | bytes]:
    return {
        "nothing": "",
        "blanks": "   \n",
        "a page": "<!DOCTYPE html><html><body>please log in</body></html>",
        "two documents": GOOD + BARE,
        "text after the end": GOOD + "样例",
        "text before the beginning": "样例" + GOOD,
        "two declarations": DECLARATION + GOOD,
        "XML 2.0": GOOD.replace('version="1.0"', 'version="2.0"'),
        "standalone perhaps": GOOD.replace("?>", ' standalone="maybe"?>', 1),
        "tags that cross": GOOD.replace("</JGDM>", "</LSH>"),
        "a prefix of nobody": answer(f"<q:LSH>{ME}</q:LSH><JGDM>1</JGDM>"),
        "an attribute without quotes": GOOD.replace("<NowResponse", "<NowResponse a=1"),
        "a bracket in an attribute": GOOD.replace("<NowResponse", '<NowResponse a="<"'),
        "an instruction called xml": GOOD.replace(FIELD, "<?xml x?>"),
        "a comment with two hyphens": GOOD.replace(FIELD, "<!-- -- -->"),
        "a comment without an end": GOOD.replace(FIELD, "<!--"),
        "CDATA without an end": GOOD.replace(FIELD, "<![CDATA["),
        "the end of CDATA in a text": GOOD.replace(FIELD, "]]>"),
        "a null character": GOOD.replace(FIELD, "&#0;"),
        "a control character": GOOD.replace(FIELD, "&#1;"),
        "half a character": GOOD.replace(FIELD, "&#xD800;"),
        "a character beyond all": GOOD.replace(FIELD, "&#x110000;"),
        "no character": GOOD.replace(FIELD, "\ufffe"),
    }


def _encodings() -> dict[str, bytes]:
    plain = GOOD.encode()
    return {
        "UTF-7": GOOD.replace("UTF-8", "UTF-7").encode("utf-7"),
        "UTF-16": GOOD.replace("UTF-8", "UTF-16").encode("utf-16"),
        "UTF-16 without a mark": GOOD.encode("utf-16-be"),
        "UTF-16 that claims to be UTF-8": GOOD.encode("utf-16"),
        "UTF-32": GOOD.encode("utf-32"),
        "EBCDIC": BARE.replace(FIELD, "x").encode("cp037"),
        "GBK that claims to be UTF-8": GOOD.encode("gbk"),
        "UTF-8 that claims to be GBK": plain.replace(b'"UTF-8"', b'"GBK"'),
        "an encoding of nobody": plain.replace(b'"UTF-8"', b'"x-rot13"'),
        "a null byte": plain.replace(FIELD.encode(), b"\0"),
        "a byte of no character": plain.replace(FIELD.encode(), b"\xff"),
        "half a character at the end": plain.replace(FIELD.encode(), FIELD.encode()[:2]),
        "a bracket in two bytes": plain.replace(b"<JGDM>", b"\xc0\xbcJGDM>"),
        "a surrogate in three bytes": plain.replace(FIELD.encode(), b"\xed\xa0\x80"),
        "two marks": b"\xef\xbb\xbf" * 2 + plain,
        "a zip archive": b"PK\x03\x04" + plain,
    }


class _Answers:
    """``contracts.plugin.Http`` with one answer, as the client hands it over: within the channel's bytes, or not at all."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """The answer."""
        if len(self._body) > request.max_bytes:
            raise OutcomeUnknownError("answer_too_large")
        return HttpAnswer(status=200, headers={"content-type": "text/xml"}, body=self._body)


async def _error(body: bytes, folder: Path, table: Mapping[str, object]) -> str:
    of = system(**table)  # type: ignore[arg-type] # a table of a channel
    world = World(SECRETS, http=_Answers(body))
    async with gateway(of, vendored(of, folder), "http://127.0.0.1:1", world=world) as opened:
        try:
            outcome = await opened.deliver(delivery(id=ME))
        except DeliveryError as error:
            return f"{type(error).__name__} {error.code}"
    return type(outcome).__name__


def _in_a_child(work: Callable[[], str]) -> dict[str, object]:
    """What ``work`` said, and what it cost, in a process of its own."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        said = work()
        spent = time.process_time() - began
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writes, json.dumps({"error": said, "cpu_seconds": spent, "rss_kilobytes": grown}).encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    found: dict[str, object] = json.loads(told) if told else {"error": "died", "cpu_seconds": 0.0, "rss_kilobytes": 0}
    return found


def main(port: int, fifo: str) -> None:
    """Read them all."""
    with tempfile.TemporaryDirectory() as folder:
        # Everything that is imported when it is first needed is there before the children are born.
        asyncio.run(_error(GOOD.encode(), Path(folder), {}))
        asyncio.run(_error(GOOD.encode(), Path(folder), IN_STRING))
        for name, body in documents(port, fifo).items():
            table = IN_STRING if name.endswith("in a string") else {}
            told = _in_a_child(lambda: asyncio.run(_error(body, Path(folder), table)))  # noqa: B023 - called at once
            sys.stdout.write(json.dumps({"name": name, **told}) + "\n")
            sys.stdout.flush()
