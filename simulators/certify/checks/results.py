"""Result files: what each code means, what is never believed, what stays until it is committed."""

from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from adapters.text_encodings import EncodingRefused, to_bytes, to_text
from contracts.catalogue import Operation, ResultKind
from contracts.delivery import Completed, Decision, Delivery, Outcome, Returned
from contracts.errors import DeliveryError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.exchange import Collected, ReceiptVerdict
from contracts.plugin import Collecting, NamingBatches
from contracts.situation import Situation
from simulators.certify.batches import (
    about,
    arrived,
    code_of,
    desk,
    good_code,
    looked,
    members,
    only,
    operation_of,
    replies,
    sealed,
)
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.file_desk import FileDesk
from simulators.certify.verdict import NotApplicable, require
from simulators.department_files import appear, control_path
from simulators.file_forms import Result

FILES = (Situation.FILE_DROP,)
NEEDS = (Collecting,)
_STRANGER = UUID("00000000-0000-4000-8000-00000000cafe")


def good(bench: Bench, at: FileDesk, delivery: Delivery) -> Result:
    """A line that settles a delivery."""
    return at.result(delivery, good_code(bench, operation_of(bench, delivery)))


def settled(outcome: object) -> bool:
    """Whether it says that the department has done its part."""
    return isinstance(outcome, Completed)


def no_success(found: list[Any], delivery: Delivery, what: str) -> None:
    """Raises Failed where anything says that the delivery is settled."""
    require(not any(map(settled, about(found, delivery))), f"{what} was taken for a success")


_MEANS: dict[ResultKind, tuple[type[Outcome | DeliveryError], Decision | None]] = {
    ResultKind.GRANTED: (Completed, Decision.GRANTED),
    ResultKind.REFUSED: (Completed, Decision.REFUSED),
    ResultKind.DONE: (Completed, Decision.DONE),
    ResultKind.RETURNED: (Returned, None),
    ResultKind.TEMPORARY: (TemporaryError, None),
    ResultKind.PERMANENT: (PermanentError, None),
}


@check(
    "result-codes-as-declared",
    Area.EXCHANGE,
    zh=("结果文件中每个结果码都按声明理解", "按 result_codes 映射每个结果码"),
    en=(
        "Every code in a result file means what is declared",
        "Map each code as result_codes says: granted, refused, done, returned, temporary or permanent",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def codes_as_declared(bench: Bench) -> None:
    """A refusal read as an error is sent again."""
    at = desk(bench)
    laid: list[tuple[Operation, str, Delivery]] = [
        (operation, code, bench.prepared(bench.delivery(operation)))
        for operation in bench.operations
        for code in operation.result_codes.get(Situation.FILE_DROP, {})
    ]
    at.lay(*(at.result(delivery, code) for _, code, delivery in laid))
    found = await replies(bench)
    for operation, code, delivery in laid:
        declared, end = operation.result_codes[Situation.FILE_DROP][code], only(found, delivery)
        kind, decision = (DuplicateError, None) if declared.duplicate else _MEANS[declared.outcome]
        is_meant = isinstance(end, kind) and (decision is None or getattr(end, "decision", None) is decision)
        require(is_meant, f"{operation.key}: code {code} ended as {told(end)}")


@check(
    "undeclared-code-in-a-file",
    Area.EXCHANGE,
    zh=("结果文件中未声明的结果码绝不算成功", "对未知结果码给出 OutcomeUnknownError"),
    en=(
        "A code that nobody declared is never a success in a result file",
        "Give OutcomeUnknownError for a code you do not know",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def undeclared_code(bench: Bench) -> None:
    """Departments add codes without telling."""
    at, (delivery,) = desk(bench), members(bench, 1)
    known = operation_of(bench, delivery).result_codes.get(Situation.FILE_DROP, {})
    at.lay(at.result(delivery, next(one for one in ("77", "78", "79") if one not in known)))
    end = only(await replies(bench), delivery)
    require(isinstance(end, OutcomeUnknownError), f"an undeclared code ended as {told(end)}")


@check(
    "answers-are-not-swapped",
    Area.EXCHANGE,
    zh=("结果按送达编号对应,与行序无关", "用记录中的送达编号匹配,不要按顺序匹配"),
    en=(
        "Answers go to their deliveries whatever the order of the lines",
        "Match by the delivery id in the record, never by order",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def not_swapped(bench: Bench) -> None:
    """Another person's decision is the worst answer of all."""
    at, operation = desk(bench), bench.operations[0]
    other = code_of(bench, operation, (ResultKind.RETURNED, ResultKind.REFUSED))
    first, second = (bench.prepared(bench.delivery(operation)) for _ in range(2))
    await arrived(bench, sealed(bench, (first, second)))
    at.lay(at.result(second, other), good(bench, at, first))
    found = await replies(bench)
    require(settled(only(found, first)), "the answer of another delivery was given to the first")
    end = only(found, second)
    require(isinstance(end, Returned) or getattr(end, "decision", None) is Decision.REFUSED, "two answers are swapped")


@check(
    "bad-line-costs-only-itself",
    Area.EXCHANGE,
    zh=("一行读不懂,不影响同文件其他行", "逐行给出结论;坏行为 OutcomeUnknownError"),
    en=(
        "A line that cannot be read costs only itself",
        "Give each line its own verdict; a bad one is an OutcomeUnknownError",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def bad_line(bench: Bench) -> None:
    """One slip of theirs must not hide five thousand answers."""
    at, (first, second, third) = desk(bench), members(bench, 3)
    bad = good(bench, at, second)
    typed = [one.name for one in operation_of(bench, second).reply if one.type in {"date", "money", "int"}]
    code = {} if typed else {"code": "77"}
    cells = dict.fromkeys(typed[:1], "x")
    at.lay(
        good(bench, at, first),
        replace(bad, fields={**bad.fields, **cells}, lead={**bad.lead, **code}),
        good(bench, at, third),
    )
    found = await replies(bench)
    require(settled(only(found, first)) and settled(only(found, third)), "good lines of the file were lost")
    ends = about(found, second)
    require(all(isinstance(one, OutcomeUnknownError) for one in ends), "a line that cannot be read got a meaning")


@check(
    "line-of-a-stranger",
    Area.EXCHANGE,
    zh=("不认识的送达编号不影响其他行,也不归到别人名下", "按原编号上报;读不出编号的行略过并注明"),
    en=(
        "A line about a delivery that nobody knows is nobody else's, and the others count",
        "Report it under the id that it names; pass over a line whose id cannot be read",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def stranger(bench: Bench) -> None:
    """Two hubs may share a folder."""
    at, (delivery,) = desk(bench), members(bench, 1)
    foreign = replace(delivery, id=_STRANGER)
    at.lay(good(bench, at, foreign), good(bench, at, delivery), at.result(foreign, "00", reference="-"))
    found = await replies(bench)
    require(settled(only(found, delivery)), "the answer beside a stranger's was lost")
    require({one.delivery_id for one in found} <= {delivery.id, _STRANGER}, "a reply names an id that no line has")


@check(
    "line-that-comes-twice",
    Area.EXCHANGE,
    zh=("同一行出现两次,两次含义相同", "重复行照实上报,由中枢去重"),
    en=("A line that comes twice means the same twice", "Report both as they are: the hub drops what it has"),
    situations=FILES,
    needs=NEEDS,
)
async def line_twice(bench: Bench) -> None:
    """A contradiction would go to a person, for nothing."""
    at, (delivery,) = desk(bench), members(bench, 1)
    line = good(bench, at, delivery)
    at.lay(line, line)
    ends = about(await replies(bench), delivery)
    require(len(ends) >= 1 and all(map(settled, ends)), "a repeated line has another meaning")


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
    no_success(await replies(bench), second, "a used name with other content")
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
    "truncated-result-file",
    Area.FAULTS,
    zh=("截断的结果文件绝不算成功", "核对控制文件、文件尾或末行;不符即隔离"),
    en=(
        "A result file that is cut off is never a success",
        "Compare it with its control file, trailer or last line end, and set it aside",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def truncated(bench: Bench) -> None:
    """The lines that are missing were answers."""
    at, laid = desk(bench), members(bench, 4)
    if not proves_whole(at):
        raise NotApplicable("nothing that is declared tells whether a result file is whole")
    name = at.new_name()
    content = at.written(name, *(good(bench, at, one) for one in laid))
    at.put(name, content[: len(content) // 2], at.control_of(name, content, len(laid)))
    found = await replies(bench)
    for delivery in laid:
        no_success(found, delivery, "a file that is cut off")


def proves_whole(at: FileDesk) -> bool:
    """Whether half a result file differs from a whole one."""
    control = at.table.back.control_file
    told_by_control = control is not None and bool({"bytes", "md5", "sha256", "sm3", "rows"} & set(control.content))
    trailer = at.table.back.trailer or at.table.trailer
    return told_by_control or trailer is not None or at.table.format in {"dbf", "xml", "zip_csv", "csv", "fixed"}


@check(
    "result-file-with-wrong-count",
    Area.FAULTS,
    zh=("控制文件行数不符的结果文件绝不算成功", "核对控制文件的 rows;不符即隔离"),
    en=(
        "A result file with a wrong count is never a success",
        "Compare the rows of the control file, and set the file aside",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def wrong_count(bench: Bench) -> None:
    """A line is missing, or one too many."""
    at, (delivery,) = desk(bench), members(bench, 1)
    counted(at, "rows")
    name = at.new_name()
    content = at.written(name, good(bench, at, delivery))
    at.put(name, content, at.control_of(name, content, 2))
    no_success(await replies(bench), delivery, "a file with a wrong count")


def counted(at: FileDesk, *items: str) -> None:
    """Raises NotApplicable where the control file tells none of the items."""
    control = at.table.back.control_file
    if control is None or not set(items) & set(control.content):
        raise NotApplicable(f"the control file of results tells no {' or '.join(items)}")


@check(
    "result-file-with-wrong-digest",
    Area.FAULTS,
    zh=("摘要不符的结果文件绝不算成功", "核对控制文件的摘要;不符即隔离"),
    en=(
        "A result file with a wrong digest is never a success",
        "Compare the digest of the control file, and set the file aside",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def wrong_digest(bench: Bench) -> None:
    """The bytes are not those that were written."""
    at, (delivery, other) = desk(bench), members(bench, 2)
    counted(at, "md5", "sha256", "sm3")
    name = at.new_name()
    content = at.written(name, good(bench, at, delivery))
    changed = at.written(name, good(bench, at, replace(delivery, id=other.id)))
    at.put(name, content, at.control_of(name, changed.ljust(len(content))[: len(content)], 1))
    found = await replies(bench)
    for one in (delivery, other):
        no_success(found, one, "a file with a wrong digest")


@check(
    "re-encoded-result-file",
    Area.FAULTS,
    zh=("被转码的结果文件绝不算成功", "按声明的编码严格解码;解不出的行为 OutcomeUnknownError"),
    en=(
        "A result file that was re-encoded on its way is never a success",
        "Decode strictly as declared; a line that cannot be decoded is an OutcomeUnknownError",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def re_encoded(bench: Bench) -> None:
    """Names would come out as other names."""
    at = desk(bench)
    for operation in bench.operations:
        text = next((one.name for one in operation.reply if one.type in {"string", "text"}), None)
        if text is None or at.table.format in {"zip_csv", "dbf"}:
            continue
        delivery = bench.prepared(bench.delivery(operation))
        line = good(bench, at, delivery)
        name = at.new_name()
        for value in ("样", "样例", "例", "样例甲"):
            content = at.written(name, replace(line, fields={**line.fields, text: value}))
            other = "UTF-8" if at.table.encoding != "UTF-8" else "GB18030"
            changed = to_bytes(to_text(content, at.table.encoding), other)
            if changed != content and not _is_text(changed, at):
                at.put(name, changed, at.control_of(name, changed, 1))
                no_success(await replies(bench), delivery, "a file in another encoding")
                return
    raise NotApplicable("no file of this layout shows that it was re-encoded")


def _is_text(content: bytes, at: FileDesk) -> bool:
    try:
        to_text(content, at.table.encoding)
    except EncodingRefused:
        return False
    return True


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
    "foreign-files-do-not-stop-the-others",
    Area.FAULTS,
    zh=("目录中的外来文件与超大文件不妨碍其他文件", "只取符合 pattern 的文件,超过 max_bytes 的隔离"),
    en=(
        "A foreign or a huge file in the folder does not stop the others",
        "Take only names of the pattern, and set aside what exceeds max_bytes",
    ),
    situations=FILES,
    needs=NEEDS,
)
async def foreign_files(bench: Bench) -> None:
    """Somebody always leaves something."""
    at, (delivery,) = desk(bench), members(bench, 1)
    foreign = at.back / "README of somebody.doc"
    foreign.write_bytes(b"not for you")
    (at.back / b"\xd1\xf9\xc0\xfd.txt".decode("utf-8", "surrogateescape")).write_bytes(b"named in GBK")
    huge = at.new_name()
    at.put(huge, b"", at.control_of(huge, b"", 1))
    with (at.back / huge).open("r+b") as file:
        file.truncate(at.table.back.max_bytes + 1)
    at.lay(good(bench, at, delivery))
    require(settled(only(await replies(bench), delivery)), "the answer beside foreign files was not read")
    require(foreign.exists(), "a foreign file was taken away")


@check(
    "late-result-still-counts",
    Area.EXCHANGE,
    zh=("迟到的结果仍然有效", "不要因时间过久而丢弃结果"),
    en=("A result that comes late still counts", "Do not drop a result for its age"),
    situations=FILES,
    needs=NEEDS,
)
async def late_result(bench: Bench) -> None:
    """The hub decides what a late answer is worth."""
    at, (delivery,) = desk(bench), members(bench, 1)
    await arrived(bench, sealed(bench, (delivery,)))
    before = bench.runtime.ahead
    bench.runtime.ahead = before + timedelta(days=400)
    try:
        at.lay(good(bench, at, delivery))
        require(settled(only(await replies(bench), delivery)), "a late result was not believed")
    finally:
        bench.runtime.ahead = before


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
        require(found == [verdict], f"a receipt that says {verdict.value} was read as {', '.join(found) or 'nothing'}")
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


CHECKS = (
    codes_as_declared,
    undeclared_code,
    not_swapped,
    bad_line,
    stranger,
    line_twice,
    file_twice,
    name_used_again,
    waits_for_control,
    truncated,
    wrong_count,
    wrong_digest,
    re_encoded,
    uncommitted,
    committed,
    foreign_files,
    late_result,
    receipts,
)
