"""How a plugin behaves in the hub: what it returns and raises, what it leaves behind, and what it does not tell."""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from contracts.catalogue import Operation
from contracts.delivery import AwaitingReply, Completed, Delivery, NotFound, Outcome, Returned
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError
from contracts.plugin import Enquiring
from contracts.site_checks import CODED
from contracts.situation import Situation
from simulators.certify import http_faults as acts
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.deliveries import marks
from simulators.certify.http_proxy import HttpReply
from simulators.certify.verdict import Failed, reason, require

T = TypeVar("T")
API = (Situation.API,)
_TURNS = 60
"""So often the watcher looks, a few milliseconds apart, before it says that the loop stands still."""


@check(
    "returns-contract-types",
    Area.MANNERS,
    zh=("只返回契约规定的类型", "deliver 与 enquire 只返回 contracts.delivery 中的结果类型"),
    en=(
        "Only types of the contract come back",
        "Return outcomes of contracts.delivery from deliver and enquire, nothing else",
    ),
    situations=API,
)
async def returns_contract_types(bench: Bench) -> None:
    """Also at the third try."""
    outcomes = (Completed, Returned, AwaitingReply)
    for operation in bench.classes:
        delivery = bench.delivery(operation, attempt=3)
        end: object = await bench.deliver(delivery)
        require(
            isinstance(end, (*outcomes, DeliveryError)), "{0}: deliver returned {1}", operation.key, type(end).__name__
        )
        if isinstance(bench.gateway, Enquiring):
            found: object = await bench.enquire(delivery)
            wanted = (*outcomes, NotFound, DeliveryError)
            require(isinstance(found, wanted), "{0}: enquire returned {1}", operation.key, type(found).__name__)


def _odd(text: bytes) -> Callable[[HttpReply], HttpReply]:
    def change(reply: HttpReply) -> HttpReply:
        return HttpReply(status="200 OK", headers=reply.headers, body=text)

    return change


_ODD = (b"null", b"[]", b"[[[]]]", b"0", b'"text"', b"{}", b'{"a":{"b":[null]}}', b"<a/>", b"<a><b/></a>", b"\x00" * 64)


@check(
    "odd-answers-are-errors",
    Area.MANNERS,
    zh=("答复再离奇也只抛出 DeliveryError", "解析答复的代码把一切意外转为 OutcomeUnknownError"),
    en=(
        "Whatever the answer is, nothing but a DeliveryError is raised",
        "Turn every surprise in reading an answer into OutcomeUnknownError",
    ),
    situations=API,
)
async def odd_answers_are_errors(bench: Bench) -> None:
    """Anything else the hub counts as a bug of the plugin."""
    operation = bench.classes[0]
    for text in _ODD:
        with bench.api.proxy.doing(acts.changed(_odd(text))):
            end = await bench.deliver(bench.delivery(operation))
        require(isinstance(end, OutcomeUnknownError), "{0}: an odd answer ended as {1}", operation.key, told(end))


@check(
    "one-message-per-attempt",
    Area.MANNERS,
    zh=("一次尝试只发一次报文", "网关不得自行重试:重试由中枢负责"),
    en=("One attempt sends one message", "Do not try again inside the gateway: that is the hub's work"),
    situations=API,
)
async def one_message_per_attempt(bench: Bench) -> None:
    """A second try that nobody counts is a duplicate that nobody knows."""
    every = {
        reason("a 503"): acts.status("503 Service Unavailable"),
        reason("a 500"): acts.status("500 Internal Server Error"),
        reason("a lost reply"): acts.lose_reply,
        reason("a cut answer"): acts.cut,
    }
    for operation in bench.classes:
        for what, act in every.items():
            before = len(bench.api.proxy.messages)
            with bench.api.proxy.doing(act):
                await bench.deliver(bench.delivery(operation))
            sent = len(bench.api.proxy.messages) - before
            require(sent == 1, "{0}: {1} messages around {2}", operation.key, sent, what)


@check(
    "cancel-ends-an-attempt",
    Area.MANNERS,
    zh=("取消时立即结束", "不要吞掉 CancelledError,也不要用 shield 包住发送"),
    en=("A cancelled attempt ends at once", "Do not swallow CancelledError, and shield nothing from it"),
    situations=API,
)
async def cancel_ends_an_attempt(bench: Bench) -> None:
    """The watchdog, and the end of the hub, cancel."""
    hangs = acts.FirstHang(1)
    with bench.api.proxy.doing(hangs.act):
        task = _hanging(bench, bench.operations[0])
        await asyncio.wait_for(hangs.arrived.wait(), 5)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=5)
            raise Failed("a cancelled attempt went on")
    require(task.cancelled(), "a cancelled attempt ended as if nothing had been")


@check(
    "hanging-deliveries-hold-nobody",
    Area.MANNERS,
    zh=("几件卡住不拖住别的", "网关不得用全局锁,也不得把调用排成一列"),
    en=("Deliveries that hang hold no other", "Hold no lock over a call, and do not queue calls in the gateway"),
    situations=API,
)
async def hanging_deliveries_hold_nobody(bench: Bench) -> None:
    """The lane calls the gateway several times at once."""
    operation, hangs = bench.operations[0], acts.FirstHang(3)
    with bench.api.proxy.doing(hangs.act):
        stuck = [_hanging(bench, operation) for _ in range(3)]
        try:
            async with asyncio.timeout(5):
                await hangs.arrived.wait()
                end = await bench.deliver(bench.delivery(operation))
        except TimeoutError as error:
            raise Failed("another delivery waits for those that hang") from error
        finally:
            for one in stuck:
                one.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
    require(not isinstance(end, DeliveryError), "beside some that hang it ended as {0}", told(end))


def _hanging(bench: Bench, operation: Operation) -> "asyncio.Task[Outcome]":
    return asyncio.ensure_future(bench.gateway.deliver(bench.prepared(bench.delivery(operation))))


class _Watcher(threading.Thread):
    """Looks at the loop's thread until it is told to stop; ``stood``: the gateway held it in one piece of work."""

    def __init__(self, thread: int, turns: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.stood = False
        self.stop = threading.Event()
        self._thread = thread
        self._turns = turns

    def run(self) -> None:
        """Counted in looks and not in seconds: on a busy machine both sides get fewer turns."""
        seen, still = -1, 0
        while not self.stop.wait(0.005):
            turns = self._turns()
            still = still + 1 if turns == seen and self._in_gateway() else 0
            seen = turns
            self.stood = self.stood or still >= _TURNS

    def _in_gateway(self) -> bool:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - the only way to see where a thread is
        while frame is not None:
            if frame.f_code is watched_deliver.__code__:
                return True
            frame = frame.f_back
        return False


async def watched_deliver(bench: Bench, delivery: Delivery) -> None:
    """A frame by which the watcher knows that the gateway is at work."""
    with suppress(DeliveryError):
        await bench.gateway.deliver(delivery)


@check(
    "loop-is-not-blocked",
    Area.MANNERS,
    zh=("不阻塞事件循环", "把阻塞的工作放进 runtime.in_thread"),
    en=("The event loop is not blocked", "Put work that blocks into runtime.in_thread"),
    alone=True,
)
async def loop_is_not_blocked(bench: Bench) -> None:
    """While it stands still nothing of this department goes on."""
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.002)

    ticking = asyncio.create_task(tick())
    watcher = _Watcher(threading.get_ident(), lambda: turns)
    watcher.start()
    try:
        for operation in bench.classes:
            await watched_deliver(bench, bench.prepared(bench.delivery(operation, attempt=4)))
    finally:
        watcher.stop.set()
        ticking.cancel()
        await asyncio.to_thread(watcher.join)
    require(not watcher.stood, "the loop stood still while the gateway was at work")


@check(
    "logs-name-nobody",
    Area.MANNERS,
    zh=("日志中没有个人信息", "日志只写编号与代码"),
    en=("No log line holds a person's data", "Log ids and codes alone"),
)
async def logs_name_nobody(bench: Bench) -> None:
    """Everything that was sent until here, and every line that was logged."""
    for operation in bench.classes:
        await bench.deliver(bench.delivery(operation))
    # A code, such as "large", is a word of the department's and says nothing of a person.
    coded = {field.name for operation in bench.operations for field in operation.request if field.type in CODED}
    plain = [{name: value for name, value in one.fields.items() if name not in coded} for one in bench.sent]
    every = frozenset().union(*map(marks, plain))
    named = [line for line in bench.listener.lines if any(mark in line for mark in every)]
    require(not named, "{0} log lines hold a field's value", len(named))


@check(
    "errors-name-nobody",
    Area.MANNERS,
    zh=("错误文本中没有个人信息", "错误只写字段名与代码,不写值"),
    en=("No error text holds a person's data", "Name fields and codes in an error, never a value"),
)
async def errors_name_nobody(bench: Bench) -> None:
    """They are logged, counted and shown."""
    for operation in bench.operations:
        for field in operation.request:
            mark = bench.maker.secret_text() * (2 + (field.max_length or 60) // 20)
            fields = {**bench.maker.fields(operation), field.name: mark}
            end = await bench.deliver(bench.delivery(operation, fields=fields))
            if isinstance(end, DeliveryError):
                require(mark not in str(end), "{0}: an error quotes the value of {1}", operation.key, field.name)
    # A code, such as "large", is a word of the department's and says nothing of a person.
    coded = {field.name for operation in bench.operations for field in operation.request if field.type in CODED}
    plain = [{name: value for name, value in one.fields.items() if name not in coded} for one in bench.sent]
    every = frozenset().union(*map(marks, plain))
    named = {one.code for one in bench.errors if any(mark in str(one) for mark in every)}
    require(not named, "the errors {0} hold a field's value", sorted(named))


@check(
    "secrets-are-not-told",
    Area.MANNERS,
    zh=("日志与错误文本中没有密钥", "密钥不进入日志、错误与 repr"),
    en=("Neither logs nor errors hold a secret", "Keep secrets out of logs, errors and reprs"),
)
async def secrets_are_not_told(bench: Bench) -> None:
    """A support ticket would carry it away."""
    if bench.channel.situation is Situation.API:
        with bench.api.proxy.doing(acts.status("401 Unauthorized")):
            end = await bench.deliver(bench.delivery(bench.operations[0]))
        require(isinstance(end, CredentialsError | DeliveryError), "a refused login ended as a success")
    values = [value for value in bench.runtime.asked.values() if len(value) >= 6]
    lines = [*bench.listener.lines, *map(str, bench.errors)]
    found = [line for line in lines if any(value in line for value in values)]
    require(not found, "{0} log lines or errors hold a secret", len(found))


CHECKS = (
    returns_contract_types,
    odd_answers_are_errors,
    one_message_per_attempt,
    cancel_ends_an_attempt,
    hanging_deliveries_hold_nobody,
    loop_is_not_blocked,
    logs_name_nobody,
    errors_name_nobody,
    secrets_are_not_told,
)
