"""The rows of the fault matrix: an answer, and the class that it must end in."""

from collections.abc import Sequence
from typing import Any

from adapters.rest_table import Verdict
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from simulators.certify import http_faults as acts
from simulators.certify.bench import Bench
from simulators.certify.check import Area, Check, check
from simulators.certify.checks.faults import API, LOGIN, PERMANENT, TEMPORARY, UNKNOWN_EN, UNKNOWN_ZH, ends
from simulators.certify.http_proxy import Act

LOGIN_PAGE = "<html><title>统一认证 login</title><form></form></html>".encode()


_CLASSES: dict[Verdict, type[DeliveryError]] = {
    Verdict.TEMPORARY: TemporaryError,
    Verdict.UNKNOWN: OutcomeUnknownError,
    Verdict.PERMANENT: PermanentError,
    Verdict.CREDENTIALS: CredentialsError,
}


def declared(bench: Bench, status: int, usual: type[DeliveryError]) -> type[DeliveryError]:
    """The class of a 4xx: what the channel's table says of it, else the usual one."""
    table = bench.subject.table
    said: Any = table[1].get("status", {}) if table is not None else {}
    found = said.get(str(status), said.get(status)) if isinstance(said, dict) else None
    return _CLASSES[Verdict(str(found))] if found is not None else usual


def fault(
    name: str,
    act: Act,
    wanted: type[DeliveryError],
    zh: str,
    en: str,
    *,
    mend: tuple[str, str] = (UNKNOWN_ZH, UNKNOWN_EN),
    protocols: tuple[str, ...] = (),
    status: int = 0,
) -> Check:
    """A row of the matrix. ``status``: a 4xx, of which the channel's table may say something else."""

    async def run(bench: Bench) -> None:
        await ends(bench, act, declared(bench, status, wanted) if status else wanted)

    return check(name, Area.FAULTS, zh=(zh, mend[0]), en=(en, mend[1]), situations=API, protocols=protocols)(run)


CHECKS: Sequence[Check] = (
    fault(
        "fault-500",
        acts.status("500 Internal Server Error"),
        OutcomeUnknownError,
        "500:可能已办,结果不明",
        "A 500 may have acted before it failed",
    ),
    fault(
        "fault-502",
        acts.status("502 Bad Gateway", body=b"<html>bad gateway</html>", kind="text/html"),
        OutcomeUnknownError,
        "网关页 502:结果不明",
        "A proxy's 502 says nothing of the department behind it",
    ),
    fault(
        "fault-504",
        acts.status("504 Gateway Timeout"),
        OutcomeUnknownError,
        "504:结果不明",
        "A 504 was forwarded and may have acted",
    ),
    fault(
        "fault-429",
        acts.status("429 Too Many Requests", "Retry-After: 5"),
        TemporaryError,
        "429:暂时性错误",
        "A 429 is temporary",
        mend=TEMPORARY,
        status=429,
    ),
    fault(
        "fault-400",
        acts.status("400 Bad Request", body=b"bad"),
        PermanentError,
        "400:报文被拒,不再重发",
        "A 400 rejects the message for good",
        mend=PERMANENT,
        status=400,
    ),
    fault(
        "fault-404",
        acts.status("404 Not Found", body=b"<html>not found</html>", kind="text/html"),
        PermanentError,
        "404:地址有误,须人工更正",
        "A 404 means a wrong address: a person has to correct it",
        mend=PERMANENT,
        status=404,
    ),
    fault(
        "fault-403",
        acts.status("403 Forbidden"),
        CredentialsError,
        "403:无权,停住队列",
        "A 403 refuses us: the lane is held",
        mend=LOGIN,
        status=403,
    ),
    fault(
        "fault-login-page",
        acts.status("200 OK", body=LOGIN_PAGE, kind="text/html; charset=utf-8"),
        OutcomeUnknownError,
        "以 200 返回登录页:不算成功",
        "A login page with 200 is no success",
    ),
    fault(
        "fault-empty-answer",
        acts.status("200 OK", kind="application/json"),
        OutcomeUnknownError,
        "200 而无内容:不算成功",
        "A 200 with nothing in it is no success",
    ),
    fault(
        "fault-204",
        acts.status("204 No Content"),
        OutcomeUnknownError,
        "204:没有结果,不算成功",
        "A 204 promises no result",
    ),
    fault(
        "fault-half-a-body",
        acts.rewritten(lambda body: body[: len(body) // 2]),
        OutcomeUnknownError,
        "长度正确而内容只有一半:结果不明",
        "Half a body under its right length is unreadable",
    ),
    fault(
        "fault-bad-bytes",
        acts.rewritten(acts.with_bad_bytes),
        OutcomeUnknownError,
        "答复中有任何编码都不认识的字节:结果不明",
        "An answer with bytes that no encoding knows is unreadable",
    ),
    fault(
        "fault-cut-answer",
        acts.cut,
        OutcomeUnknownError,
        "答复中途断开:结果不明",
        "An answer that breaks off is an unknown outcome",
    ),
    fault(
        "fault-cut-without-length",
        acts.cut_without_length,
        OutcomeUnknownError,
        "未声明长度的答复被截断:不得当作完整",
        "A cut answer that stated no length is not taken for a whole one",
    ),
    fault(
        "fault-success-in-500",
        acts.rewritten(lambda body: body, "500 Internal Server Error"),
        OutcomeUnknownError,
        "500 状态却带成功内容:不算成功",
        "A good answer under a 500 is no success",
    ),
    fault(
        "fault-packed-answer",
        acts.changed(acts.packed),
        OutcomeUnknownError,
        "未请求的压缩炸弹:在限额内停止",
        "A packed answer that grows without measure is stopped",
        mend=(
            "按声明的上限边解压边计数,超限抛出 OutcomeUnknownError",
            "Unpack within a budget of bytes, and raise beyond it",
        ),
    ),
    fault(
        "fault-name-twice",
        acts.rewritten(lambda body: body.rstrip()[:-1] + b"," + body.strip()[1:]),
        OutcomeUnknownError,
        "JSON 中同名字段出现两次:结果不明",
        "A JSON answer that says a name twice is unreadable: which would count?",
        protocols=("rest",),
    ),
    fault(
        "fault-soap-client",
        acts.soap_fault("Client"),
        PermanentError,
        "SOAP Client 故障:报文被拒",
        "A Client fault rejects the message",
        mend=PERMANENT,
        protocols=("soap",),
    ),
    fault(
        "fault-soap-server",
        acts.soap_fault("Server"),
        OutcomeUnknownError,
        "SOAP Server 故障:结果不明",
        "A Server fault may have acted",
        protocols=("soap",),
    ),
    fault(
        "fault-soap-in-200",
        acts.soap_fault("Server", "200 OK"),
        OutcomeUnknownError,
        "以 200 返回的 SOAP 故障:不算成功",
        "A fault under 200 is no success",
        protocols=("soap",),
    ),
    fault(
        "fault-soap-entities",
        acts.rewritten(acts.with_entities),
        OutcomeUnknownError,
        "答复带 DOCTYPE 与实体:拒读",
        "An answer with a DOCTYPE and entities is not read",
        mend=("解析 XML 时禁止 DTD 与实体", "Forbid DTDs and entities where XML is parsed"),
        protocols=("soap",),
    ),
    fault(
        "fault-soap-version",
        acts.rewritten(acts.in_other_version),
        OutcomeUnknownError,
        "信封属于另一 SOAP 版本:结果不明",
        "An envelope of the other SOAP version is unreadable",
        protocols=("soap",),
    ),
)
