"""What a simulated department can do wrong: the kinds, where in its work each is possible, and whether it has acted then.

The dial that chooses among them is in ``simulators.dial``; the manual's table is written from ``KINDS``.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from contracts.catalogue import Answers, Operation
from contracts.records import record


class Fault(StrEnum):
    """A kind of misbehaviour."""

    REFUSE = "refuse"
    RESET = "reset"
    DELAY = "delay"
    SLOW_LORIS = "slow_loris"
    RESET_MID_BODY = "reset_mid_body"
    ERROR_500 = "error_500"
    BAD_GATEWAY_502 = "bad_gateway_502"
    UNAVAILABLE_503 = "unavailable_503"
    GATEWAY_TIMEOUT_504 = "gateway_timeout_504"
    TOO_MANY_429 = "too_many_429"
    UNAUTHORISED_401 = "unauthorised_401"
    FORBIDDEN_403 = "forbidden_403"
    HTML_PAGE = "html_page"
    FAULT_IN_200 = "fault_in_200"
    EMPTY_ANSWER = "empty_answer"
    TRUNCATED_ANSWER = "truncated_answer"
    ERROR_AFTER_EFFECT_500 = "error_after_effect_500"
    LOST_REPLY = "lost_reply"
    DUPLICATE_REPLY = "duplicate_reply"
    SWAPPED_REPLIES = "swapped_replies"
    LATE_REPLY = "late_reply"
    LOGIN_REFUSED = "login_refused"
    CHANGED_HOST_KEY = "changed_host_key"
    FULL_DISK = "full_disk"
    TRUNCATED_FILE = "truncated_file"
    REENCODED_FILE = "reencoded_file"
    WRONG_COUNTS = "wrong_counts"
    FILE_TWICE = "file_twice"
    FILE_LATE = "file_late"
    OUTAGE = "outage"


class Place(StrEnum):
    """Where in a department's work a fault is drawn: a message by how its answer comes, a moment of a file exchange, a sheet."""

    AT_ONCE = "at_once"
    CALLBACK = "callback"
    POLLED = "polled"
    CONNECTION = "connection"
    TRANSFER = "transfer"
    RECORD = "record"
    FILE = "file"
    SHEET = "sheet"
    SYSTEM = "system"


MESSAGES: Final = frozenset({Place.AT_ONCE, Place.CALLBACK, Place.POLLED})
EXCHANGE: Final = frozenset({Place.CONNECTION, Place.TRANSFER, Place.RECORD, Place.FILE})


def place_of(operation: Operation, *, calls_back: bool) -> Place:
    """Where a message of an operation stands. ``calls_back``: what comes later comes by callback."""
    if operation.answers is not Answers.LATER:
        return Place.AT_ONCE
    return Place.CALLBACK if calls_back else Place.POLLED


@record
class Kind:
    """One row of the table. ``acts``: whether the department has acted when it comes; ``seconds``: what a rule's ``seconds`` mean.

    Names and sentences in Chinese and in English.
    """

    places: frozenset[Place]
    acts: bool
    name: tuple[str, str]
    does: tuple[str, str]
    seconds: str = ""


def _kind(
    places: frozenset[Place], acts: bool, name: tuple[str, str], does: tuple[str, str], seconds: str = ""
) -> Kind:
    return Kind(places=places, acts=acts, name=name, does=does, seconds=seconds)


_LATER: Final = frozenset({Place.CALLBACK, Place.POLLED})
_DOOR: Final = frozenset({Place.CONNECTION})
_FILES: Final = frozenset({Place.FILE})

KINDS: Final[Mapping[Fault, Kind]] = {
    Fault.REFUSE: _kind(
        MESSAGES | {Place.CONNECTION, Place.SHEET},
        False,
        ("拒绝连接", "refused"),
        (
            "不说一句就断开，什么也没读",
            "the connection is closed without a word; nothing was read (a courier finds the door shut)",
        ),
    ),
    Fault.RESET: _kind(
        MESSAGES | {Place.CONNECTION},
        False,
        ("连接被重置", "reset"),
        ("读取之前以 RST 断开", "the connection is reset (RST) before the message counts as read"),
    ),
    Fault.DELAY: _kind(
        MESSAGES | {Place.CONNECTION, Place.SHEET},
        True,
        ("慢", "slow"),
        ("照常办理，但慢", "it does everything, slowly"),
        "until it begins",
    ),
    Fault.SLOW_LORIS: _kind(
        MESSAGES,
        True,
        ("一滴一滴地答", "dripped answer"),
        ("已办理，回答一个字节一个字节地来", "it acts, and the answer comes byte by byte"),
        "between two bytes",
    ),
    Fault.RESET_MID_BODY: _kind(
        MESSAGES | {Place.TRANSFER},
        True,
        ("传到一半断开", "reset half-way"),
        (
            "已办理，回答发到一半以 RST 断开；SFTP 则在上传途中断开，什么也没办",
            "it acts, and the connection is reset in the middle of the answer; an SFTP server cuts an upload, and nothing was done",
        ),
    ),
    Fault.ERROR_500: _kind(
        MESSAGES, False, ("500，未办理", "500, not done"), ("答 500，什么也没办", "it answers 500 and did nothing")
    ),
    Fault.BAD_GATEWAY_502: _kind(
        MESSAGES,
        False,
        ("502", "502"),
        ("网关答 502，系统没有收到", "a gateway answers 502; the system never had the message"),
    ),
    Fault.UNAVAILABLE_503: _kind(
        MESSAGES,
        False,
        ("503，请稍后", "503, retry later"),
        ("答 503 和 Retry-After，什么也没办", "it answers 503 with Retry-After and did nothing"),
        "that Retry-After says",
    ),
    Fault.GATEWAY_TIMEOUT_504: _kind(
        MESSAGES,
        True,
        ("504，已办理", "504, done"),
        ("已办理，网关等不及答 504", "it acts, and a gateway that waited too long answers 504"),
    ),
    Fault.TOO_MANY_429: _kind(
        MESSAGES,
        False,
        ("429，太频繁", "429, too many"),
        ("答 429 和 Retry-After，什么也没办", "it answers 429 with Retry-After and did nothing"),
        "that Retry-After says",
    ),
    Fault.UNAUTHORISED_401: _kind(
        MESSAGES,
        False,
        ("401，凭据无效", "401, unauthorised"),
        ("凭据被拒（401）", "it refuses the credentials with 401"),
    ),
    Fault.FORBIDDEN_403: _kind(
        MESSAGES, False, ("403，无权", "403, forbidden"), ("权限被拒（403）", "it refuses the caller with 403")
    ),
    Fault.HTML_PAGE: _kind(
        MESSAGES,
        False,
        ("网页代替报文", "HTML page"),
        ("答 200 和一个登录网页，系统没有收到", "a login page in HTML with 200; the system never had the message"),
    ),
    Fault.FAULT_IN_200: _kind(
        MESSAGES,
        False,
        ("200 里的错误", "fault in 200"),
        (
            "状态 200，内容是 SOAP Fault 或错误对象，什么也没办",
            "a SOAP fault, or an error object, under status 200; it did nothing",
        ),
    ),
    Fault.EMPTY_ANSWER: _kind(
        MESSAGES, True, ("空回答", "empty answer"), ("已办理，回答是空的", "it acts, and answers 200 with nothing")
    ),
    Fault.TRUNCATED_ANSWER: _kind(
        MESSAGES,
        True,
        ("回答被截断", "truncated answer"),
        ("已办理，只答一半，长度却相符", "it acts, and answers half a message under its right length"),
    ),
    Fault.ERROR_AFTER_EFFECT_500: _kind(
        MESSAGES,
        True,
        ("办理后 500", "500 after acting"),
        ("已办理，却答 500（SOAP Fault）", "it acts, and then answers 500 (SOAP: a Server fault)"),
    ),
    Fault.LOST_REPLY: _kind(
        MESSAGES | {Place.RECORD, Place.SHEET},
        True,
        ("回答丢失", "lost reply"),
        (
            "已办理，回答没有到：连接断开，不回调；结果文件缺这一行，以后才来；交办单迟迟不回",
            "it acts, and no answer comes: the connection is cut, no callback is made; a record comes in a later file; a sheet stays away",
        ),
    ),
    Fault.DUPLICATE_REPLY: _kind(
        frozenset({Place.CALLBACK, Place.FILE, Place.SHEET}),
        True,
        ("回答重复", "duplicate reply"),
        (
            "回调两次；同样的行来两次；两个人录入同一张单",
            "the callback is made twice; the same lines come twice; two people key the same sheet",
        ),
    ),
    Fault.SWAPPED_REPLIES: _kind(
        MESSAGES | {Place.FILE},
        True,
        ("回答互换", "swapped replies"),
        (
            "两件的回答互换：同时的两个连接各得对方的回答；两个回调后来的先到；查询得到另一件的结果；结果文件或列表中两行内容对调，正确的随后来",
            "the answers of two deliveries are exchanged: two connections, two enquiries, two lines of a result file or of a list have each other's (the right lines follow); two callbacks change places",
        ),
        "that it waits for a second one; in a result file, until the right lines",
    ),
    Fault.LATE_REPLY: _kind(
        _LATER,
        True,
        ("回答迟到", "late reply"),
        ("已办理，结果迟到", "it acts, and the result comes late"),
        "more until the result",
    ),
    Fault.LOGIN_REFUSED: _kind(
        _DOOR, False, ("登录被拒", "login refused"), ("SFTP 登录被拒", "the SFTP server refuses the login")
    ),
    Fault.CHANGED_HOST_KEY: _kind(
        _DOOR,
        False,
        ("主机密钥变了", "changed host key"),
        ("SFTP 出示另一把主机密钥", "the SFTP server shows another host key"),
    ),
    Fault.FULL_DISK: _kind(
        frozenset({Place.TRANSFER}),
        False,
        ("磁盘已满", "full disk"),
        ("SFTP 写到一半说磁盘已满", "the SFTP server has no space left in the middle of a file"),
    ),
    Fault.TRUNCATED_FILE: _kind(
        _FILES,
        True,
        ("结果文件截断", "truncated file"),
        (
            "结果文件只有一半，完整的以另一名字随后来",
            "a result file is cut in half; the whole one follows under a new name",
        ),
    ),
    Fault.REENCODED_FILE: _kind(
        _FILES,
        True,
        ("编码错了", "re-encoded file"),
        (
            "结果文件换了编码（GB18030 与 UTF-8 互换），正确的随后来",
            "a result file comes in another encoding (GB18030 for UTF-8, UTF-8 for GB18030); the right one follows",
        ),
    ),
    Fault.WRONG_COUNTS: _kind(
        _FILES,
        True,
        ("行数不符", "wrong counts"),
        (
            "控制文件或尾记录的行数多一，正确的随后来",
            "the control file, or the header and trailer, count one record too many; the right file follows",
        ),
    ),
    Fault.FILE_TWICE: _kind(
        _FILES,
        True,
        ("文件来两次", "file twice"),
        ("同一内容以两个名字来", "the same file comes again under a second name, byte for byte"),
    ),
    Fault.FILE_LATE: _kind(
        _FILES, True, ("文件迟到", "file late"), ("结果文件迟到", "a result file comes late"), "more until it is there"
    ),
    Fault.OUTAGE: _kind(
        frozenset({Place.SYSTEM}),
        False,
        ("停机", "outage"),
        ("没有人在听，连接被操作系统拒绝", "nobody listens: the operating system refuses every connection"),
    ),
}
"""Every kind."""

POSSIBLE: Final[Mapping[Place, frozenset[Fault]]] = {
    place: frozenset(fault for fault, kind in KINDS.items() if place in kind.places) for place in Place
}
"""What can be drawn at each place."""

CLASSIC: Final = frozenset(
    {
        Fault.REFUSE,
        Fault.DELAY,
        Fault.UNAVAILABLE_503,
        Fault.ERROR_AFTER_EFFECT_500,
        Fault.LOST_REPLY,
        Fault.DUPLICATE_REPLY,
        Fault.TRUNCATED_FILE,
    }
)
"""Those that need no rule: the demo and the whole day dial them by probability."""
