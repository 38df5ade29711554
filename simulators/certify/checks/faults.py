"""The fault matrix: what departments and networks do wrong, each with each kind of operation, and the class it must end in."""

import asyncio

from contracts.delivery import Delivery
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import Situation
from simulators.certify import http_faults as acts
from simulators.certify.bench import Bench
from simulators.certify.check import Area, Run, check
from simulators.certify.checks.mapping import told
from simulators.certify.http_proxy import Act
from simulators.certify.verdict import NotApplicable, require

API = (Situation.API,)
UNKNOWN_ZH = "结果可能已产生:抛出 OutcomeUnknownError,由中枢查询或交人处理"
UNKNOWN_EN = "It may have acted: raise OutcomeUnknownError and let the hub enquire, or a person decide"


async def ends(bench: Bench, act: Act, wanted: type[DeliveryError], *, at_once: bool = False) -> None:
    """Each kind of operation meets ``act``: the attempt ends in ``wanted``, the department acted once at most, the next one succeeds.
    Raises Failed."""
    for operation in bench.classes:
        delivery, effects = bench.delivery(operation), bench.api.effects
        with bench.api.proxy.doing(act, at_once=at_once):
            end = await bench.deliver(delivery)
        require(isinstance(end, wanted), "{0}: ended as {1}, not as {2}", operation.key, told(end), wanted.__name__)
        require(bench.api.effects - effects <= 1, "{0}: the department acted twice", operation.key)
    await goes_on(bench, bench.delivery(bench.classes[-1]))


async def goes_on(bench: Bench, delivery: Delivery) -> None:
    """A good attempt after the fault succeeds. Raises Failed."""
    end = await bench.deliver(delivery)
    require(
        not isinstance(end, DeliveryError),
        "{0}: the attempt after the fault ended as {1}",
        delivery.operation,
        told(end),
    )


TEMPORARY = ("部门未受理:抛出 TemporaryError", "The department did not act: raise TemporaryError")
PERMANENT = (
    "报文本身被拒:抛出 PermanentError,不再重发",
    "The message itself is rejected: raise PermanentError, so that it is not sent again",
)
LOGIN = (
    "凭据被拒:抛出 CredentialsError,停住队列,不得反复登录",
    "The login is refused: raise CredentialsError, so that the lane is held and nobody hammers it",
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
        require(isinstance(end, TemporaryError), "{0}: ended as {1}, not as TemporaryError", operation.key, told(end))
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
            require(wanted, "{0}: ended as {1}, not as OutcomeUnknownError", operation.key, told(end))
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
        require(isinstance(end, TemporaryError), "{0}: ended as {1}, not as TemporaryError", operation.key, told(end))
        waits = end.retry_after if isinstance(end, TemporaryError) else None
        require(waits == 17, "{0}: Retry-After was not handed on", operation.key)
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
        require(waits is None or 1 <= waits <= 86_400, "Retry-After: {0} became {1} seconds", text, waits)


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
        require(
            isinstance(end, CredentialsError), "{0}: ended as {1}, not as CredentialsError", operation.key, told(end)
        )
        tries = len(bench.api.proxy.messages) - before
        require(tries <= 2, "{0}: {1} messages after a 401", operation.key, tries)
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
        require(not followed, "{0}: the redirect was followed", operation.key)
        require(isinstance(end, PermanentError), "{0}: ended as {1}, not as PermanentError", operation.key, told(end))


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
    require(
        isinstance(end, OutcomeUnknownError), "{0}: ended as {1}, not as OutcomeUnknownError", operation.key, told(end)
    )
    require(flood.sent < acts.MOST_BYTES, "{0} bytes were read without a limit", flood.sent)
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
        require(not wrong, "{0}: with swapped answers ended as {1}", operation.key, wrong)
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
)
