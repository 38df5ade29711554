"""Texts of the pages. English is the key; ``zh.toml`` holds the Chinese. Rules and latencies are told in sentences."""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from simulators.faults import KINDS, Fault
from simulators.scenario import Latency, Rule, Weekday

LANGUAGES: Final = {"zh": "zh-CN", "en": "en"}
"""Our name of a language -> its name in HTML. The first one is what a new browser gets."""

FILE: Final = Path(__file__).with_name("zh.toml")
Say: TypeAlias = Callable[[str], str]


@cache
def chinese() -> dict[str, str]:
    """By English sentence."""
    return {str(key): str(value) for key, value in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}


def speaker(language: str) -> Say:
    """What says a sentence in the language; English where Chinese lacks it (a test sees to it that it does not)."""
    return (lambda text: text) if language == "en" else (lambda text: chinese().get(text, text))


def name_of(fault: str, language: str) -> str:
    """The short name of a kind."""
    return KINDS[Fault(fault)].name[0 if language == "zh" else 1]


def told_rule(rule: Rule, language: str) -> str:
    """A rule as people say it."""
    say = speaker(language)
    parts = []
    if rule.sequence:
        parts.append(f"{say('in this order')}: {rule.sequence}")
        parts.append(say("and again from the start") if rule.repeat else say("and then nothing more"))
    elif rule.fault is not None:
        parts.append(name_of(rule.fault, language))
        if rule.fault is not Fault.OUTAGE:
            parts.append(f"{rule.probability:.0%}" if rule.probability < 1 else say("always"))
    if rule.seconds is not None:
        parts.append(f"{rule.seconds:g} s")
    if rule.after:
        parts.append(f"{say('from second')} {rule.after[0]:g} {say('to')} {rule.after[1]:g}")
    if rule.between:
        parts.append(f"{rule.between[0]:%Y-%m-%d %H:%M} – {rule.between[1]:%Y-%m-%d %H:%M}")
    if rule.daily:
        parts.append(f"{rule.daily[0]:%H:%M}–{rule.daily[1]:%H:%M}")
    if rule.weekdays:
        parts.append(" ".join(say(day) for day in Weekday if day in rule.weekdays))
    return " · ".join(parts)


def told_latency(latency: Latency, language: str) -> str:
    """A latency as people say it."""
    say = speaker(language)
    if latency.uniform:
        return f"{say('takes')} {latency.uniform[0]:g}–{latency.uniform[1]:g} s"
    if latency.lognormal:
        return f"{say('takes')} {latency.lognormal.median:g} s {say('(median)')} · {latency.lognormal.p99:g} s (p99)"
    return f"{say('takes')} {latency.constant:g} s"
