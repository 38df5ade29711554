"""Why a check failed or had nothing to ask: in both languages, and a report in one of them alone."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

from simulators.certify import verdict
from simulators.certify.kit import CHECKS
from simulators.certify.report import as_json, html
from simulators.certify.verdict import Language, Status, chinese, reason
from tests.conformance.mutants import MUTANTS
from tests.conformance.reference import certificate_of, subject_of

KIT = Path(verdict.__file__).parent
SENTENCE_AT = {"require": 1, "Failed": 0, "NotApplicable": 0, "SecretMissing": 0, "reason": 0}
ENGLISH = re.compile(r"[A-Za-z']+ [a-z']+ [a-z']+")
HAN = re.compile("[\u4e00-\u9fff]")


def spoken() -> Iterator[str]:
    """The sentences of the kit, as its code writes them down."""
    for file in KIT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SENTENCE_AT:
                said = node.args[SENTENCE_AT[node.func.id]]
                if file.name in {"verdict.py", "runtime.py"} and isinstance(said, ast.Name):
                    continue  # where the sentence of somebody else is handed on
                assert isinstance(said, ast.Constant), f"{file.name}:{node.lineno} puts its sentence together"
                yield str(said.value)


def places(text: str) -> set[str]:
    return {f"{name}:{form}" for _, name, form, _ in string.Formatter().parse(text) if name is not None}


def test_every_reason_has_its_chinese_and_no_chinese_is_left_over() -> None:
    every = set(spoken())
    assert len(every) > 280
    assert every ^ chinese().keys() == set()
    for english, told in chinese().items():
        assert places(told) <= places(english), english
        assert HAN.search(told), english
        assert not ENGLISH.search(told), told


def test_a_reason_within_a_reason_is_told_in_the_same_language() -> None:
    why = reason("{0} was taken for a success", reason("a file with a wrong count"))
    assert why.told(Language.EN) == "a file with a wrong count was taken for a success"
    assert why.told(Language.ZH) == "把行数不符的文件当作成功"
    several = reason("{0}: six at once, and {1}", "check", ["TemporaryError (busy)", reason("nothing at all")])
    assert several.told(Language.EN) == "check: six at once, and TemporaryError (busy), nothing at all"
    assert several.told(Language.ZH) == "check:六件同时发送,结果有 TemporaryError (busy), 没有任何结果"


def text_of(page: str) -> str:
    return re.sub(r"<[^>]+>", "\n", page[page.index("<main>") :])


async def test_a_report_in_one_language_has_no_sentence_of_the_other(tmp_path: Path) -> None:
    mutant = next(one for one in MUTANTS if one.check == "fault-503")
    certificate = await certificate_of(subject_of(mutant, tmp_path))
    (wrong,) = [one for one in certificate.results if one.status is Status.FAILED]
    both, zh, en = (text_of(html(certificate, language)) for language in (None, Language.ZH, Language.EN))
    for told in (wrong.told(Language.ZH), wrong.reason):
        assert told in both
    assert wrong.told(Language.ZH) in zh
    assert ENGLISH.findall(zh) == []
    assert wrong.reason in en
    titles = [one.title_en for one in CHECKS]
    assert sum(one in en for one in titles) > len(titles) * 0.9
    assert HAN.findall(en.replace(certificate.site, "")) == []
    (found,) = [one for one in as_json(certificate)["checks"] if one["name"] == "fault-503"]
    assert (found["reason"], found["reason_zh"]) == (wrong.reason, wrong.told(Language.ZH))
