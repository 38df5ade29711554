"""The folder of result files: what waits, what stays until it is committed, what comes again; and receipts."""

from contextlib import aclosing

from contracts.delivery import Delivery
from contracts.exchange import Collected, ReceiptVerdict
from contracts.plugin import Collecting, NamingBatches
from contracts.situation import Situation
from simulators.certify.batches import about, desk, looked, members, only, replies, sealed
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.results import good, no_success, settled
from simulators.certify.verdict import NotApplicable, reason, require
from simulators.department_files import appear, control_path

FILES = (Situation.FILE_DROP,)
NEEDS = (Collecting,)


@check(
    "file-that-comes-twice",
    Area.EXCHANGE,
    zh=("同名同内容的文件再来,不改变任何结果", "核对已归档的同名文件;相同则移走"),
    en=(
        "A file that comes again changes nothing and does not stay",
        "Compare it with the archived one of its name, and put it away",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def file_twice(bench: Bench) -> None:
    """Partners send again to be sure."""
    at, (delivery,) = desk(bench), members(bench, 1)
    name = at.lay(good(bench, at, delivery))
    content = (at.back / name).read_bytes()
    require(settled(only(await replies(bench), delivery)), "the answer was not read")
    at.put(name, content, at.control_of(name, content, 1))
    ends = about(await replies(bench), delivery)
    require(all(map(settled, ends)), "a file that came again has another meaning")
    require(not at.lies_back(name), "a file that came again stays in the folder")


@check(
    "file-name-used-again",
    Area.EXCHANGE,
    zh=("旧文件名配新内容,不算成功且不覆盖旧件", "与已归档文件不同者移入 quarantine_dir"),
    en=(
        "A used file name with other content is no success and replaces nothing",
        "Set it aside in quarantine_dir, and leave the archived file as it is",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def name_used_again(bench: Bench) -> None:
    """One of the two is wrong, and nobody knows which."""
    at, (first, second) = desk(bench), members(bench, 2)
    name = at.lay(good(bench, at, first))
    before = (at.back / name).read_bytes()
    require(settled(only(await replies(bench), first)), "the answer was not read")
    at.lay(good(bench, at, second), name=name)
    no_success(await replies(bench), second, reason("a used name with other content"))
    archived = at.done / name
    require(not archived.exists() or archived.read_bytes() == before, "the archived file was replaced")


@check(
    "result-waits-for-its-control-file",
    Area.EXCHANGE,
    zh=("没有控制文件的结果文件不读取", "控制文件出现之后再读数据文件"),
    en=(
        "A result file is not read before its control file is there",
        "Read the file only when its control file says that it is whole",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def waits_for_control(bench: Bench) -> None:
    """It may still grow."""
    at, (delivery,) = desk(bench), members(bench, 1)
    if at.table.back.control_file is None:
        raise NotApplicable("result files have no control file")
    name = at.lay(good(bench, at, delivery))
    control = control_path(at.back / name, at.table.back.control_file)
    kept = control.read_bytes()
    control.unlink()
    require(not about(await looked(bench), delivery), "a file without its control file was read")
    appear(control, kept)
    require(settled(only(await looked(bench), delivery)), "the answer was lost")


@check(
    "uncommitted-file-stays",
    Area.EXCHANGE,
    zh=("未提交的结果文件留在原处,下次再读", "collect 恢复执行后才归档"),
    en=(
        "A result file that is not committed stays, and is read again",
        "Archive a file only when collect is resumed after yielding it",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def uncommitted(bench: Bench) -> None:
    """The hub may die between reading and committing."""
    at, (delivery,) = desk(bench), members(bench, 1)
    name = at.lay(good(bench, at, delivery))
    if at.table.back.control_file is None:
        await looked_and_left(bench, delivery)
        bench.runtime.waited_seconds += at.table.back.stable_seconds + 1
    await looked_and_left(bench, delivery)
    require(at.lies_back(name), "a file was put away before its answers were committed")
    require(settled(only(await replies(bench), delivery)), "the answer was not given again")


async def looked_and_left(bench: Bench, delivery: Delivery) -> None:
    """Read until the delivery's answer, and go away without committing it."""
    whole: object = bench.gateway
    assert isinstance(whole, Collecting)
    async with aclosing(whole.collect()) as found:  # type: ignore[type-var]
        async for page in found:
            if about(page, delivery):
                return


@check(
    "committed-file-leaves",
    Area.EXCHANGE,
    zh=("已提交的结果文件归档,不再读出", "恢复执行后移入 done_dir"),
    en=("A committed result file is archived and not read again", "Move it to done_dir when collect is resumed"),
    situations=FILES,
    needs=NEEDS,
)
async def committed(bench: Bench) -> None:
    """A folder that only grows stops the exchange one day."""
    at, laid = desk(bench), members(bench, 3)
    names = [at.lay(good(bench, at, one)) for one in laid]
    found = await replies(bench)
    for delivery in laid:
        require(settled(only(found, delivery)), "an answer was not read")
    require(not any(map(at.lies_back, names)), "a committed file stays in the folder")


@check(
    "receipts-are-understood",
    Area.EXCHANGE,
    zh=("文件回执按声明理解", "按 receipt 的 accepted 与 again 判断回执码"),
    en=("Receipts for whole files mean what is declared", "Read the code of a receipt as accepted and again say"),
    situations=FILES,
    needs=NEEDS,
)
async def receipts(bench: Bench) -> None:
    """A refused file that nobody notices is a night lost."""
    at, table = desk(bench), bench.files.desk.table if bench.files.desk else None
    whole: object = bench.gateway
    if table is None or table.receipt is None or not isinstance(whole, NamingBatches):
        raise NotApplicable("the partner sends no receipts")
    receipt = table.receipt
    cases = [(receipt.accepted[:1], ReceiptVerdict.ACCEPTED), (receipt.again[:1], ReceiptVerdict.AGAIN)]
    if receipt.code is not None:
        unknown = next(one for one in ("77", "78", "79") if one not in (*receipt.accepted, *receipt.again))
        cases = [*(one for one in cases if one[0]), ((unknown,), ReceiptVerdict.REFUSED)]
    for codes, verdict in cases if receipt.code is not None else [((), ReceiptVerdict.ACCEPTED)]:
        name = whole.batch_name(sealed(bench, members(bench, 1)))
        lines = [f"{receipt.code}={codes[0]}"] if codes else []
        folder = at.root / receipt.dir.lstrip("/")
        path = folder / f"{name.rpartition('.')[0] or name}{receipt.suffix}"
        appear(path, "".join(f"{line}\r\n" for line in lines).encode())
        found = await receipts_of(bench, name)
        require(
            found == [verdict], "a receipt that says {0} was read as {1}", verdict.value, [*found] or reason("nothing")
        )
        require(not path.exists(), "a receipt that was read stays in the folder")


async def receipts_of(bench: Bench, name: str) -> list[ReceiptVerdict]:
    """What receipts say of a file, taken as committed."""
    whole: object = bench.gateway
    assert isinstance(whole, Collecting)
    return [
        page.receipt.verdict
        async for page in whole.collect()
        if isinstance(page, Collected) and page.receipt is not None and page.receipt.name == name
    ]


CHECKS = (waits_for_control, uncommitted, committed, file_twice, name_used_again, receipts)
