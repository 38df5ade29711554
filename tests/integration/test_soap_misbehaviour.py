"""Each misbehaviour of a SOAP department ends in its declared error, and never in a success that nobody proved."""

import time
import tracemalloc
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.delivery import AwaitingReply, Completed, Lookup, NotFound, Returned
from contracts.errors import (
    CredentialsError,
    DeliveryError,
    DuplicateError,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
)
from tests.rest_world import ScriptedServer, http_answer
from tests.soap_world import (
    NAMESPACE,
    answer,
    delivery,
    envelope,
    fault11,
    fault12,
    gateway,
    granted,
    operation,
    scripted,
    system,
    vendored,
)

ME, OTHER = UUID("00000000-0000-4000-8000-00000000000a"), UUID("00000000-0000-4000-8000-00000000000b")
WSA = "http://www.w3.org/2005/08/addressing"
SERVER, CLIENT = fault11("e:Server"), fault11("e:Client")
FAILED, BAD = "500 Internal Server Error", "400 Bad Request"


def said(code: str, echo: str = f"<LSH>{ME}</LSH>") -> str:
    """The detail of a fault with the department's own code."""
    return f"<t:error>{echo}<t:JGDM>{code}</t:JGDM></t:error>"


def related(to: str, inner: str) -> str:
    """An answer without a reference, and what it says it relates to."""
    body = f"<t:NowResponse><t:LSH/>{inner}</t:NowResponse>"
    return envelope(body, header=f'<a:RelatesTo xmlns:a="{WSA}">{to}</a:RelatesTo>')


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)

MISBEHAVIOURS: dict[str, tuple[Any, str, type[DeliveryError], str]] = {
    "a login page in a 200": ("<html><body>please log in</body></html>", "200 OK", OutcomeUnknownError, "no_envelope"),
    "a page that is no XML": ("<html><br>please<p>", "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "an empty 200": ("", "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "an empty 202": ("", "202 Accepted", OutcomeUnknownError, "unreadable_answer"),
    "204": ("", "204 No Content", OutcomeUnknownError, "http_204"),
    "JSON": ('{"JGDM":"1"}', "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "a page in a 500": ("<html>oops</html>", FAILED, OutcomeUnknownError, "http_500"),
    "a page in a 400": ("<html>oops</html>", BAD, PermanentError, "http_400"),
    "an answer in a 500": (granted(ME), FAILED, OutcomeUnknownError, "http_500"),
    "502": ("<html/>", "502 Bad Gateway", OutcomeUnknownError, "http_502"),
    "503": ("busy", "503 Busy", TemporaryError, "http_503"),
    "a fault in a 503": (SERVER, "503 Busy", TemporaryError, "http_503"),
    "401": ("", "401 Unauthorized", CredentialsError, "http_401"),
    "404": ("", "404 Not Found", PermanentError, "http_404"),
    "a redirect": ("", "302 Found", PermanentError, "redirect_302"),
    "half an envelope": (granted(ME)[:-30], "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "two envelopes": (granted(ME) + granted(ME)[38:], "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "GBK that claims to be UTF-8": (granted(ME).encode("gb18030"), "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "another encoding declared": (
        granted(ME).replace('encoding="UTF-8"', 'encoding="GBK"'),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "an encoding that does not exist": (
        granted(ME).replace('encoding="UTF-8"', 'encoding="EBCDIC-X"'),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "UTF-16": (granted(ME).encode("utf-16"), "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "UTF-7": (
        granted(ME).replace('"UTF-8"', '"UTF-7"').encode("utf-7"),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "a null byte": (granted(ME).replace("样例1", "样\0例"), "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "an envelope of another version": (
        granted(ME).replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
        "200 OK",
        OutcomeUnknownError,
        "no_envelope",
    ),
    "an envelope of nobody": (
        granted(ME).replace("http://schemas.xmlsoap.org/soap/envelope/", "urn:x"),
        "200 OK",
        OutcomeUnknownError,
        "no_envelope",
    ),
    "an empty body": (envelope(""), "200 OK", OutcomeUnknownError, "no_envelope"),
    "no body": (envelope("").replace("<e:Body></e:Body>", ""), "200 OK", OutcomeUnknownError, "no_envelope"),
    "two bodies": (
        granted(ME).replace("</e:Envelope>", "<e:Body/></e:Envelope>"),
        "200 OK",
        OutcomeUnknownError,
        "no_envelope",
    ),
    "two answers": (
        granted(ME).replace("</e:Body>", "<t:NowResponse/></e:Body>"),
        "200 OK",
        OutcomeUnknownError,
        "no_envelope",
    ),
    "the answer of another operation": (
        answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM>", "OtherResponse"),
        "200 OK",
        OutcomeUnknownError,
        "wrong_answer",
    ),
    "our own request": (answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM>", "Now"), "200 OK", OutcomeUnknownError, "wrong_answer"),
    "an answer in another namespace": (
        granted(ME).replace(NAMESPACE, "urn:other"),
        "200 OK",
        OutcomeUnknownError,
        "wrong_answer",
    ),
    "an answer without a reference": (answer("<LSH/><JGDM>1</JGDM>"), "200 OK", OutcomeUnknownError, "echo_missing"),
    "an answer without the element": (answer("<JGDM>1</JGDM>"), "200 OK", OutcomeUnknownError, "unreadable_answer"),
    "the answer of another delivery": (granted(OTHER), "200 OK", OutcomeUnknownError, "echo_mismatch"),
    "a reference that is none": (
        answer("<LSH>样例</LSH><JGDM>1</JGDM>"),
        "200 OK",
        OutcomeUnknownError,
        "echo_mismatch",
    ),
    "an answer that relates to another message": (
        related(f"urn:uuid:{OTHER}", "<t:JGDM>1</t:JGDM>"),
        "200 OK",
        OutcomeUnknownError,
        "echo_mismatch",
    ),
    "an answer that relates to no id": (
        related("urn:mine:1", "<t:JGDM>1</t:JGDM>"),
        "200 OK",
        OutcomeUnknownError,
        "echo_mismatch",
    ),
    "no result": (answer(f"<LSH>{ME}</LSH><JGDM/>"), "200 OK", OutcomeUnknownError, "result_missing"),
    "a result nobody declared": (
        answer(f"<LSH>{ME}</LSH><JGDM>77</JGDM>"),
        "200 OK",
        OutcomeUnknownError,
        "unknown_result_code",
    ),
    "not received, to the message itself": (
        answer(f"<LSH>{ME}</LSH><JGDM>4</JGDM>"),
        "200 OK",
        OutcomeUnknownError,
        "not_received",
    ),
    "an element that the WSDL lacks": (
        answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM><OTHER>1</OTHER>"),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "elements in another order": (
        answer(f"<JGDM>1</JGDM><LSH>{ME}</LSH>"),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "a date that is none": (
        answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM><valid_to>soon</valid_to>"),
        "200 OK",
        OutcomeUnknownError,
        "bad_reply_field",
    ),
    "a day that does not exist": (
        answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM><valid_to>2026-02-30</valid_to>"),
        "200 OK",
        OutcomeUnknownError,
        "bad_reply_field",
    ),
    "a word for a boolean": (
        answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM><found>maybe</found>"),
        "200 OK",
        OutcomeUnknownError,
        "bad_reply_field",
    ),
    "a number that is none": (
        answer(f"<LSH>{ME}</LSH><JGDM>1</JGDM><amount>NaN</amount>"),
        "200 OK",
        OutcomeUnknownError,
        "bad_reply_field",
    ),
    "busy": (answer(f"<LSH>{ME}</LSH><JGDM>-1</JGDM>"), "200 OK", TemporaryError, "-1"),
    "wrong arguments": (answer(f"<LSH>{ME}</LSH><JGDM>-9</JGDM>"), "200 OK", PermanentError, "-9"),
    "a duplicate": (answer(f"<LSH>{ME}</LSH><JGDM>-7</JGDM>"), "200 OK", DuplicateError, "-7"),
    # Faults.
    "a server fault": (SERVER, FAILED, OutcomeUnknownError, "fault_Server"),
    "a server fault in a 200": (SERVER, "200 OK", OutcomeUnknownError, "fault_Server"),
    "a client fault": (CLIENT, FAILED, PermanentError, "fault_Client"),
    "a client fault in a 200": (CLIENT, "200 OK", PermanentError, "fault_Client"),
    "a finer client fault": (fault11("e:Client.Schema"), FAILED, PermanentError, "fault_Client.Schema"),
    "an authentication fault": (
        fault11("e:Client.Authentication"),
        FAILED,
        CredentialsError,
        "fault_Client.Authentication",
    ),
    "a WS-Security fault": (
        fault11("wsse:FailedAuthentication"),
        FAILED,
        CredentialsError,
        "fault_FailedAuthentication",
    ),
    "not understood": (fault11("e:MustUnderstand"), FAILED, PermanentError, "fault_MustUnderstand"),
    "another version": (fault12("e:VersionMismatch"), FAILED, PermanentError, "fault_VersionMismatch"),
    "a SOAP 1.2 fault of the sender": (fault12("e:Sender"), BAD, PermanentError, "fault_Sender"),
    "a SOAP 1.2 fault of the receiver": (fault12("e:Receiver"), FAILED, OutcomeUnknownError, "fault_Receiver"),
    "a SOAP 1.2 fault with a subcode": (
        fault12("e:Receiver", "a:EndpointUnavailable"),
        FAILED,
        TemporaryError,
        "fault_EndpointUnavailable",
    ),
    "a fault by an overridden table": (fault11("e:Server.Busy"), FAILED, TemporaryError, "fault_Server.Busy"),
    "a fault without a code": (envelope("<e:Fault/>"), FAILED, OutcomeUnknownError, "fault_unknown"),
    "a SOAP 1.2 fault without a code": (envelope("<e:Fault/>", "1.2"), FAILED, OutcomeUnknownError, "fault_unknown"),
    "a fault with an unprintable code": (fault11("样例张三"), FAILED, OutcomeUnknownError, "fault_unknown"),
    "a fault with a huge detail": (
        fault11("e:Server", "<x>" + "样" * 400_000 + "</x>"),
        FAILED,
        OutcomeUnknownError,
        "fault_Server",
    ),
    "a fault that says busy and proves whose it is": (fault11("e:Server", said("-1")), FAILED, TemporaryError, "-1"),
    "a fault that says wrong arguments": (fault12("e:Receiver", "", said("-9")), FAILED, PermanentError, "-9"),
    "a fault that says busy of another delivery": (
        fault11("e:Server", said("-1", f"<LSH>{OTHER}</LSH>")),
        FAILED,
        OutcomeUnknownError,
        "echo_mismatch",
    ),
    "a fault that says busy of nobody": (
        fault11("e:Server", said("-1", "")),
        FAILED,
        OutcomeUnknownError,
        "fault_Server",
    ),
    "a fault with a code nobody declared": (fault11("e:Client", said("77")), FAILED, PermanentError, "fault_Client"),
    "a fault that claims success": (fault11("e:Server", said("1")), FAILED, OutcomeUnknownError, "fault_with_result"),
    # Hostile XML.
    "a billion laughs": (
        BOMB + granted(ME)[38:].replace("样例1", "&j;"),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "an external DTD": (
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + granted(ME)[38:],
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "an external entity": (
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + granted(ME)[38:].replace("样例1", "&f;"),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "a parameter entity": (
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]>' + granted(ME)[38:],
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "an entity nobody defined": (
        granted(ME).replace("样例1", "&what;"),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "a hundred thousand levels": (
        answer("<x>" * 100_000 + "</x>" * 100_000),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "two hundred thousand attributes": (
        granted(ME).replace("<NowResponse", "<NowResponse " + " ".join(f'a{n}="1"' for n in range(200_000))),
        "200 OK",
        OutcomeUnknownError,
        "answer_too_large",
    ),
    "eleven megabytes of text": (
        granted(ME).replace("样例1", "x" * 11_000_000),
        "200 OK",
        OutcomeUnknownError,
        "answer_too_large",
    ),
    "XInclude": (
        answer('<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'),
        "200 OK",
        OutcomeUnknownError,
        "unreadable_answer",
    ),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_a_misbehaviour_ends_in_its_error(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content, status, expected, code = MISBEHAVIOURS[name]
    of = system(faults={"Server.Busy": "temporary"})
    vendored(of, tmp_path)
    async with scripted(content, status).serving() as server, gateway(of, tmp_path, server.url) as opened:
        began = time.perf_counter()
        with pytest.raises(DeliveryError) as raised:
            await opened.deliver(delivery(id=ME))
    assert type(raised.value) is expected
    assert raised.value.code == code
    assert time.perf_counter() - began < 1.0
    assert len(server.arrivals) == 1
    assert "样例" not in str(raised.value)
    assert not caplog.records


async def test_hostile_xml_costs_little_memory(tmp_path: Path) -> None:
    of = system()
    vendored(of, tmp_path)
    content = MISBEHAVIOURS["a billion laughs"][0]
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url) as opened:
        tracemalloc.start()
        with pytest.raises(OutcomeUnknownError):
            await opened.deliver(delivery(id=ME))
        assert tracemalloc.get_traced_memory()[1] < 64_000_000
        tracemalloc.stop()


GOOD: dict[str, tuple[str, Any]] = {
    "granted": (granted(ME), Completed),
    "with a byte order mark": ("\ufeff" + granted(ME), Completed),
    "without a declaration, in another case": (granted(ME)[38:].replace(str(ME), str(ME).upper()), Completed),
    "proved by addressing alone": (related(f"urn:uuid:{ME}", "<t:JGDM>2</t:JGDM>"), Completed),
    "related to nothing, as addressing allows": (
        related(f"{WSA}/unspecified", "<t:JGDM>2</t:JGDM>").replace("<t:LSH/>", f"<t:LSH>{ME}</t:LSH>"),
        Completed,
    ),
    "accepted": (answer(f"<LSH>{ME}</LSH><JGDM>5</JGDM><SLBH> 77 </SLBH>"), AwaitingReply),
    "returned": (answer(f"<LSH>{ME}</LSH><JGDM>3</JGDM><THYY>R1</THYY><BZXM>M01; M02</BZXM>"), Returned),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_answer_is_taken(name: str, tmp_path: Path) -> None:
    content, expected = GOOD[name]
    of = system()
    vendored(of, tmp_path)
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url) as opened:
        outcome = await opened.deliver(delivery(id=ME))
    assert isinstance(outcome, expected)
    if isinstance(outcome, AwaitingReply):
        assert outcome.department_ref == "77"
        assert outcome.next_poll_at is None
    if isinstance(outcome, Returned):
        assert (outcome.reason_code, outcome.wanted) == ("R1", ("M01", "M02"))


ENQUIRIES: dict[str, tuple[str, str, Any]] = {
    "not received": (f"<LSH>{ME}</LSH><JGDM>4</JGDM>", "QueryResultResponse", NotFound(what=Lookup.NOT_RECEIVED)),
    "not received, of another": (f"<LSH>{OTHER}</LSH><JGDM>4</JGDM>", "QueryResultResponse", "echo_mismatch"),
    "not received, of nobody": ("<LSH/><JGDM>4</JGDM>", "QueryResultResponse", "echo_missing"),
    "another operation's": (f"<LSH>{ME}</LSH><JGDM>4</JGDM>", "NowResponse", "wrong_answer"),
    "busy": (f"<LSH>{ME}</LSH><JGDM>-1</JGDM>", "QueryResultResponse", "-1"),
}


@pytest.mark.parametrize("name", ENQUIRIES)
async def test_an_enquiry_is_believed_only_from_its_own_answer(name: str, tmp_path: Path) -> None:
    inner, element, expected = ENQUIRIES[name]
    of = system(later=True)
    vendored(of, tmp_path)
    async with scripted(answer(inner, element)).serving() as server, gateway(of, tmp_path, server.url) as opened:
        if isinstance(expected, NotFound):
            assert await opened.enquire(delivery(id=ME)) == expected
        else:
            with pytest.raises(DeliveryError) as raised:
                await opened.enquire(delivery(id=ME))
            assert raised.value.code == expected


async def test_an_accepted_delivery_is_enquired_after_a_while_where_no_list_tells(tmp_path: Path) -> None:
    of = system([operation("later", "later")], enquire_operation="QueryResult", later_replies="poll")
    vendored(of, tmp_path)
    content = answer(f"<LSH>{ME}</LSH><JGDM>5</JGDM>", "LaterResponse")
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url) as opened:
        outcome = await opened.deliver(delivery("later", id=ME))
    assert isinstance(outcome, AwaitingReply)
    assert outcome.next_poll_at is not None
    assert not hasattr(opened, "collect")


LISTS: dict[str, tuple[str, int]] = {
    "an entry of an unknown operation": (f"<LSH>{ME}</LSH><JGDM>1</JGDM><JKMC>What</JKMC>", 0),
    "an entry that names no operation": (f"<LSH>{ME}</LSH><JGDM>1</JGDM>", 0),
    "an entry that names no delivery": ("<LSH/><JGDM>1</JGDM><JKMC>Now</JKMC>", 0),
    "an entry that never arrived": (f"<LSH>{ME}</LSH><JGDM>4</JGDM><JKMC>Now</JKMC>", 0),
    "an entry with a code nobody declared": (f"<LSH>{ME}</LSH><JGDM>77</JGDM><JKMC>Now</JKMC>", 0),
    "a good one": (f"<LSH>{ME}</LSH><JGDM>1</JGDM><JKMC>Now</JKMC><CLSJ>2026-03-02T09:00:00+08:00</CLSJ>", 1),
    "one with a time that is none": (f"<LSH>{ME}</LSH><JGDM>-9</JGDM><JKMC>later</JKMC><CLSJ>noon</CLSJ>", 1),
    "one without a zone": (f"<LSH>{ME}</LSH><JGDM>1</JGDM><JKMC>Now</JKMC><CLSJ>2026-03-02T09:00:00</CLSJ>", 1),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_bad_entry_of_a_list_does_not_hold_back_the_others(name: str, tmp_path: Path) -> None:
    entry, good = LISTS[name]
    of = system(later=True)
    vendored(of, tmp_path)
    whole = f"<LSH>{OTHER}</LSH><JGDM>2</JGDM><JKMC>Later</JKMC>"
    inner = f"<JGLB><JG>{entry}</JG><JG>{whole}</JG></JGLB><XYBH>2</XYBH>"
    pages = [answer(inner, "QueryResultListResponse"), answer("<JGLB/><XYBH>2</XYBH>", "QueryResultListResponse")]
    server = ScriptedServer(lambda number: http_answer(pages[min(number, 2) - 1].encode()))
    async with server.serving(), gateway(of, tmp_path, server.url) as opened:
        found = [page async for page in opened.collect()]
    assert [len(page) for page in found] == [1 + good]
    assert b"<ns0:TS>2</ns0:TS>" in server.arrivals[0]
    assert b"QSBH>2</" in server.arrivals[1]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (SERVER, "fault_Server"),
        (answer("<XYBH>2</XYBH>", "QueryResultListResponse"), "unreadable_answer"),
        ("<html/>", "no_envelope"),
    ],
)
async def test_a_list_that_cannot_be_read_is_an_error(content: str, code: str, tmp_path: Path) -> None:
    of = system(later=True)
    vendored(of, tmp_path)
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url) as opened:
        with pytest.raises(DeliveryError) as raised:
            _ = [page async for page in opened.collect()]
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (SERVER, FAILED, "fault_Server"),
        (fault11("wsse:FailedAuthentication"), FAILED, "fault_FailedAuthentication"),
        ("", "503 Busy", "http_503"),
        (CLIENT, FAILED, None),
        (answer("<LSH/><JGDM>4</JGDM>", "QueryResultResponse"), "200 OK", None),
    ],
)
async def test_a_check_passes_where_the_way_is_proved(
    content: str, status: str, code: str | None, tmp_path: Path
) -> None:
    of = system(later=True)
    vendored(of, tmp_path)
    async with scripted(content, status).serving() as server, gateway(of, tmp_path, server.url) as opened:
        if code is None:
            await opened.check()
        else:
            with pytest.raises(DeliveryError) as raised:
                await opened.check()
            assert raised.value.code == code


def multiref(parts: dict[str, str]) -> str:
    """An answer of an old RPC server: its values stand beside it."""
    beside = "".join(f'<multiRef id="{name}">{inner}</multiRef>' for name, inner in parts.items())
    return envelope(f'<t:NowResponse><return href="#r"/></t:NowResponse>{beside}')


async def test_values_beside_an_rpc_answer_are_put_in_their_places(tmp_path: Path) -> None:
    parts = {
        "r": f'<LSH>{ME}</LSH><JGDM href="#c"/><kinds href="#k"/><records><ROW href="#w"/></records>',
        "c": "1",
        "k": "<CODE>07</CODE>",
        "w": "<month>2026-01</month>",
    }
    of = system(style="rpc/encoded")
    vendored(of, tmp_path)
    async with scripted(multiref(parts)).serving() as server, gateway(of, tmp_path, server.url) as opened:
        outcome = await opened.deliver(delivery(id=ME))
    assert isinstance(outcome, Completed)
    assert outcome.fields == {"kinds": ["07"], "records": [{"month": "2026-01"}]}


@pytest.mark.parametrize(
    "parts",
    [
        {"r": '<LSH href="#r"/>'},
        {"r": '<LSH href="#a"/>', "a": '<x href="#b"/>', "b": '<x href="#a"/>'},
        {
            "r": "<x/>" + '<x href="#1"/>' * 10,
            **{str(n): f'<x href="#{n + 1}"/>' * 10 for n in range(1, 12)},
            "12": "x",
        },
    ],
)
async def test_references_that_never_end_are_refused(parts: dict[str, str], tmp_path: Path) -> None:
    of = system(style="rpc/encoded")
    vendored(of, tmp_path)
    async with scripted(multiref(parts)).serving() as server, gateway(of, tmp_path, server.url) as opened:
        began = time.perf_counter()
        with pytest.raises(OutcomeUnknownError, match="unreadable_answer"):
            await opened.deliver(delivery(id=ME))
        assert time.perf_counter() - began < 1.0


async def test_an_answer_beside_another_is_none_without_an_id(tmp_path: Path) -> None:
    of = system(style="rpc/encoded")
    vendored(of, tmp_path)
    content = multiref({"r": "x"}).replace(' id="r"', "")
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url) as opened:
        with pytest.raises(OutcomeUnknownError, match="no_envelope"):
            await opened.deliver(delivery(id=ME))
