"""A message and its answer: what leaves, what is done once, what comes later."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote_to_bytes

from contracts.catalogue import Answers
from contracts.delivery import AwaitingReply, Completed, Delivery, Returned
from contracts.errors import DeliveryError, TemporaryError
from contracts.plugin import Collecting, Receiving
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, Weight, check
from simulators.certify.checks.mapping import told
from simulators.certify.deliveries import marks
from simulators.certify.http_proxy import Arrival
from simulators.certify.verdict import NotApplicable, require

API = (Situation.API,)


@check(
    "check-has-no-effect",
    Area.EXCHANGE,
    zh=("check() 证明可达,且不产生业务", "check() 只读:查询一个不存在的编号,或取一个页面"),
    en=(
        "check() proves the way and has no effect",
        "Let check() read only: enquire about an id that nobody has, or ask for a page",
    ),
    situations=API,
)
async def check_has_no_effect(bench: Bench) -> None:
    """It runs again and again, and at night."""
    before = bench.api.effects
    error = await bench.tried("check", bench.gateway.check())
    require(error is None, "check() ended as {0}", told(error))
    require(bench.api.effects == before, "check() made the department act")


@check(
    "good-delivery",
    Area.EXCHANGE,
    zh=("每项业务的正常送达一次成功", "核对地址、报文映射与鉴权;详见原因"),
    en=(
        "A good delivery of each operation succeeds, with one message and one effect",
        "Correct address, map and credentials; the reason says where it failed",
    ),
    situations=API,
)
async def good_delivery(bench: Bench) -> None:
    """Everything else rests on this."""
    for operation in bench.operations:
        arrivals, effects = len(bench.api.proxy.messages), bench.api.effects
        outcome = await bench.deliver(bench.delivery(operation))
        wanted = (AwaitingReply,) if operation.answers is Answers.LATER else (Completed, Returned)
        require(isinstance(outcome, wanted), "{0} ended as {1}", operation.key, told(outcome))
        arrived = len(bench.api.proxy.messages) - arrivals
        require(arrived == 1, "{0}: {1} messages for one attempt", operation.key, arrived)
        if bench.api.ledger is not None:
            done = bench.api.effects - effects
            require(done == 1, "{0}: the department acted {1} times", operation.key, done)


@check(
    "delivery-id-travels",
    Area.EXCHANGE,
    zh=("报文带有送达编号,每次重发都相同", "在 reference 中声明编号所在的头或字段"),
    en=(
        "The message carries the delivery id, the same at every try",
        "Declare under reference the header or the field that holds it",
    ),
    situations=API,
)
async def delivery_id_travels(bench: Bench) -> None:
    """Without it a department cannot know a message that it has seen."""
    if bench.by_connection:
        raise NotApplicable("the connection is the reference: no id travels")
    for operation in bench.operations:
        delivery = bench.delivery(operation)
        arrival = await _arrival(bench, delivery)
        message = (arrival.head + arrival.body).lower()
        named = any(one.encode() in message for one in (str(delivery.id), delivery.id.hex))
        require(named, "{0}: the message is without the delivery id", operation.key)


async def _arrival(bench: Bench, delivery: Delivery) -> Arrival:
    """The message of a delivery, as it reached the department. Raises Failed."""
    before = len(bench.api.proxy.messages)
    end = await bench.deliver(delivery)
    arrived = bench.api.proxy.messages[before:]
    require(arrived, "{0}: no message arrived, and the attempt ended as {1}", delivery.operation, told(end))
    return arrived[0]


@check(
    "same-id-acts-once",
    Area.EXCHANGE,
    zh=("声明可重发的系统,同一编号再来一次只办一次", "部门须按编号去重;做不到时改为 resend_is_safe = false"),
    en=(
        "Where sending again is declared safe, the same id acts once",
        "Let the department recognise the id; where it cannot, say resend_is_safe = false",
    ),
    situations=API,
)
async def same_id_acts_once(bench: Bench) -> None:
    """The hub relies on that declaration alone."""
    if not bench.channel.resend_is_safe:
        raise NotApplicable("sending again is not declared safe")
    place = bench.simulated
    for operation in bench.operations:
        delivery, effects = bench.prepared(bench.delivery(operation)), place.effects
        await bench.deliver(delivery)
        end = await bench.deliver(replace(delivery, attempt=2, possible_duplicate=True))
        require(not isinstance(end, DeliveryError), "{0}: sent again it ended as {1}", operation.key, told(end))
        require(
            place.effects - effects == 1, "{0}: the department acted {1} times", operation.key, place.effects - effects
        )


@check(
    "stored-message-is-sent",
    Area.EXCHANGE,
    zh=("重发时原样使用已存报文", "delivery.payload 不为空时直接发送它,不得重新映射"),
    en=(
        "The stored message is sent as it is, not mapped anew",
        "Where delivery.payload is given, send it and do not map again",
    ),
    situations=API,
)
async def stored_message_is_sent(bench: Bench) -> None:
    """Between two tries the table may have been changed."""
    for operation in bench.operations:
        ready = bench.prepared(bench.delivery(operation))
        if ready.payload is None:
            raise NotApplicable("the gateway prepares nothing")
        end = await bench.deliver(replace(ready, fields={}))
        require(
            not isinstance(end, DeliveryError),
            "{0}: with its stored message alone it ended as {1}",
            operation.key,
            told(end),
        )


@check(
    "too-late-is-not-sent",
    Area.EXCHANGE,
    zh=("过了 send_before 就不再发出", "发送前比较 runtime.now() 与 delivery.send_before,过时抛出 TemporaryError"),
    en=(
        "Nothing is sent after send_before",
        "Compare runtime.now() with delivery.send_before before you send, and raise TemporaryError",
    ),
    situations=API,
)
async def too_late_is_not_sent(bench: Bench) -> None:
    """Somebody else may have taken over by then."""
    operation = bench.operations[0]
    delivery = bench.prepared(bench.delivery(operation))
    before = len(bench.api.proxy.messages)
    bench.runtime.ahead = timedelta(days=2)
    try:
        end = await bench.deliver(delivery)
    finally:
        bench.runtime.ahead = timedelta()
    require(isinstance(end, TemporaryError), "{0}: ended as {1}, not as TemporaryError", operation.key, told(end))
    require(len(bench.api.proxy.messages) == before, "{0}: a message left after send_before", operation.key)


async def _is_marked(bench: Bench, word: bytes, **mark: bool) -> bool:
    """Whether a message tells of the mark: by a header of its own, or by that word."""
    operation = bench.operations[0]
    plain = await _arrival(bench, bench.delivery(operation))
    marked = await _arrival(bench, bench.delivery(operation, **mark))
    more = _names(marked) - _names(plain)
    return bool(more) or (word in (marked.head + marked.body).lower() and word not in (plain.head + plain.body).lower())


def _names(arrival: Arrival) -> frozenset[bytes]:
    return frozenset(line.split(b":")[0].lower() for line in arrival.head.split(b"\r\n")[1:])


@check(
    "possible-duplicates-are-marked",
    Area.EXCHANGE,
    zh=("可能重复的报文带有标记", "delivery.possible_duplicate 为真时在头或字段中说明"),
    en=(
        "A message that may have come before says so",
        "Say so in a header or a field where delivery.possible_duplicate is true",
    ),
    weight=Weight.SHOULD,
    situations=API,
)
async def possible_duplicates_are_marked(bench: Bench) -> None:
    """A careful clerk then looks twice."""
    require(await _is_marked(bench, b"duplicate", possible_duplicate=True), "nothing in the message tells of it")


@check(
    "test-copies-are-marked",
    Area.EXCHANGE,
    zh=("影子渠道的副本注明是测试", "delivery.test 为真时在头或字段中说明,部门不得办理"),
    en=(
        "A copy on a shadow channel says that it is a test",
        "Say so in a header or a field where delivery.test is true; nobody may act on it",
    ),
    situations=API,
)
async def test_copies_are_marked(bench: Bench) -> None:
    """Otherwise the shadow run is a second case."""
    require(await _is_marked(bench, b"test", test=True), "nothing in the message tells of it")


@check(
    "nobody-is-named-in-the-address",
    Area.EXCHANGE,
    zh=("地址与消息头中没有个人信息", "个人信息只放在报文正文;地址会进日志"),
    en=(
        "Neither address nor headers hold a person's data",
        "Keep personal data in the body of the message: addresses are logged everywhere",
    ),
    situations=API,
)
async def nobody_is_named_in_the_address(bench: Bench) -> None:
    """Every proxy on the way writes it down."""
    for operation in bench.operations:
        delivery = bench.delivery(operation)
        arrival = await _arrival(bench, delivery)
        head = unquote_to_bytes(arrival.head)
        named = any(mark.encode() in head for mark in marks(delivery.fields))
        require(not named, "{0}: a field's value stands in the address or a header", operation.key)


@check(
    "no-secret-in-the-address",
    Area.EXCHANGE,
    zh=("地址中没有密钥", "密钥放在消息头或报文中,不放在地址里"),
    en=("No address holds a secret", "Put secrets into headers or the message, never into the address"),
    situations=API,
)
async def no_secret_in_the_address(bench: Bench) -> None:
    """Addresses are logged."""
    if not bench.runtime.asked:
        raise NotApplicable("the channel uses no secret")
    for operation in bench.operations:
        arrival = await _arrival(bench, bench.delivery(operation))
        told_there = [name for name, value in bench.runtime.asked.items() if value in arrival.target]
        require(not told_there, "{0}: the address holds the secret {1}", operation.key, told_there)


@check(
    "deliveries-keep-apart",
    Area.EXCHANGE,
    zh=("同时多件各得各的结果", "网关不得在调用之间共享可变状态"),
    en=(
        "Deliveries at the same time each get their own end",
        "Share nothing that changes between calls of the gateway",
    ),
    situations=API,
)
async def deliveries_keep_apart(bench: Bench) -> None:
    """A lane calls the gateway several times at once."""
    for operation in bench.classes:
        before = len(bench.api.proxy.messages)
        many = [bench.delivery(operation) for _ in range(6)]
        ends = await asyncio.gather(*(bench.deliver(one) for one in many))
        wrong = [told(end) for end in ends if isinstance(end, DeliveryError)]
        require(not wrong, "{0}: six at once, and {1}", operation.key, wrong)
        arrived = bench.api.proxy.messages[before:]
        different = {one.head + one.body for one in arrived}
        require(len(arrived) >= len(many), "{0}: of six at once {1} arrived", operation.key, len(arrived))
        require(bench.by_connection or len(different) >= len(many), "{0}: six at once arrived as one", operation.key)


@check(
    "later-answer-comes-back",
    Area.EXCHANGE,
    zh=("以后的答复能回到它的送达,并带有时间", "核对回调或结果列表中的编号、业务名与办理时间"),
    en=(
        "A later answer comes back to its delivery, and says when it was given",
        "Correct the id, the operation and the time in callbacks or lists of results",
    ),
    situations=API,
)
async def later_answer_comes_back(bench: Bench) -> None:
    """The statutory clock stops at the department's time and not at ours."""
    if bench.target.settings is not None and isinstance(bench.gateway, Receiving):
        raise NotApplicable("a test endpoint calls the hub's own address, not the kit")
    if not isinstance(bench.gateway, Receiving | Collecting):
        raise NotApplicable("no answer comes by itself")
    later = [one for one in bench.operations if one.answers is Answers.LATER]
    if not later:
        raise NotApplicable("every operation answers at once")
    for operation in later:
        delivery = bench.delivery(operation)
        await bench.deliver(delivery)
        reply = await bench.reply(delivery)
        require(
            isinstance(reply.outcome, Completed | Returned), "{0}: ended as {1}", operation.key, told(reply.outcome)
        )
        at = reply.happened_at
        require(at.tzinfo is not None, "{0}: the time of the answer is without a zone", operation.key)
        near = abs(bench.runtime.now() - at) < timedelta(days=1)
        require(near, "{0}: an answer of this minute is dated {1:%Y-%m-%d}", operation.key, at)


CHECKS = (
    check_has_no_effect,
    good_delivery,
    delivery_id_travels,
    same_id_acts_once,
    stored_message_is_sent,
    too_late_is_not_sent,
    possible_duplicates_are_marked,
    test_copies_are_marked,
    nobody_is_named_in_the_address,
    no_secret_in_the_address,
    deliveries_keep_apart,
    later_answer_comes_back,
)
