"""The fault matrix: what departments and networks do wrong, each with each kind of operation, and the class it must end in."""

from contracts.delivery import Delivery
from contracts.errors import DeliveryError, OutcomeUnknownError, TemporaryError
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.http_proxy import Act, Call
from simulators.certify.verdict import require

API = (Situation.API,)


def status(line: str, *headers: str, body: bytes = b"", kind: str = "text/plain") -> Act:
    """Answer with a status, without asking the department."""

    async def act(call: Call) -> None:
        lines = [f"HTTP/1.1 {line}", f"Content-Type: {kind}", *headers, f"Content-Length: {len(body)}"]
        await call.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return act


async def lose_reply(call: Call) -> None:
    """The department acts, and its answer never comes."""
    await call.forwarded()
    call.reset()


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
    act = status("503 Service Unavailable", "Retry-After: 17")
    await ends(bench, act, TemporaryError)
    waits = [one.retry_after for one in bench.errors if isinstance(one, TemporaryError)]
    require(waits[-1] == 17, "Retry-After was not handed on")


@check(
    "fault-lost-reply",
    Area.FAULTS,
    zh=("部门已办而答复丢失:结果不明", "连接在发出后中断时抛出 OutcomeUnknownError"),
    en=(
        "A reply that is lost after the department acted is an unknown outcome",
        "Raise OutcomeUnknownError where a connection breaks after bytes have left",
    ),
    situations=API,
)
async def fault_lost_reply(bench: Bench) -> None:
    """Sent again as if nothing had been, it would be done twice."""
    await ends(bench, lose_reply, OutcomeUnknownError)


CHECKS = (fault_503, fault_lost_reply)
