"""Asking a department: what became of a delivery, and what lies there to be fetched."""

from contracts.catalogue import Answers
from contracts.delivery import AwaitingReply, Completed, Lookup, NotFound, Returned
from contracts.errors import DeliveryError
from contracts.plugin import Collecting, Enquiring
from contracts.situation import Situation
from simulators.certify import http_faults as acts
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.verdict import NotApplicable, reason, require

API = (Situation.API,)


@check(
    "enquiry-finds-the-outcome",
    Area.EXCHANGE,
    zh=("查询能查到已办的结果", "核对查询路径或操作,以及答复的映射"),
    en=(
        "An enquiry finds what the department did",
        "Correct the path or the operation of the enquiry, and the map of its answer",
    ),
    situations=API,
    needs=(Enquiring,),
)
async def enquiry_finds_the_outcome(bench: Bench) -> None:
    """After an unknown outcome it is what the hub does first."""
    for operation in bench.classes:
        delivery = bench.delivery(operation)
        with bench.api.proxy.doing(acts.lose_reply):
            await bench.deliver(delivery)
        found = await bench.enquire(delivery)
        require(isinstance(found, Completed | Returned | AwaitingReply), "{0}: found {1}", operation.key, told(found))


@check(
    "enquiry-knows-what-never-came",
    Area.EXCHANGE,
    zh=("从未收到的编号,查询如实说没有", "部门对未知编号回答未收到并回传编号;网关返回 NotFound"),
    en=(
        "An enquiry about what never came says so",
        "Let the department answer that it has nothing and repeat the id; return NotFound",
    ),
    situations=API,
    needs=(Enquiring,),
)
async def enquiry_knows_what_never_came(bench: Bench) -> None:
    """Only then may it be sent again."""
    for operation in bench.classes:
        found = await bench.enquire(bench.delivery(operation))
        require(isinstance(found, NotFound), "{0}: found {1} of what never came", operation.key, told(found))
        simulated = bench.api.ledger is not None
        known = not simulated or (isinstance(found, NotFound) and found.what is Lookup.NOT_RECEIVED)
        require(known, "{0}: cannot tell that it never came", operation.key)


@check(
    "enquiry-has-no-effect",
    Area.EXCHANGE,
    zh=("查询不产生业务", "查询只读,不得借发送接口查询"),
    en=("An enquiry has no effect", "Let the enquiry read only, and never send the message to find out"),
    situations=API,
    needs=(Enquiring,),
)
async def enquiry_has_no_effect(bench: Bench) -> None:
    """It may come again and again."""
    place = bench.simulated
    for operation in bench.classes:
        delivery = bench.delivery(operation)
        await bench.enquire(delivery)
        await bench.deliver(delivery)
        effects = place.effects
        await bench.enquire(delivery)
        later = bench.delivery(operation)
        await bench.enquire(later)
        require(place.effects == effects, "{0}: an enquiry made the department act", operation.key)


@check(
    "enquiry-believes-no-fault",
    Area.EXCHANGE,
    zh=("查询遇到故障时不下结论", "查询失败时抛出 DeliveryError 或返回 cannot_tell,不得当作未收到或已办"),
    en=(
        "An enquiry that meets a fault concludes nothing",
        "Raise DeliveryError or return cannot_tell; a fault means neither done nor not received",
    ),
    situations=API,
    needs=(Enquiring,),
)
async def enquiry_believes_no_fault(bench: Bench) -> None:
    """A proxy's page would send a case a second time."""
    page = b"<html>no such page</html>"
    every = {
        reason("a 404 page"): acts.status("404 Not Found", body=page, kind="text/html"),
        reason("a 200 page"): acts.status("200 OK", body=page, kind="text/html"),
        reason("a 500"): acts.status("500 Internal Server Error"),
        reason("a 503"): acts.status("503 Service Unavailable"),
        reason("an empty answer"): acts.status("200 OK"),
        reason("a cut answer"): acts.cut,
        reason("a lost connection"): acts.reset,
    }
    if not bench.by_connection:
        every[reason("another delivery's answer")] = acts.changed(acts.with_other_id)
    operation = bench.classes[0]
    delivery = bench.delivery(operation)
    await bench.deliver(delivery)
    for what, act in every.items():
        with bench.api.proxy.doing(act):
            found = await bench.enquire(delivery)
        honest = isinstance(found, DeliveryError) or (isinstance(found, NotFound) and found.what is Lookup.CANNOT_TELL)
        require(honest, "{0}: {1} was taken for {2}", operation.key, what, told(found))


@check(
    "collected-answers-stay-until-stored",
    Area.EXCHANGE,
    zh=("未提交的答复仍留在那里,下次还能取到", "collect 在恢复执行之后才确认或前移游标"),
    en=(
        "Answers that were not committed are there the next time",
        "Confirm, or move the cursor, only after collect is resumed",
    ),
    situations=API,
    needs=(Collecting,),
)
async def collected_answers_stay(bench: Bench) -> None:
    """The hub may die between reading and storing."""
    later = [one for one in bench.operations if one.answers is Answers.LATER]
    if not later:
        raise NotApplicable("every operation answers at once")
    delivery = bench.delivery(later[0])
    await bench.deliver(delivery)
    await bench.reply(delivery, keep=True)
    again = {one.delivery_id for one in await bench.collected()}
    require(delivery.id in again, "what was not committed is not there any more")


CHECKS = (
    enquiry_finds_the_outcome,
    enquiry_knows_what_never_came,
    enquiry_has_no_effect,
    enquiry_believes_no_fault,
    collected_answers_stay,
)
