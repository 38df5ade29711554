"""What a department declares: names, codes, limits, ways back."""

from contracts.catalogue import Answers, Purpose, ResultKind
from contracts.plugin import Collecting, Enquiring, Printing, Receiving
from contracts.situation import ChannelStatus
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.verdict import require


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
    require(not nameless, f"without a name in one language: {', '.join(nameless)}")


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
    require(len(sending) == 1, f"{len(sending)} channels send")


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
            require(settles, f"{operation.key} has no code of {channel.situation.value} that settles it")


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
            require(can, f"{operation.key} decides and has no code that refuses or returns")


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
    require(not later or isinstance(bench.gateway, ways), f"nothing brings the later answer of {', '.join(later)}")


CHECKS = (
    channel_opens,
    names,
    one_sending_channel,
    codes_for_every_channel,
    decisions_can_be_refused,
    later_answers_have_a_way_back,
)
