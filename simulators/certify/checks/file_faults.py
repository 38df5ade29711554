"""Servers and lines that fail while files travel: each fault with the class it must end in, and a resend that makes it whole."""

import errno
import socket
from collections.abc import Callable

import paramiko
from paramiko.sftp import SFTP_FAILURE, SFTP_OK

from contracts.delivery import Batch
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, TemporaryError
from contracts.situation import Situation
from simulators.certify.batches import again, anew, arrived, desk, members, sealed, sent
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.file_desk import Asked, FileDesk
from simulators.certify.file_place import locked_out
from simulators.certify.verdict import NotApplicable, require

FILES = (Situation.FILE_DROP,)
_CHUNKY = 300
"""Members of a file that does not fit into one packet."""


async def made_whole(bench: Bench, at: FileDesk, batch: Batch) -> None:
    """After the fault the same batch is sent again, and its file is there, whole, once. Raises Failed."""
    await arrived(bench, again(batch))
    taken = at.taken()
    require(taken.content == batch.payload, "the resend did not make the file whole")
    require(taken.control is not None or at.table.control_file is None, "the resend did not bring the control file")


async def nothing_visible(bench: Bench, at: FileDesk, batch: Batch, *wanted: type[DeliveryError]) -> None:
    """One attempt ends in ``wanted`` and shows nothing under the final name. Raises Failed."""
    end = await sent(bench, batch)
    names = [one.__name__ for one in wanted]
    require(isinstance(end, wanted), "the attempt ended as {0}, not as {1}", told(end), names)
    require(not at.lying(), "a part of the file lies under its final name")


@check(
    "login-refused",
    Area.FAULTS,
    zh=("登录被拒:凭据错误,且什么也不发送", "登录失败时抛出 CredentialsError,不重试"),
    en=(
        "A refused login is a CredentialsError, and nothing is sent",
        "Raise CredentialsError where the login is refused, and do not try again",
    ),
    situations=FILES,
)
async def login_refused(bench: Bench) -> None:
    """Trying again locks the account."""
    at = desk(bench)
    before = at.server.logins
    with locked_out(at.server):
        async with anew(bench) as gateway:
            end = await sent(bench, sealed(bench, members(bench, 1)), gateway)
    require(isinstance(end, CredentialsError), "a refused login ended as {0}", told(end))
    require(at.server.logins - before == 1, "the login was tried {0} times", at.server.logins - before)
    require(not at.changes(), "something was sent")


@check(
    "changed-host-key",
    Area.FAULTS,
    zh=("主机密钥变化:不发送密码,凭据错误", "登录前核对 host_key;不符时抛出 CredentialsError"),
    en=(
        "A changed host key gets no password and is a CredentialsError",
        "Compare host_key before the login; raise CredentialsError where it is another",
    ),
    situations=FILES,
)
async def changed_host_key(bench: Bench) -> None:
    """Somebody stands in between."""
    place = bench.files
    if "host_key" not in place.settings:
        raise NotApplicable("the settings pin no host_key")
    other = paramiko.ECDSAKey.generate()
    pinned = f"{other.get_name()} {other.get_base64()}"
    before = place.desk.server.logins if place.desk else 0
    async with anew(bench, host_key=pinned) as gateway:
        end = await bench.tried("check", gateway.check())
    require(isinstance(end, CredentialsError), "another host key ended as {0}", told(end))
    require(place.desk is None or place.desk.server.logins == before, "the password was sent to a stranger")


@check(
    "server-away",
    Area.FAULTS,
    zh=("服务器不在:暂时性错误", "连接被拒时抛出 TemporaryError"),
    en=("A server that is away is temporary", "Raise TemporaryError where the connection is refused"),
    situations=FILES,
)
async def server_away(bench: Bench) -> None:
    """Nothing left: it can be tried again without a doubt."""
    if "port" not in bench.files.settings:
        raise NotApplicable("the settings have no port")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    batch = sealed(bench, members(bench, 1))
    async with anew(bench, host="127.0.0.1", port=port) as gateway:
        for end in (await bench.tried("check", gateway.check()), await sent(bench, batch, gateway)):
            require(isinstance(end, TemporaryError), "a server that is away ended as {0}", told(end))


@check(
    "cut-in-mid-file",
    Area.FAULTS,
    zh=("传到一半断线:最终文件名下无残件,重发后完整", "断线归为 TemporaryError 或 OutcomeUnknownError;只写临时名"),
    en=(
        "A connection that breaks in mid-file leaves nothing under the final name, and a resend makes it whole",
        "End in TemporaryError or OutcomeUnknownError, and write under the temporary name only",
    ),
    situations=FILES,
)
async def cut_in_mid_file(bench: Bench) -> None:
    """Half a file is worse than none."""
    at = desk(bench)
    batch = sealed(bench, members(bench, _CHUNKY))
    with at.failing(_after_the_first_write(at.server.cut)):
        await nothing_visible(bench, at, batch, TemporaryError, OutcomeUnknownError)
    await made_whole(bench, at, batch)


def _after_the_first_write(act: Callable[[], None]) -> Callable[[Asked], int]:
    seen: list[Asked] = []

    def fault(asked: Asked) -> int:
        if asked.what == "write":
            seen.append(asked)
            if len(seen) == 1:
                return SFTP_OK
        if seen:
            act()
            return SFTP_FAILURE
        return SFTP_OK

    return fault


@check(
    "cut-at-the-last-rename",
    Area.FAULTS,
    zh=("改名无回音:结果不明,重发后完整", "改名未得到答复时抛出 OutcomeUnknownError"),
    en=(
        "A rename without an answer is unknown, and a resend makes it whole",
        "Raise OutcomeUnknownError where the answer to the rename is lost",
    ),
    situations=FILES,
)
async def cut_at_the_rename(bench: Bench) -> None:
    """The partner may have taken the file."""
    at = desk(bench)
    batch = sealed(bench, members(bench, 2))

    def fault(asked: Asked) -> int:
        if asked.what == "rename":
            old, new = asked.paths
            (at.root / old.lstrip("/")).rename(at.root / new.lstrip("/"))
            at.server.cut()
            return SFTP_FAILURE
        return SFTP_OK

    with at.failing(fault):
        end = await sent(bench, batch)
    require(isinstance(end, OutcomeUnknownError), "a rename without an answer ended as {0}", told(end))
    await made_whole(bench, at, batch)


@check(
    "disk-full",
    Area.FAULTS,
    zh=("对方磁盘已满:暂时性错误,最终文件名下无残件", "写失败时抛出 TemporaryError;写完核对长度"),
    en=(
        "A full disk is temporary and leaves no part under the final name",
        "Raise TemporaryError where a write fails, and compare the size when it is done",
    ),
    situations=FILES,
)
async def disk_full(bench: Bench) -> None:
    """Somebody will make room."""
    at = desk(bench)
    batch = sealed(bench, members(bench, 2))
    with at.failing(lambda asked: _status(errno.ENOSPC) if asked.what == "write" else SFTP_OK):
        await nothing_visible(bench, at, batch, TemporaryError)
    await made_whole(bench, at, batch)


@check(
    "no-permission",
    Area.FAULTS,
    zh=("对方目录无写权限:暂时性错误,不丢件", "权限错误归为 TemporaryError,由人员处理后重发"),
    en=(
        "A folder without permission is temporary, and nothing is lost",
        "Make a refused file operation a TemporaryError: it is sent again when somebody has mended it",
    ),
    situations=FILES,
)
async def no_permission(bench: Bench) -> None:
    """A moved folder must not kill five thousand messages."""
    at = desk(bench)
    batch = sealed(bench, members(bench, 2))
    with at.failing(lambda asked: _status(errno.EACCES) if asked.what == "create" else SFTP_OK):
        await nothing_visible(bench, at, batch, TemporaryError)
    await made_whole(bench, at, batch)


def _status(number: int) -> int:
    return paramiko.SFTPServer.convert_errno(number)


@check(
    "control-file-that-fails",
    Area.FAULTS,
    zh=("数据文件已在、控制文件失败:结果不明", "控制文件写失败时抛出 OutcomeUnknownError"),
    en=(
        "A control file that fails after its file is there is an unknown outcome",
        "Raise OutcomeUnknownError where the file is visible and its control file is not",
    ),
    situations=FILES,
)
async def control_file_that_fails(bench: Bench) -> None:
    """A careless partner may have taken the file without it."""
    at = desk(bench)
    if at.table.control_file is None:
        raise NotApplicable("there is no control file")
    batch = sealed(bench, members(bench, 2))
    renamed: list[Asked] = []

    def fault(asked: Asked) -> int:
        if asked.what == "rename":
            renamed.append(asked)
        return SFTP_FAILURE if renamed and asked.what in {"create", "write"} else SFTP_OK

    with at.failing(fault):
        end = await sent(bench, batch)
    require(isinstance(end, OutcomeUnknownError), "a missing control file ended as {0}", told(end))
    await made_whole(bench, at, batch)


CHECKS = (
    login_refused,
    changed_host_key,
    server_away,
    cut_in_mid_file,
    cut_at_the_rename,
    disk_full,
    no_permission,
    control_file_that_fails,
)
