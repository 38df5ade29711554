"""The report of a certificate: a page for an acceptance document, and JSON for programs."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from simulators.certify.kit import BY_NAME, Certificate
from simulators.certify.verdict import Language, Result, Status


def as_json(certificate: Certificate) -> dict[str, Any]:
    """``name``, ``checks`` and what else the page says."""
    return {
        "name": certificate.system,
        "name_zh": certificate.system_zh,
        "name_en": certificate.system_en,
        "site": certificate.site,
        "channel": certificate.channel,
        "against": certificate.against,
        "kit": certificate.kit,
        "seed": certificate.seed,
        "made_at": certificate.made_at.isoformat(timespec="seconds"),
        "grade": certificate.grade,
        "checks": [_told(one) for one in certificate.results],
    }


def _told(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {"name": result.name, "status": result.status.value}
    if result.reason:
        told["reason"] = result.reason
        told["reason_zh"] = result.told(Language.ZH)
    if result.status is Status.FAILED:
        check = BY_NAME[result.name]
        told["change"] = {"zh": check.mend_zh, "en": check.mend_en}
    return told


def html(certificate: Certificate, language: Language | None = None) -> str:
    """One page, complete in itself: no script, no picture, no other file. ``language``: None tells everything in both."""
    rows = [(BY_NAME[one.name], one) for one in certificate.results]
    counts = {status.value: sum(one.status is status for one in certificate.results) for status in Status}
    pages = Environment(
        loader=PackageLoader("simulators.certify"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return pages.get_template("report.html").render(
        c=certificate, rows=rows, counts=counts, languages=[language] if language is not None else [*Language]
    )
