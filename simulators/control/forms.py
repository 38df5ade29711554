"""Forms of the pages -> rules and latencies, in the words of a scenario, so that a mistake is told in the same way."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from multidict import MultiMapping
from pydantic import ValidationError

from contracts.errors import OnedoorError
from contracts.records import adapter
from simulators.scenario import Latency, Rule

T = TypeVar("T")
Form = MultiMapping[Any]


class FormMistake(OnedoorError):
    """What was typed cannot be used; the text says why."""


def rule_of(form: Form) -> Rule:
    """Raises FormMistake."""
    told: dict[str, Any] = {}
    if _text(form, "how") == "sequence":
        told["sequence"] = _text(form, "sequence")
        told["repeat"] = "repeat" in form
    else:
        told["fault"] = _text(form, "fault")
        if percent := _text(form, "percent"):
            told["probability"] = _number(percent, "percent") / 100
    if seconds := _text(form, "seconds"):
        told["seconds"] = _number(seconds, "seconds")
    told |= dict(_times(form))
    if days := form.getall("weekday", []):
        told["weekdays"] = days
    return _made(Rule, told)


def _times(form: Form) -> Iterator[tuple[str, Any]]:
    for name in ("daily", "between", "after"):
        start, end = _text(form, f"{name}_from"), _text(form, f"{name}_to")
        if start or end:
            yield name, [_number(one, name) for one in (start, end)] if name == "after" else [start, end]


def latency_of(form: Form) -> Latency | None:
    """None: no latency. Raises FormMistake."""
    kind = _text(form, "distribution")
    if kind == "none":
        return None
    first, second = _text(form, "first"), _text(form, "second")
    told: Mapping[str, Any]
    match kind:
        case "constant":
            told = {"constant": _number(first, "seconds")}
        case "uniform":
            told = {"uniform": [_number(first, "seconds"), _number(second, "seconds")]}
        case _:
            told = {"lognormal": {"median": _number(first, "median"), "p99": _number(second, "p99")}}
    return _made(Latency, told)


def _made(of: type[T], told: Mapping[str, Any]) -> T:
    try:
        return adapter(of).validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise FormMistake(f"{where}: {first['msg']}" if where else first["msg"]) from error


def _text(form: Form, name: str) -> str:
    return str(form.get(name, "")).strip()


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FormMistake(f"{name}: {text!r} is no number") from None
