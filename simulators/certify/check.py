"""What a check is: a name that stays, what it asks, what to change when it fails, and an async function over a bench."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeAlias

from contracts.records import record
from contracts.situation import Situation
from simulators.certify.bench import Bench


class Area(StrEnum):
    """What a check is about."""

    DECLARATION = "declaration"
    MAPPING = "mapping"
    EXCHANGE = "exchange"
    FAULTS = "faults"
    MANNERS = "manners"


class Weight(StrEnum):
    """A failed ``must`` keeps a system out; a failed ``should`` is noted."""

    MUST = "must"
    SHOULD = "should"


Run: TypeAlias = Callable[[Bench], Awaitable[None]]
"""Returns when the plugin conforms. Raises Failed, NotApplicable."""

ANY = (Situation.API, Situation.FILE_DROP, Situation.PAPER)


@record
class Check:
    """One check. ``needs``: the capabilities of ``contracts.plugin`` without which it has nothing to ask; ``alone``: nothing else of
    the kit may run meanwhile; ``protocols``: of which the channel must be one, where it is declared as a table (none: all)."""

    name: str
    area: Area
    title_zh: str
    title_en: str
    mend_zh: str
    mend_en: str
    run: Run
    weight: Weight = Weight.MUST
    situations: tuple[Situation, ...] = ANY
    needs: tuple[type, ...] = ()
    protocols: tuple[str, ...] = ()
    alone: bool = False


def check(
    name: str,
    area: Area,
    *,
    zh: tuple[str, str],
    en: tuple[str, str],
    weight: Weight = Weight.MUST,
    situations: tuple[Situation, ...] = ANY,
    needs: tuple[type, ...] = (),
    protocols: tuple[str, ...] = (),
    alone: bool = False,
) -> Callable[[Run], Check]:
    """Makes a check of a function. ``zh`` and ``en``: what it asks, and what to change when it fails."""

    def made(run: Run) -> Check:
        return Check(
            name=name,
            area=area,
            title_zh=zh[0],
            title_en=en[0],
            mend_zh=zh[1],
            mend_en=en[1],
            run=run,
            weight=weight,
            situations=situations,
            needs=needs,
            protocols=protocols,
            alone=alone,
        )

    return made
