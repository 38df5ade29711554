"""How a check ends, and why: in a sentence that is told in each language of a report."""

import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from contracts.records import record


class Language(StrEnum):
    """What a report is written in."""

    ZH = "zh"
    EN = "en"


CHINESE: Final = Path(__file__).with_name("zh.toml")


@cache
def chinese() -> dict[str, str]:
    """The Chinese of every sentence of the kit, by the English one."""
    return {str(key): str(value) for key, value in tomllib.loads(CHINESE.read_text(encoding="utf-8")).items()}


@record
class Reason:
    """A sentence with places for values (``{0}``, ``{1}``), in English; ``zh.toml`` holds its Chinese. A value that is a Reason is told in
    the same language, a list one after the other."""

    text: str
    values: tuple[object, ...] = ()

    def told(self, language: Language) -> str:
        """The whole sentence."""
        text = self.text if language == Language.EN else chinese()[self.text]
        return text.format(*(_told(one, language) for one in self.values))


def _told(value: object, language: Language) -> object:
    if isinstance(value, Reason):
        return value.told(language)
    return ", ".join(str(_told(one, language)) for one in value) if isinstance(value, list | tuple) else value


def reason(text: str, *values: object) -> Reason:
    """A sentence, or a part of one. ``text`` stands in ``zh.toml``, and none of the values holds personal data."""
    return Reason(text=text, values=values)


class Status(StrEnum):
    """``not_applicable``: the plugin has nothing that this check could ask about; the reason says what."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class _Ended(Exception):
    """A check came to its end before the last line."""

    def __init__(self, text: str, *values: object) -> None:
        """The sentence as ``reason`` takes it."""
        self.why = reason(text, *values)
        super().__init__(self.why.told(Language.EN))


class Failed(_Ended):
    """The plugin does not conform. The text says what happened, without personal data."""


class NotApplicable(_Ended):
    """The check has nothing to ask here; the text says why."""


@record
class Result:
    """How one check ended. ``why``: None when it passed."""

    name: str
    status: Status
    why: Reason | None = None

    @property
    def reason(self) -> str:
        """Why, in English; blank when it passed."""
        return self.told(Language.EN)

    def told(self, language: Language) -> str:
        """Why; blank when it passed."""
        return self.why.told(language) if self.why is not None else ""


def require(holds: object, text: str, *values: object) -> None:
    """Raises Failed with that sentence unless ``holds``."""
    if not holds:
        raise Failed(text, *values)
