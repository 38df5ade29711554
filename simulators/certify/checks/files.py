"""Batches that leave: sealed once, the same when sent again, whole or not at all under their final name."""

from collections.abc import Sequence

from contracts.delivery import AwaitingReply
from contracts.errors import DeliveryError, PermanentError
from contracts.plugin import NamingBatches
from contracts.situation import Situation
from simulators.certify.batches import again, arrived, batching, desk, members, sealed, sent
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.deliveries import marks
from simulators.certify.file_desk import FileDesk
from simulators.certify.verdict import NotApplicable, require
from simulators.department_files import control_path

FILES = (Situation.FILE_DROP,)


@check(
    "check-leaves-no-file",
    Area.EXCHANGE,
    zh=("check() 证明可达,且不留下文件", "check() 只列目录,不写、不改名、不删除"),
    en=("check() proves the way and changes no file", "Let check() list folders; it must not write, rename or remove"),
    situations=FILES,
)
async def check_leaves_no_file(bench: Bench) -> None:
    """A stray file in the folder is taken for a message."""
    error = await bench.tried("check", bench.gateway.check())
    require(error is None, "check() ended as {0}", told(error))
    at = desk(bench)
    await bench.tried("check", bench.gateway.check())
    require(not at.changes(), "check() changed something on the server")


@check(
    "good-batch",
    Area.EXCHANGE,
    zh=("正常批次一次送达,每件各有回音", "核对地址与登录;deliver_batch 须为每件返回 AwaitingReply"),
    en=(
        "A good batch arrives at once, with a verdict for every member",
        "Correct address and login; deliver_batch must give each delivery its own verdict",
    ),
    situations=FILES,
)
async def good_batch(bench: Bench) -> None:
    """A member without a verdict is unknown, and a person must look."""
    batch = sealed(bench, members(bench, 5))
    found = await arrived(bench, batch)
    require(found.keys() == {one.id for one in batch.deliveries}, "the verdicts are not those of the batch's members")
    require(all(isinstance(one, AwaitingReply) for one in found.values()), "a member is not waiting for its result")


@check(
    "sealing-is-pure",
    Area.EXCHANGE,
    zh=("同一批次两次封装得到相同字节", "seal 中不得使用时间、随机数或计数器"),
    en=("Sealing a batch twice gives the same bytes", "Keep time, randomness and counters out of seal"),
    situations=FILES,
)
async def sealing_is_pure(bench: Bench) -> None:
    """What is resent must be what was recorded."""
    batch = sealed(bench, members(bench, 4))
    require(batching(bench.gateway).seal(batch) == batch.payload, "two files of one batch differ")


@check(
    "empty-batch-can-be-sealed",
    Area.EXCHANGE,
    zh=("声明 send_empty 时空批次可以封装并送达", "没有记录时也要生成合规的空文件"),
    en=(
        "An empty batch can be sealed and sent where send_empty is declared",
        "Write a file that is valid without records",
    ),
    situations=FILES,
)
async def empty_batch(bench: Bench) -> None:
    """The partner waits for a file at every cut-off."""
    if bench.channel.batching is None or not bench.channel.batching.send_empty:
        raise NotApplicable("send_empty is not declared")
    at = desk(bench)
    try:
        batch = sealed(bench, ())
    except DeliveryError as error:
        require(False, "sealing an empty batch ended as {0}", told(error))
    else:
        require(not await arrived(bench, batch), "an empty batch has verdicts")
        taken = at.taken()
        require(not at.read(taken.content), "the empty file holds records")


@check(
    "refused-record-costs-only-itself",
    Area.EXCHANGE,
    zh=("一件无法成文,不影响同批其他件", "在 prepare 中逐件拒绝;seal 只组合已有记录"),
    en=(
        "A delivery that cannot be written costs only itself, not its batch",
        "Refuse it in prepare, by itself; let seal only join records",
    ),
    situations=FILES,
)
async def refused_record(bench: Bench) -> None:
    """One bad name must not hold up five thousand."""
    at, (good, other) = desk(bench), members(bench, 2)
    operation = bench.operations[0]
    required = next((field.name for field in operation.request if field.required), None)
    if required is None:
        raise NotApplicable("no field is required")
    fields = {name: value for name, value in bench.maker.fields(operation).items() if name != required}
    refused = await bench.deliver(bench.delivery(operation, fields=fields))
    require(isinstance(refused, PermanentError), "a delivery without {0} ended as {1}", required, told(refused))
    batch = sealed(bench, (good, other))
    await arrived(bench, batch)
    require(len(at.read(at.taken().content)) == 2, "the records of the others are not all there")


@check(
    "resent-batch-is-the-same",
    Area.EXCHANGE,
    zh=("重发的批次文件名与内容完全相同", "文件名只取自 sequence 与 sealed_at,内容用 batch.payload"),
    en=(
        "A batch that is sent again has the same name and bytes, and leaves one file",
        "Make the name of sequence and sealed_at alone, and send batch.payload",
    ),
    situations=FILES,
)
async def resent_batch(bench: Bench) -> None:
    """A second file is a second message."""
    at = desk(bench)
    batch = sealed(bench, members(bench, 3))
    await arrived(bench, batch)
    first = at.taken()
    found = await arrived(bench, again(batch))
    require(found.keys() == {one.id for one in batch.deliveries}, "a resend has not a verdict for each member")
    require(at.taken() == first, "the resend changed the file, or its control file")
    require(first.content == batch.payload, "other bytes were sent than were sealed")


@check(
    "resend-counts-every-member",
    Area.EXCHANGE,
    zh=("只剩部分未结件的重发,控制文件仍按全批计数", "控制文件的行数取 batch.members,而非剩余件数"),
    en=(
        "A resend for some of the members still counts all records of the file",
        "Count batch.members in the control file, not the deliveries that are still open",
    ),
    situations=FILES,
)
async def resend_counts(bench: Bench) -> None:
    """Some members were answered meanwhile; the bytes are those of all."""
    at = desk(bench)
    if at.table.control_file is None:
        raise NotApplicable("there is no control file")
    batch = sealed(bench, members(bench, 3))
    await arrived(bench, batch)
    control_path(at.out / at.taken().name, at.table.control_file).unlink()
    found = await arrived(bench, again(batch, batch.deliveries[:1]))
    require(found.keys() == {batch.deliveries[0].id}, "the verdicts are not those of the members that are open")
    taken = at.taken()
    require(taken.control is not None, "the resend did not bring the missing control file")
    wrong = at.contradiction(taken, 3)
    require(not wrong, "after a resend the control file says another {0}", wrong)


@check(
    "file-names-hold-no-personal-data",
    Area.EXCHANGE,
    zh=("文件名不含个人信息与办件编号", "文件名只用日期与序号"),
    en=("File names hold no personal data and no case number", "Make names of date and sequence alone"),
    situations=FILES,
)
async def names_without_persons(bench: Bench) -> None:
    """Names are logged, listed and mailed."""
    at = desk(bench)
    batch = sealed(bench, members(bench, 2))
    await arrived(bench, batch)
    secret = {mark for one in batch.deliveries for mark in marks(one.fields)} | {
        one.case_no for one in batch.deliveries
    }
    named = " ".join(path for one in at.asked for path in one.paths)
    require(not any(mark in named for mark in secret), "a name on the server holds a value of a delivery")


@check(
    "batch-name-is-the-file-name",
    Area.EXCHANGE,
    zh=("batch_name 即对方看到的文件名,各批不同", "batch_name 返回实际文件名,且随 sequence 变化"),
    en=(
        "batch_name is the name that the partner sees, another one for each batch",
        "Let batch_name return the name of the file, and let sequence change it",
    ),
    situations=FILES,
    needs=(NamingBatches,),
)
async def batch_name(bench: Bench) -> None:
    """By it staff and partner speak of a file."""
    at, whole = desk(bench), bench.gateway
    assert isinstance(whole, NamingBatches)
    first, second = (sealed(bench, members(bench, 1)) for _ in range(2))
    await arrived(bench, first)
    require(at.taken().name == whole.batch_name(first), "the file lies under another name than batch_name says")
    require(whole.batch_name(first) != whole.batch_name(second), "two batches have one name")


@check(
    "temporary-name-until-whole",
    Area.EXCHANGE,
    zh=("写完之前用临时名,改名后才可见", "先写临时名,再改名;控制文件同样"),
    en=(
        "A file has a temporary name until it is whole",
        "Write under a temporary name and rename, the control file too",
    ),
    situations=FILES,
)
async def temporary_name(bench: Bench) -> None:
    """A reader never sees a part under the final name."""
    at = desk(bench)
    await arrived(bench, sealed(bench, members(bench, 3)))
    created = {path for one in at.asked if one.what == "create" for path in one.paths}
    final = {f"{at.table.out.dir}/{path.name}" for path in at.out.iterdir()}
    require(not created & final, "a file was written under its final name")


@check(
    "control-file-comes-last",
    Area.EXCHANGE,
    zh=("控制文件在数据文件之后出现", "数据文件改名成功后才写控制文件"),
    en=("The control file comes after its file", "Write the control file only after the file has its final name"),
    situations=FILES,
)
async def control_comes_last(bench: Bench) -> None:
    """It says that the file is whole."""
    at = desk(bench)
    if at.table.control_file is None:
        raise NotApplicable("there is no control file")
    await arrived(bench, sealed(bench, members(bench, 4)))
    name = at.taken().name
    control = control_path(at.out / name, at.table.control_file).name
    order = _appearances(at)
    require(name in order and control in order, "the file or its control file is missing")
    require(order.index(name) < order.index(control), "the control file was there before its file")


def _appearances(at: FileDesk) -> Sequence[str]:
    """Final names in the order in which they came to be."""
    final = {path.name for path in at.out.iterdir()}
    last = [one.paths[-1].rpartition("/")[2] for one in at.asked if one.what in {"create", "rename"}]
    return [name for name in last if name in final]


@check(
    "control-file-tells-the-truth",
    Area.EXCHANGE,
    zh=("控制文件的行数、长度与摘要正确", "按最终字节计算控制文件各项"),
    en=(
        "Counts, sizes and digests in the control file are true",
        "Compute every item of the control file from the final bytes",
    ),
    situations=FILES,
)
async def control_is_true(bench: Bench) -> None:
    """The partner sets the file aside otherwise."""
    at = desk(bench)
    if at.table.control_file is None:
        raise NotApplicable("there is no control file")
    for count in (1, 3):
        at.clear()
        await arrived(bench, sealed(bench, members(bench, count)))
        taken = at.taken()
        require(taken.control is not None, "there is no control file beside the file")
        wrong = at.contradiction(taken, count)
        require(not wrong, "the control file says another {0} than the file has", wrong)


@check(
    "name-taken-is-left-alone",
    Area.FAULTS,
    zh=("同名的他人文件不被覆盖", "改名前核对;同名而内容不同时抛出 PermanentError"),
    en=(
        "Another file under the batch's name is not overwritten",
        "Look before you rename; raise PermanentError where other content has the name",
    ),
    situations=FILES,
)
async def name_taken(bench: Bench) -> None:
    """It may be a message that somebody waits for."""
    at = desk(bench)
    batch = sealed(bench, members(bench, 1))
    await arrived(bench, batch)
    path = at.out / at.taken().name
    path.write_bytes(b"other")
    end = await sent(bench, again(batch))
    require(isinstance(end, PermanentError), "a name that is taken ended as {0}", told(end))
    require(path.read_bytes() == b"other", "a file of somebody else's was overwritten")


CHECKS = (
    check_leaves_no_file,
    good_batch,
    sealing_is_pure,
    empty_batch,
    refused_record,
    resent_batch,
    resend_counts,
    names_without_persons,
    batch_name,
    temporary_name,
    control_comes_last,
    control_is_true,
    name_taken,
)
