"""The fault matrix: what departments and networks do wrong, each with each kind of operation, and the class it must end in."""

import asyncio
from collections.abc import Sequence
from typing import Any

from adapters.rest_table import Verdict
from contracts.delivery import Delivery
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import Situation
from simulators.certify import http_faults as acts
from simulators.certify.bench import Bench
from simulators.certify.check import Area, Check, Run, check
from simulators.certify.checks.mapping import told
from simulators.certify.http_proxy import Act
from simulators.certify.verdict import NotApplicable, require

API = (Situation.API,)
UNKNOWN_ZH = "结果可能已产生:抛出 OutcomeUnknownError,由中枢查询或交人处理"
UNKNOWN_EN = "It may have acted: raise OutcomeUnknownError and let the hub enquire, or a person decide"
LOGIN_PAGE = "<html><title>统一认证 login</title><form></form></html>".encode()


async def ends(bench: Bench, act: Act, wanted: type[DeliveryError], *, at_once: bool = False) -> None:
    """Each kind of operation meets ``act``: the attempt ends in ``wanted``, the department acted once at most, the next one succeeds.
    Raises Failed."""
    for operation in bench.classes:
        delivery, effects = bench.delivery(operation), bench.api.effects
        with bench.api.proxy.doing(act, at_once=at_once):
            end = await bench.deliver(delivery)
        require(isinstance(end, wanted), f"{operation.key}: ended as {told(end)}, not as {wanted.__name__}")
        require(bench.api.effects - effects <= 1, f"{operation.key}: the department acted twice")
        await goes_on(bench, bench.delivery(operation))


async def goes_on(bench: Bench, delivery: Delivery) -> None:
    """A good attempt after the fault succeeds. Raises Failed."""
    end = await bench.deliver(delivery)
    require(
        not isinstance(end, DeliveryError), f"{delivery.operation}: the attempt after the fault ended as {told(end)}"
    )


_CLASSES: dict[Verdict, type[DeliveryError]] = {
    Verdict.TEMPORARY: TemporaryError,
    Verdict.UNKNOWN: OutcomeUnknownError,
    Verdict.PERMANENT: PermanentError,
    Verdict.CREDENTIALS: CredentialsError,
}


def declared(bench: Bench, status: int, usual: type[DeliveryError]) -> type[DeliveryError]:
    """The class of a 4xx: what the channel's table says of it, else the usual one."""
    table = bench.subject.table
    said: Any = table[1].get("status", {}) if table is not None else {}
    found = said.get(str(status), said.get(status)) if isinstance(said, dict) else None
    return _CLASSES[Verdict(str(found))] if found is not None else usual


def fault(
    name: str,
    act: Act,
    wanted: type[DeliveryError],
    zh: str,
    en: str,
    *,
    mend: tuple[str, str] = (UNKNOWN_ZH, UNKNOWN_EN),
    protocols: tuple[str, ...] = (),
    status: int = 0,
) -> Check:
    """A row of the matrix. ``status``: a 4xx, of which the channel's table may say something else."""

    async def run(bench: Bench) -> None:
        await ends(bench, act, declared(bench, status, wanted) if status else wanted)

    return check(name, Area.FAULTS, zh=(zh, mend[0]), en=(en, mend[1]), situations=API, protocols=protocols)(run)


TEMPORARY = ("部门未受理:抛出 TemporaryError", "The department did not act: raise TemporaryError")
PERMANENT = (
    "报文本身被拒:抛出 PermanentError,不再重发",
    "The message itself is rejected: raise PermanentError, so that it is not sent again",
)
LOGIN = (
    "凭据被拒:抛出 CredentialsError,停住队列,不得反复登录",
    "The login is refused: raise CredentialsError, so that the lane is held and nobody hammers it",
)

MATRIX: Sequence[Check] = (
    fault(
        "fault-500",
        acts.status("500 Internal Server Error"),
        OutcomeUnknownError,
        "500:可能已办,结果不明",
        "A 500 may have acted before it failed",
    ),
    fault(
        "fault-502",
        acts.status("502 Bad Gateway", body=b"<html>bad gateway</html>", kind="text/html"),
        OutcomeUnknownError,
        "网关页 502:结果不明",
        "A proxy's 502 says nothing of the department behind it",
    ),
    fault(
        "fault-504",
        acts.status("504 Gateway Timeout"),
        OutcomeUnknownError,
        "504:结果不明",
        "A 504 was forwarded and may have acted",
    ),
    fault(
        "fault-429",
        acts.status("429 Too Many Requests", "Retry-After: 5"),
        TemporaryError,
        "429:暂时性错误",
        "A 429 is temporary",
        mend=TEMPORARY,
        status=429,
    ),
    fault(
        "fault-400",
        acts.status("400 Bad Request", body=b"bad"),
        PermanentError,
        "400:报文被拒,不再重发",
        "A 400 rejects the message for good",
        mend=PERMANENT,
        status=400,
    ),
    fault(
        "fault-404",
        acts.status("404 Not Found", body=b"<html>not found</html>", kind="text/html"),
        PermanentError,
        "404:地址有误,须人工更正",
        "A 404 means a wrong address: a person has to correct it",
        mend=PERMANENT,
        status=404,
    ),
    fault(
        "fault-403",
        acts.status("403 Forbidden"),
        CredentialsError,
        "403:无权,停住队列",
        "A 403 refuses us: the lane is held",
        mend=LOGIN,
        status=403,
    ),
    fault(
        "fault-login-page",
        acts.status("200 OK", body=LOGIN_PAGE, kind="text/html; charset=utf-8"),
        OutcomeUnknownError,
        "以 200 返回登录页:不算成功",
        "A login page with 200 is no success",
    ),
    fault(
        "fault-empty-answer",
        acts.status("200 OK", kind="application/json"),
        OutcomeUnknownError,
        "200 而无内容:不算成功",
        "A 200 with nothing in it is no success",
    ),
    fault(
        "fault-204",
        acts.status("204 No Content"),
        OutcomeUnknownError,
        "204:没有结果,不算成功",
        "A 204 promises no result",
    ),
    fault(
        "fault-half-a-body",
        acts.rewritten(lambda body: body[: len(body) // 2]),
        OutcomeUnknownError,
        "长度正确而内容只有一半:结果不明",
        "Half a body under its right length is unreadable",
    ),
    fault(
        "fault-bad-bytes",
        acts.rewritten(acts.with_bad_bytes),
        OutcomeUnknownError,
        "答复中有任何编码都不认识的字节:结果不明",
        "An answer with bytes that no encoding knows is unreadable",
    ),
    fault(
        "fault-cut-answer",
        acts.cut,
        OutcomeUnknownError,
        "答复中途断开:结果不明",
        "An answer that breaks off is an unknown outcome",
    ),
    fault(
        "fault-cut-without-length",
        acts.cut_without_length,
        OutcomeUnknownError,
        "未声明长度的答复被截断:不得当作完整",
        "A cut answer that stated no length is not taken for a whole one",
    ),
    fault(
        "fault-success-in-500",
        acts.rewritten(lambda body: body, "500 Internal Server Error"),
        OutcomeUnknownError,
        "500 状态却带成功内容:不算成功",
        "A good answer under a 500 is no success",
    ),
    fault(
        "fault-packed-answer",
        acts.changed(acts.packed),
        OutcomeUnknownError,
        "未请求的压缩炸弹:在限额内停止",
        "A packed answer that grows without measure is stopped",
        mend=(
            "按声明的上限边解压边计数,超限抛出 OutcomeUnknownError",
            "Unpack within a budget of bytes, and raise beyond it",
        ),
    ),
    fault(
        "fault-name-twice",
        acts.rewritten(lambda body: body.rstrip()[:-1] + b"," + body.strip()[1:]),
        OutcomeUnknownError,
        "JSON 中同名字段出现两次:结果不明",
        "A JSON answer that says a name twice is unreadable: which would count?",
        protocols=("rest",),
    ),
    fault(
        "fault-soap-client",
        acts.status("500 Internal Server Error", body=acts.soap_fault("1.1", "Client"), kind="text/xml"),
        PermanentError,
        "SOAP Client 故障:报文被拒",
        "A Client fault rejects the message",
        mend=PERMANENT,
        protocols=("soap",),
    ),
    fault(
        "fault-soap-server",
        acts.status("500 Internal Server Error", body=acts.soap_fault("1.1", "Server"), kind="text/xml"),
        OutcomeUnknownError,
        "SOAP Server 故障:结果不明",
        "A Server fault may have acted",
        protocols=("soap",),
    ),
    fault(
        "fault-soap-in-200",
        acts.status("200 OK", body=acts.soap_fault("1.1", "Server"), kind="text/xml"),
        OutcomeUnknownError,
        "以 200 返回的 SOAP 故障:不算成功",
        "A fault under 200 is no success",
        protocols=("soap",),
    ),
    fault(
        "fault-soap-entities",
        acts.rewritten(acts.with_entities),
        OutcomeUnknownError,
        "答复带 DOCTYPE 与实体:拒读",
        "An answer with a DOCTYPE and entities is not read",
        mend=("解析 XML 时禁止 DTD 与实体", "Forbid DTDs and entities where XML is parsed"),
        protocols=("soap",),
    ),
    fault(
        "fault-soap-version",
        acts.rewritten(acts.in_other_version),
        OutcomeUnknownError,
        "信封属于另一 SOAP 版本:结果不明",
        "An envelope of the other SOAP version is unreadable",
        protocols=("soap",),
    ),
)


@check(
    "fault-refused",
    Area.FAULTS,
    zh=("连接被拒:暂时性错误", TEMPORARY[0]),
    en=("A refused connection is temporary: nothing can have arrived", TEMPORARY[1]),
    situations=API,
)
async def fault_refused(bench: Bench) -> None:
    """The one case in which nothing can have arrived."""
    for operation in bench.classes:
        async with bench.api.proxy.away():
            end = await bench.deliver(bench.delivery(operation))
        require(isinstance(end, TemporaryError), f"{operation.key}: ended as {told(end)}, not as TemporaryError")
        await goes_on(bench, bench.delivery(operation))


@check(
    "fault-lost-reply",
    Area.FAULTS,
    zh=("连接在发出之后中断,不论部门是否已办:结果不明", UNKNOWN_ZH),
    en=(
        "A connection that breaks after bytes have left is an unknown outcome, whether the department acted or not",
        UNKNOWN_EN,
    ),
    situations=API,
)
async def fault_lost_reply(bench: Bench) -> None:
    """Sent again as if nothing had been, it would be done twice."""
    await ends(bench, acts.reset, OutcomeUnknownError, at_once=True)
    await ends(bench, acts.reset, OutcomeUnknownError)
    await ends(bench, acts.lose_reply, OutcomeUnknownError)


@check(
    "fault-slow-answer",
    Area.FAULTS,
    zh=("部门不答或逐字慢答:到时停止,结果不明", "为整个往返设定时限,而不是每次读取;超时抛出 OutcomeUnknownError"),
    en=(
        "Silence, or an answer byte by byte, ends at the time limit as an unknown outcome",
        "Limit the whole exchange in time and not each read; a timeout is OutcomeUnknownError",
    ),
    situations=API,
)
async def fault_slow_answer(bench: Bench) -> None:
    """A department that drips keeps every place of a lane."""
    with bench.impatient():
        for act in (acts.stay_silent, acts.drip):
            operation = bench.classes[-1]
            with bench.api.proxy.doing(act):
                end = await bench.deliver(bench.delivery(operation))
            wanted = isinstance(end, OutcomeUnknownError)
            require(wanted, f"{operation.key}: ended as {told(end)}, not as OutcomeUnknownError")
    await goes_on(bench, bench.delivery(bench.classes[-1]))


@check(
    "fault-503",
    Area.FAULTS,
    zh=("503 带 Retry-After:暂时性错误,并带上等待时间", "把 503 归为 TemporaryError,并传递 retry_after"),
    en=(
        "503 with Retry-After is temporary, and says how long to wait",
        "Make 503 a TemporaryError and hand on retry_after",
    ),
    situations=API,
)
async def fault_503(bench: Bench) -> None:
    """The department did not act."""
    for operation in bench.classes:
        with bench.api.proxy.doing(acts.status("503 Service Unavailable", "Retry-After: 17")):
            end = await bench.deliver(bench.delivery(operation))
        require(isinstance(end, TemporaryError), f"{operation.key}: ended as {told(end)}, not as TemporaryError")
        waits = end.retry_after if isinstance(end, TemporaryError) else None
        require(waits == 17, f"{operation.key}: Retry-After was not handed on")
        await goes_on(bench, bench.delivery(operation))


@check(
    "fault-odd-retry-after",
    Area.FAULTS,
    zh=("Retry-After 荒谬时不采信", "把 retry_after 限制在一秒到一天之间,读不懂时置空"),
    en=(
        "A Retry-After that makes no sense is not believed",
        "Keep retry_after between a second and a day, and None where it cannot be read",
    ),
    situations=API,
)
async def fault_odd_retry_after(bench: Bench) -> None:
    """A typing mistake of theirs must neither hammer them nor lose a day."""
    for text in ("0", "-5", "soon", "1000000000"):
        with bench.api.proxy.doing(acts.status("503 Service Unavailable", f"Retry-After: {text}")):
            end = await bench.deliver(bench.delivery(bench.classes[0]))
        waits = end.retry_after if isinstance(end, TemporaryError) else None
        require(waits is None or 1 <= waits <= 86_400, f"Retry-After: {text} became {waits} seconds")


@check(
    "fault-401",
    Area.FAULTS,
    zh=("401:凭据被拒,停住队列,至多换一次令牌", LOGIN[0]),
    en=("A 401 refuses our login: the lane is held, and one new token at most is tried", LOGIN[1]),
    situations=API,
)
async def fault_401(bench: Bench) -> None:
    """Repeated logins lock accounts."""
    for operation in bench.classes:
        before = len(bench.api.proxy.messages)
        with bench.api.proxy.doing(acts.status("401 Unauthorized")):
            end = await bench.deliver(bench.delivery(operation))
        require(isinstance(end, CredentialsError), f"{operation.key}: ended as {told(end)}, not as CredentialsError")
        tries = len(bench.api.proxy.messages) - before
        require(tries <= 2, f"{operation.key}: {tries} messages after a 401")
        await goes_on(bench, bench.delivery(operation))


@check(
    "fault-redirect",
    Area.FAULTS,
    zh=("重定向:不跟随,个人信息不去未约定的地方", "关闭 HTTP 客户端的自动跟随,并抛出 PermanentError"),
    en=(
        "A redirect is not followed: nobody agreed to send personal data there",
        "Turn off following redirects in the HTTP client and raise PermanentError",
    ),
    situations=API,
)
async def fault_redirect(bench: Bench) -> None:
    """The address that the department agreed to is the only one."""
    for operation in bench.classes:
        before = len(bench.api.proxy.messages)
        with bench.api.proxy.doing(acts.redirect):
            end = await bench.deliver(bench.delivery(operation))
        followed = [one.target for one in bench.api.proxy.messages[before:] if one.target.endswith("/elsewhere")]
        require(not followed, f"{operation.key}: the redirect was followed")
        require(isinstance(end, PermanentError), f"{operation.key}: ended as {told(end)}, not as PermanentError")


@check(
    "fault-endless-answer",
    Area.FAULTS,
    zh=("没有尽头的答复:在限额内停止", "读取答复时计数,超过上限即断开并抛出 OutcomeUnknownError"),
    en=(
        "An answer without end is stopped",
        "Count while you read an answer; hang up beyond the limit and raise OutcomeUnknownError",
    ),
    situations=API,
)
async def fault_endless_answer(bench: Bench) -> None:
    """One department must not fill the hub's memory."""
    flood, operation = acts.Flood(), bench.classes[0]
    with bench.api.proxy.doing(flood.act):
        end = await bench.deliver(bench.delivery(operation))
    require(isinstance(end, OutcomeUnknownError), f"{operation.key}: ended as {told(end)}, not as OutcomeUnknownError")
    require(flood.sent < acts.MOST_BYTES, f"{flood.sent} bytes were read without a limit")
    await goes_on(bench, bench.delivery(operation))


def _by_reference(run: Run) -> Run:
    """Only where the delivery id travels; on a connection of its own there is nothing to mix up."""

    async def only(bench: Bench) -> None:
        if bench.by_connection:
            raise NotApplicable("the connection is the reference: no id travels")
        await run(bench)

    return only


@check(
    "fault-other-delivery",
    Area.FAULTS,
    zh=("答复写着别的编号:不算本送达的结果", "核对答复中回传的送达编号,不符即抛出 OutcomeUnknownError"),
    en=(
        "An answer that names another delivery is not taken for this one's",
        "Compare the delivery id that the answer repeats, and raise OutcomeUnknownError where it differs",
    ),
    situations=API,
)
@_by_reference
async def fault_other_delivery(bench: Bench) -> None:
    """Somebody else's decision."""
    await ends(bench, acts.changed(acts.with_other_id), OutcomeUnknownError)


@check(
    "fault-nobodys-answer",
    Area.FAULTS,
    zh=("答复不说属于哪个送达:不采信", "要求部门在每个答复中回传送达编号;没有即抛出 OutcomeUnknownError"),
    en=(
        "An answer that does not say whose it is is not believed",
        "Have the department repeat the delivery id in every answer, and raise OutcomeUnknownError without it",
    ),
    situations=API,
)
@_by_reference
async def fault_nobodys_answer(bench: Bench) -> None:
    """It may be anybody's."""
    await ends(bench, acts.changed(acts.without_id), OutcomeUnknownError)


@check(
    "fault-swapped-answers",
    Area.FAULTS,
    zh=("同时两件的答复被对调:两件都不算成功", "以答复中的编号而不是连接或先后来认定归属"),
    en=(
        "Two answers that were swapped settle neither delivery",
        "Tell answers apart by the id in them, never by connection or order",
    ),
    situations=API,
)
@_by_reference
async def fault_swapped_answers(bench: Bench) -> None:
    """Each would get the other one's decision."""
    for operation in bench.classes:
        swap = acts.Swap()
        with bench.api.proxy.doing(swap.act):
            both = await asyncio.gather(*(bench.deliver(bench.delivery(operation)) for _ in range(2)))
        wrong = [told(end) for end in both if not isinstance(end, OutcomeUnknownError)]
        require(not wrong, f"{operation.key}: with swapped answers ended as {', '.join(wrong)}")
        await goes_on(bench, bench.delivery(operation))


@check(
    "fault-answered-twice",
    Area.FAULTS,
    zh=("同一连接上答复两次:多出的一份不落到下一件", "读完一份答复后如有剩余字节,关闭该连接"),
    en=(
        "A second answer on the same connection is not taken for the next delivery's",
        "Close a connection on which bytes are left after an answer",
    ),
    situations=API,
)
@_by_reference
async def fault_answered_twice(bench: Bench) -> None:
    """The next resident would get this one's decision."""
    for operation in bench.classes:
        with bench.api.proxy.doing(acts.twice):
            await bench.deliver(bench.delivery(operation))
        await goes_on(bench, bench.delivery(operation))


CHECKS = (
    fault_refused,
    fault_lost_reply,
    fault_slow_answer,
    fault_503,
    fault_odd_retry_after,
    fault_401,
    fault_redirect,
    fault_endless_answer,
    fault_other_delivery,
    fault_nobodys_answer,
    fault_swapped_answers,
    fault_answered_twice,
    *MATRIX,
)
