"""What a department declares: names, codes, limits, ways back."""

import re
from dataclasses import replace

from pydantic import ValidationError

from contracts.catalogue import Answers, Purpose, ReplyField, RequestField, ResultKind
from contracts.errors import CredentialsError, DeliveryError
from contracts.plugin import Collecting, Enquiring, Printing, Receiving
from contracts.records import Fields
from contracts.situation import ChannelStatus, Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, Weight, check
from simulators.certify.deliveries import samples
from simulators.certify.runtime import no_secret
from simulators.certify.verdict import Failed, NotApplicable, require


@check(
    "channel-opens",
    Area.DECLARATION,
    zh=("渠道可以打开", "按原因修正声明或网关:打开渠道时不得出错"),
    en=("The channel can be opened", "Mend what the reason says: opening the channel must not fail"),
)
async def channel_opens(bench: Bench) -> None:
    """A bench is an open channel."""
    require(bench.gateway, "there is no gateway")


@check(
    "names-in-both-languages",
    Area.DECLARATION,
    zh=("系统与各业务均有中英文名称", "在 department.toml 中为系统和每项业务补齐 name_zh 与 name_en"),
    en=(
        "The system and each of its operations have a Chinese and an English name",
        "Give the system and every operation name_zh and name_en in department.toml",
    ),
)
async def names(bench: Bench) -> None:
    """Staff read both."""
    system = bench.subject.system
    named = {system.name: (system.name_zh, system.name_en)}
    named |= {one.key: (one.name_zh, one.name_en) for one in system.operations.values()}
    nameless = [key for key, both in named.items() if not all(name.strip() for name in both)]
    require(not nameless, "without a name in one language: {0}", nameless)


@check(
    "one-sending-channel",
    Area.DECLARATION,
    zh=("系统恰有一个发送渠道", '只保留一个 status = "sending" 的渠道,其余改为 fallback、former 或 shadow'),
    en=(
        "The system has exactly one channel that sends",
        'Leave status = "sending" to one channel and give the others fallback, former or shadow',
    ),
)
async def one_sending_channel(bench: Bench) -> None:
    """Two would send everything twice."""
    sending = [one for one in bench.subject.system.channels if one.status is ChannelStatus.SENDING]
    require(len(sending) == 1, "{0} channels send", len(sending))


@check(
    "codes-for-every-channel",
    Area.DECLARATION,
    zh=("每项业务在每个渠道上都有结果码,且至少一个表示办结", "在 result_codes 中为该渠道补齐结果码"),
    en=(
        "Each operation has result codes on each channel that carries it, one of which settles it",
        "Add the codes of that situation to result_codes",
    ),
)
async def codes_for_every_channel(bench: Bench) -> None:
    """An answer without a meaning is an unknown outcome for ever."""
    system = bench.subject.system
    for operation in system.operations.values():
        for channel in system.channels:
            if channel.situation not in operation.wire:
                continue
            meanings = {code.outcome for code in operation.result_codes.get(channel.situation, {}).values()}
            settles = {ResultKind.GRANTED, ResultKind.DONE} & meanings
            require(settles, "{0} has no code of {1} that settles it", operation.key, channel.situation.value)


@check(
    "decisions-can-be-refused",
    Area.DECLARATION,
    zh=(
        "作决定的业务能表达不予许可或退回补正",
        '为 purpose = "decide" 的业务补上 completed.refused 或 returned 的结果码',
    ),
    en=(
        "An operation that decides can say no, or ask for a correction",
        'Give an operation with purpose = "decide" a code that means completed.refused or returned',
    ),
)
async def decisions_can_be_refused(bench: Bench) -> None:
    """A department that can only grant would say no in a way nobody understands."""
    for operation in bench.operations:
        if operation.purpose is Purpose.DECIDE:
            codes = operation.result_codes.get(bench.channel.situation, {}).values()
            meanings = {code.outcome for code in codes}
            can = {ResultKind.REFUSED, ResultKind.RETURNED} & meanings
            require(can, "{0} decides and has no code that refuses or returns", operation.key)


@check(
    "later-answers-have-a-way-back",
    Area.DECLARATION,
    zh=(
        "以后答复的业务有答复的来路",
        "声明 later_replies、enquire_path、poll 或结果文件夹,或由网关实现 receive、collect、enquire",
    ),
    en=(
        "An operation that answers later has a way for the answer to come back",
        "Declare later_replies, an enquiry, a poll or a folder of results, or implement receive, collect or enquire",
    ),
)
async def later_answers_have_a_way_back(bench: Bench) -> None:
    """Otherwise every case waits until it is overdue."""
    later = [one.key for one in bench.operations if one.answers is Answers.LATER]
    ways = (Receiving, Collecting, Enquiring, Printing)
    require(not later or isinstance(bench.gateway, ways), "nothing brings the later answer of {0}", later)


@check(
    "codes-in-both-languages",
    Area.DECLARATION,
    zh=("每个结果码都有中英文名称", "为结果码补齐 name_zh 与 name_en"),
    en=("Every result code has a Chinese and an English name", "Give every result code name_zh and name_en"),
)
async def codes_in_both_languages(bench: Bench) -> None:
    """Staff and reports show the names."""
    for operation in bench.subject.system.operations.values():
        for situation, codes in operation.result_codes.items():
            bare = [code for code, one in codes.items() if not (one.name_zh.strip() and one.name_en.strip())]
            require(not bare, "{0}: code {1} of {2} has no name in one language", operation.key, bare, situation.value)


@check(
    "fields-have-labels",
    Area.DECLARATION,
    zh=("字段有中英文标签", "为 request 与 reply 的字段补齐 label_zh 与 label_en"),
    en=(
        "Request and reply fields have labels in both languages",
        "Give the fields of request and reply label_zh and label_en",
    ),
    weight=Weight.SHOULD,
)
async def fields_have_labels(bench: Bench) -> None:
    """Pages, task sheets and notices print them."""
    for operation in bench.subject.system.operations.values():
        every: list[RequestField | ReplyField] = [*operation.request, *operation.reply]
        bare = sorted({field.name for field in every if not (field.label_zh.strip() and field.label_en.strip())})
        require(not bare, "{0}: {1} has no label in one language", operation.key, bare)


@check(
    "attempt-outlasts-timeouts",
    Area.DECLARATION,
    zh=("attempt_seconds 大于协议自己的时限", "把 limits.attempt_seconds 设得比 timeouts.total_seconds 大"),
    en=(
        "attempt_seconds is more than the protocol's own time limit",
        "Set limits.attempt_seconds above timeouts.total_seconds",
    ),
    situations=(Situation.API,),
)
async def attempt_outlasts_timeouts(bench: Bench) -> None:
    """Else the watchdog ends every slow attempt, and nobody learns how it would have ended."""
    await bench.deliver(bench.delivery(bench.operations[0]))
    requests = bench.api.http.requests
    if not requests:
        raise NotApplicable("the gateway uses a client of its own")
    longest = max(one.total_seconds for one in requests)
    limit = bench.channel.limits.attempt_seconds
    require(limit > longest, "an attempt ends after {0:g} s, a request after {1:g} s", limit, longest)


@check(
    "later-answers-are-due",
    Area.DECLARATION,
    zh=("以后答复的业务声明了答复期限", "为渠道设置 limits.reply_within_hours"),
    en=(
        "Where an operation answers later, it is declared how late is too late",
        "Set limits.reply_within_hours of the channel",
    ),
    situations=(Situation.API, Situation.FILE_DROP),
)
async def later_answers_are_due(bench: Bench) -> None:
    """Otherwise an answer that never comes is never missed."""
    if all(one.answers is Answers.AT_ONCE for one in bench.operations):
        raise NotApplicable("every operation answers at once")
    require(bench.channel.limits.reply_within_hours is not None, "reply_within_hours is not set")


@check(
    "secrets-are-named",
    Area.DECLARATION,
    zh=("密钥只按名称引用", "声明中只写密钥的名称,值放在密钥文件夹"),
    en=("Secrets are referred to by name", "Write the name of a secret, and put its value into the secrets folder"),
)
async def secrets_are_named(bench: Bench) -> None:
    """department.toml is in version control."""
    await bench.tried("check", bench.gateway.check())
    odd = [name for name in bench.runtime.asked if not re.fullmatch("[a-z][a-z0-9_]{1,63}", name)]
    require(not odd, "{0} of the secrets asked for have names that look like values", len(odd))


@check(
    "settings-are-checked",
    Area.DECLARATION,
    zh=("写错的地址或多余的键在打开渠道时被拒", '用严格的 pydantic 模型声明 settings(extra = "forbid")'),
    en=(
        "A wrong address, or a key that nobody knows, is refused when the channel opens",
        'Declare settings as a strict pydantic model (extra = "forbid")',
    ),
    situations=(Situation.API, Situation.FILE_DROP),
)
async def settings_are_checked(bench: Bench) -> None:
    """A typing mistake must not be found by the first case."""
    wrong: tuple[Fields, ...] = ({"no_such_key": "1"}, {"url": "not an address", "host": 7, "port": "none"})
    for odd in wrong:
        try:
            async with bench.channel.open({**bench.settings, **odd}, bench.runtime):
                raise Failed("settings with {0} open the channel", list(odd))
        except ValidationError:
            continue
        except DeliveryError as error:
            raise Failed("settings with {0} ended as {1}", list(odd), type(error).__name__) from error


@check(
    "missing-secret-is-told",
    Area.DECLARATION,
    zh=("缺少密钥时说明缺哪个,并停住队列", "只通过 runtime.secret 取密钥,让 CredentialsError 传出"),
    en=(
        "A missing secret is told by its name, as a CredentialsError",
        "Take secrets from runtime.secret alone, and let its CredentialsError pass",
    ),
)
async def missing_secret_is_told(bench: Bench) -> None:
    """The first thing that goes wrong at a new place."""
    if not bench.runtime.asked:
        raise NotApplicable("the channel uses no secret")
    bare = replace(bench.runtime, secrets=no_secret, known={}, asked={})
    try:
        async with bench.channel.open(bench.settings, bare) as gateway:
            await gateway.check()
            await gateway.deliver(bench.prepared(bench.delivery(bench.operations[0])))
    except CredentialsError:
        return
    except DeliveryError as error:
        raise Failed("without its secrets it ended as {0}", type(error).__name__) from error
    except Exception as error:
        raise Failed("without its secrets it raised {0}", type(error).__name__) from error
    raise Failed("it works without its secrets")


@check(
    "sample-for-every-operation",
    Area.DECLARATION,
    zh=("每项业务都有样例办件经过", "在事项所属部门的 samples/ 中放入会走到该业务的样例"),
    en=(
        "A sample case comes to every operation",
        "Put a sample case of an item that calls the operation into samples/ of the item's department",
    ),
    weight=Weight.SHOULD,
)
async def sample_for_every_operation(bench: Bench) -> None:
    """Nobody can try what has no example."""
    items = {code for code, _ in samples(bench.subject.site)}
    name = bench.subject.system.name
    called = {
        step.operation
        for item in bench.subject.site.items
        if item.code in items
        for step in item.steps
        if step.system == name
    }
    used = {step.operation for item in bench.subject.site.items for step in item.steps if step.system == name}
    bare = sorted(str(one) for one in used - called)
    require(not bare, "no sample case comes to {0}", bare)


@check(
    "readme-is-there",
    Area.DECLARATION,
    zh=("部门文件夹有 README.md", "写明服务对象、联系人与特殊之处"),
    en=(
        "The department's folder has a README.md",
        "Say in it whom it serves, who is to be called, and what is special",
    ),
    weight=Weight.SHOULD,
)
async def readme_is_there(bench: Bench) -> None:
    """At three in the morning somebody needs the number to call."""
    folder = bench.subject.folder
    if folder is None:
        raise NotApplicable("this department has no folder")
    require((folder / "README.md").is_file(), "there is no README.md beside department.toml")


CHECKS = (
    channel_opens,
    names,
    one_sending_channel,
    codes_for_every_channel,
    codes_in_both_languages,
    decisions_can_be_refused,
    fields_have_labels,
    later_answers_have_a_way_back,
    later_answers_are_due,
    attempt_outlasts_timeouts,
    settings_are_checked,
    secrets_are_named,
    missing_secret_is_told,
    sample_for_every_operation,
    readme_is_there,
)
