"""Task sheets: what they hold."""

from dataclasses import replace

from contracts.plugin import Printing
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.paper_place import a_sheet, nothing_leaves, numbered, one_copy, paper_delivery, printed
from simulators.certify.verdict import require

PAPER = (Situation.PAPER,)
NEEDS = (Printing,)


@check(
    "paper-is-always-there",
    Area.EXCHANGE,
    zh=("纸质渠道的 check() 直接通过", "纸质部门总能送到:check() 不要报错"),
    en=("check() of a department on paper passes", "One can always walk there: check() must not raise"),
    situations=PAPER,
)
async def always_there(bench: Bench) -> None:
    """A closed lane would keep its sheets from being printed."""
    end = await bench.tried("check", bench.gateway.check())
    require(end is None, "check() ended as {0}", told(end))


@check(
    "delivery-becomes-a-sheet",
    Area.EXCHANGE,
    zh=("每项业务的送达都成为交办单", "deliver 返回带 task_sheet 的 AwaitingReply"),
    en=("A delivery of each operation becomes a task sheet", "Let deliver return AwaitingReply with a task_sheet"),
    situations=PAPER,
    needs=NEEDS,
)
async def becomes_a_sheet(bench: Bench) -> None:
    """Everything else rests on this."""
    for operation in bench.operations:
        sheet = await a_sheet(bench, paper_delivery(bench, operation))
        require(sheet.form and sheet.title_zh and sheet.title_en, "{0}: the sheet has no form or title", operation.key)
        require(sheet.copies, "{0}: the sheet has no copies", operation.key)


@check(
    "same-delivery-same-sheet",
    Area.EXCHANGE,
    zh=("同一送达总是同一张交办单", "交办单内容只取自送达;不得使用时间、随机数或计数器"),
    en=(
        "The same delivery gives the same sheet, however often",
        "Make the sheet of the delivery alone; keep time, randomness and counters out of it",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def same_sheet(bench: Bench) -> None:
    """A lost print is printed again, not issued again."""
    for operation in bench.operations:
        delivery = bench.prepared(paper_delivery(bench, operation))
        first = await a_sheet(bench, delivery)
        again = await a_sheet(bench, replace(delivery, attempt=2))
        require(first == again, "{0}: the second try made another sheet", operation.key)


@check(
    "sheet-shows-the-request",
    Area.EXCHANGE,
    zh=("交办单列出该业务收到的每个字段,别无其他", "每个有值的 request 字段一行,不多不少"),
    en=(
        "A sheet shows every field that the operation receives, and nothing else",
        "Give each request field that has a value its line, and no other",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def shows_the_request(bench: Bench) -> None:
    """What is not on the sheet cannot be checked; what should not be there was given away."""
    for operation in bench.operations:
        delivery = paper_delivery(bench, operation)
        delivery = replace(delivery, fields={**delivery.fields, "undeclared": "样例"})
        sheet = await a_sheet(bench, delivery)
        allowed = {field.name for field in operation.request}
        columns = {column.name for field in operation.request for column in field.columns}
        plain = {field.name for field in operation.request if not field.columns}
        shown = {line.name for line in sheet.lines}
        require(plain <= shown, "{0}: the sheet lacks {1}", operation.key, sorted(plain - shown))
        require(shown <= allowed | columns, "{0}: the sheet shows what is not declared", operation.key)


@check(
    "sheet-asks-for-the-reply",
    Area.EXCHANGE,
    zh=("交办单为每个回复字段留出填写处", "每个 reply 字段对应一行空白"),
    en=("A sheet has a blank for every field of the reply", "Give each reply field its line to fill in"),
    situations=PAPER,
    needs=NEEDS,
)
async def asks_for_the_reply(bench: Bench) -> None:
    """What nobody asks for does not come back."""
    for operation in bench.operations:
        sheet = await a_sheet(bench, paper_delivery(bench, operation))
        missing = {field.name for field in operation.reply} - {line.name for line in sheet.reply_lines}
        require(not missing, "{0}: no blank for {1}", operation.key, sorted(missing))


@check(
    "sheet-has-every-box",
    Area.EXCHANGE,
    zh=("交办单印出每个已声明的办理意见", "paper 的每个结果码对应一个方框"),
    en=("A sheet has a box for every declared result", "Give each code of result_codes for paper its box"),
    situations=PAPER,
    needs=NEEDS,
)
async def has_every_box(bench: Bench) -> None:
    """The department can only say what it can tick."""
    for operation in bench.operations:
        sheet = await a_sheet(bench, paper_delivery(bench, operation))
        declared = set(operation.result_codes.get(Situation.PAPER, {}))
        require(
            {box.code for box in sheet.boxes} == declared, "{0}: the boxes are not the declared ones", operation.key
        )


@check(
    "sheet-lists-the-papers",
    Area.EXCHANGE,
    zh=("交办单列出随附材料及份数", "把 delivery.materials 的原件、复印件与页数列入 materials"),
    en=(
        "A sheet lists the papers that go with it, with their counts",
        "List originals, copies and pages of delivery.materials",
    ),
    situations=PAPER,
    needs=NEEDS,
)
async def lists_the_papers(bench: Bench) -> None:
    """A lost original must be missed at once."""
    for operation in bench.operations:
        delivery = paper_delivery(bench, operation)
        sheet = await a_sheet(bench, delivery)
        told_of = [(one.name, one.originals, one.copies, one.pages) for one in sheet.materials]
        given = [(one.name, one.originals, one.copies, one.pages) for one in delivery.materials]
        require(told_of == given, "{0}: the list of papers is not that of the delivery", operation.key)


@check(
    "test-copy-says-so",
    Area.EXCHANGE,
    zh=("测试件在交办单上写明", "delivery.test 为真时在 notice 中注明测试、请勿办理"),
    en=("A test copy says that it is one", "Say in notice that it is a test where delivery.test is true"),
    situations=PAPER,
    needs=NEEDS,
)
async def test_copy(bench: Bench) -> None:
    """Somebody would act on it."""
    delivery = paper_delivery(bench, bench.operations[0], test=True)
    sheet = await a_sheet(bench, delivery)
    require(
        "测试" in sheet.notice_zh and "test" in sheet.notice_en.lower(), "the sheet of a test looks like a real one"
    )


@check(
    "possible-duplicate-says-so",
    Area.EXCHANGE,
    zh=("可能重复的交办单写明先查询", "delivery.possible_duplicate 为真时在 notice 中注明"),
    en=("A sheet that may be a duplicate says so", "Say so in notice where delivery.possible_duplicate is true"),
    situations=PAPER,
    needs=NEEDS,
)
async def possible_duplicate(bench: Bench) -> None:
    """The department may have it already, by another way."""
    delivery = paper_delivery(bench, bench.operations[0])
    plain, marked = await a_sheet(bench, delivery), await a_sheet(bench, replace(delivery, possible_duplicate=True))
    require(marked.notice_zh != plain.notice_zh and marked.notice_en != plain.notice_en, "nothing warns of a duplicate")


@check(
    "nothing-leaves-by-itself",
    Area.MANNERS,
    zh=("纸质渠道不自行联网", "deliver、打印与确认不得打开连接"),
    en=("Nothing leaves a paper channel by itself", "Open no connection in deliver, in printing and in confirm"),
    situations=PAPER,
    needs=NEEDS,
    alone=True,
)
async def nothing_leaves_by_itself(bench: Bench) -> None:
    """Paper leaves when somebody carries it."""
    with nothing_leaves():
        for operation in bench.operations:
            await a_sheet(bench, paper_delivery(bench, operation))
        await printed(
            bench, numbered(bench, one_copy(await a_sheet(bench, paper_delivery(bench, bench.operations[0]))))
        )


CHECKS = (
    always_there,
    becomes_a_sheet,
    same_sheet,
    shows_the_request,
    asks_for_the_reply,
    has_every_box,
    lists_the_papers,
    test_copy,
    possible_duplicate,
    nothing_leaves_by_itself,
)
