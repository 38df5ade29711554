"""Result files that cannot be trusted: cut off, miscounted, re-encoded, beside what belongs to others."""

from dataclasses import replace

from adapters.text_encodings import Encoding, EncodingRefused, to_bytes, to_text
from contracts.plugin import Collecting
from contracts.situation import Situation
from simulators.certify.batches import desk, members, only, replies
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.results import good, no_success, settled
from simulators.certify.file_desk import FileDesk
from simulators.certify.verdict import NotApplicable, reason, require

FILES = (Situation.FILE_DROP,)
NEEDS = (Collecting,)


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
        no_success(found, delivery, reason("a file that is cut off"))


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
    no_success(await replies(bench), delivery, reason("a file with a wrong count"))


def counted(at: FileDesk, *items: str) -> None:
    """Raises NotApplicable where the control file tells none of the items."""
    control = at.table.back.control_file
    if control is None or not set(items) & set(control.content):
        raise NotApplicable("the control file of results tells no {0}", items)


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
        no_success(found, one, reason("a file with a wrong digest"))


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
            other: Encoding = "UTF-8" if at.table.encoding != "UTF-8" else "GB18030"
            changed = to_bytes(to_text(content, at.table.encoding), other)
            if changed != content and not _is_text(changed, at):
                at.put(name, changed, at.control_of(name, changed, 1))
                no_success(await replies(bench), delivery, reason("a file in another encoding"))
                return
    raise NotApplicable("no file of this layout shows that it was re-encoded")


def _is_text(content: bytes, at: FileDesk) -> bool:
    try:
        to_text(content, at.table.encoding)
    except EncodingRefused:
        return False
    return True


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


CHECKS = (truncated, wrong_count, wrong_digest, re_encoded, foreign_files)
