"""What a department calls back: genuine calls are taken, all others refused."""

import asyncio
from dataclasses import replace
from typing import Any

from contracts.catalogue import Answers
from contracts.delivery import Inbound, Received
from contracts.errors import InboundRefused
from contracts.plugin import Receiving
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.verdict import NotApplicable, Reason, reason, require

API = (Situation.API,)
_PLAIN = frozenset({"content-type", "content-length", "host", "accept", "user-agent"})


async def called(bench: Bench) -> Inbound:
    """A genuine call of the simulated department, not yet received. Raises NotApplicable."""
    later = [one for one in bench.operations if one.answers is Answers.LATER]
    if not later:
        raise NotApplicable("every operation answers at once")
    delivery = bench.delivery(later[0])
    _ = bench.simulated
    await bench.deliver(delivery)
    return await bench.callback(delivery.id)


async def refused(bench: Bench, inbound: Inbound, what: Reason) -> None:
    """Raises Failed unless the call is refused with a status that says so."""
    found = await bench.receive(inbound)
    require(isinstance(found, InboundRefused), "{0} was taken for genuine", what)
    if isinstance(found, InboundRefused):
        require(found.status >= 400, "{0} was refused with the status {1}", what, found.status)


@check(
    "callback-unsigned-is-refused",
    Area.EXCHANGE,
    zh=("缺少签名任一部分的回调被拒", "receive 先验签;缺少任何一项即抛出 InboundRefused"),
    en=(
        "A callback without any part of its signature is refused",
        "Verify before you parse: raise InboundRefused where a part is missing",
    ),
    situations=API,
    needs=(Receiving,),
)
async def callback_unsigned(bench: Bench) -> None:
    """Anybody can reach that address."""
    inbound = await called(bench)
    for name in inbound.headers:
        if name not in _PLAIN:
            kept = {other: value for other, value in inbound.headers.items() if other != name}
            await refused(bench, replace(inbound, headers=kept), reason("a call without {0}", name))


@check(
    "callback-forged-is-refused",
    Area.EXCHANGE,
    zh=("签名不对的回调被拒", "用常数时间比较签名,不符即抛出 InboundRefused"),
    en=(
        "A callback with a wrong signature is refused",
        "Compare signatures in constant time and raise InboundRefused where they differ",
    ),
    situations=API,
    needs=(Receiving,),
)
async def callback_forged(bench: Bench) -> None:
    """A decision that nobody made."""
    inbound = await called(bench)
    for name, value in inbound.headers.items():
        if name not in _PLAIN and len(value) >= 32:
            forged = value[:-4] + ("0000" if value[-4:] != "0000" else "1111")
            await refused(
                bench,
                replace(inbound, headers={**inbound.headers, name: forged}),
                reason("a call with another {0}", name),
            )


@check(
    "callback-altered-is-refused",
    Area.EXCHANGE,
    zh=("正文被改动的回调被拒", "签名须覆盖整个正文"),
    en=("A callback whose body was altered is refused", "Let the signature cover the whole body"),
    situations=API,
    needs=(Receiving,),
)
async def callback_altered(bench: Bench) -> None:
    """A refusal becomes a grant on the way."""
    inbound = await called(bench)
    await refused(bench, replace(inbound, body=inbound.body + b" "), reason("a call with one byte more"))


@check(
    "callback-replayed-is-refused",
    Area.EXCHANGE,
    zh=("同一回调重放被拒", '记住窗口期内的随机数;部门只能原样重发时声明 callback.replays = "take"'),
    en=(
        "The same call a second time is refused",
        'Remember nonces within the window; say callback.replays = "take" of a department that can only repeat itself',
    ),
    situations=API,
    needs=(Receiving,),
)
async def callback_replayed(bench: Bench) -> None:
    """Whoever listened could say it again next month."""
    table = bench.subject.table
    said: Any = table[1].get("callback") if table is not None else None
    if isinstance(said, dict) and said.get("replays") == "take":
        raise NotApplicable("this department repeats its calls as they were")
    inbound = await called(bench)
    first = await bench.receive(inbound)
    require(isinstance(first, Received), "a genuine call was refused")
    await refused(bench, inbound, reason("a call that was made before"))


@check(
    "callback-repeated-says-the-same",
    Area.EXCHANGE,
    zh=("重新签名的重复回调得到同一答复", "receive 不得依赖先后次数"),
    en=("A repeated call, signed anew, brings the same reply", "Keep no count of calls in receive"),
    situations=API,
    needs=(Receiving,),
)
async def callback_repeated(bench: Bench) -> None:
    """The hub tells by the digest that it has it already."""
    place = bench.simulated
    later = [one for one in bench.operations if one.answers is Answers.LATER]
    if not later or place.repeat is None:
        raise NotApplicable("nothing is called back")
    delivery = bench.delivery(later[0])
    await bench.deliver(delivery)
    first = await bench.callback(delivery.id)
    await place.repeat(first.body)
    second = await bench.callback(delivery.id)
    both = [await bench.receive(one) for one in (first, second)]
    outcomes = [one.replies[0].outcome for one in both if isinstance(one, Received)]
    require(len(outcomes) == 2, "a genuine call was refused")
    require(outcomes[0] == outcomes[1], "the same call brought two different replies")


@check(
    "callback-failure-is-told",
    Area.EXCHANGE,
    zh=("收下说收下,没存下说没存下", "Received.answer 用成功状态,Received.failure 用部门会重发的失败状态"),
    en=(
        "The department is told that its call was taken, and that it could not be stored",
        "Give Received.answer a status of success, and Received.failure one after which the department calls again",
    ),
    situations=API,
    needs=(Receiving,),
)
async def callback_failure_is_told(bench: Bench) -> None:
    """A call that was lost must come again."""
    received = await bench.receive(await called(bench))
    require(isinstance(received, Received), "a genuine call was refused")
    if isinstance(received, Received):
        require(200 <= received.answer.status < 300, "success is told as {0}", received.answer.status)
        require(received.failure.status >= 500, "a failure is told as {0}", received.failure.status)


@check(
    "callback-without-sense-is-refused",
    Area.EXCHANGE,
    zh=("读不懂的回调被拒而不是出错", "receive 对任何读不懂的内容抛出 InboundRefused"),
    en=(
        "A call that makes no sense is refused and raises nothing else",
        "Raise InboundRefused for whatever cannot be read",
    ),
    situations=API,
    needs=(Receiving,),
)
async def callback_without_sense(bench: Bench) -> None:
    """Scanners find every address."""
    genuine = await called(bench)
    await asyncio.sleep(0)
    for headers in ({}, {"content-type": "application/json"}, genuine.headers):
        for body in (b"", b"null", b"[]", b"\xff\xfe", b"<xml/>"):
            await refused(bench, Inbound(headers=dict(headers), body=body), reason("a call without sense"))


CHECKS = (
    callback_unsigned,
    callback_forged,
    callback_altered,
    callback_replayed,
    callback_repeated,
    callback_failure_is_told,
    callback_without_sense,
)
