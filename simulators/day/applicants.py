"""What the applicants of a day hand in, in the order in which they come. On a large day a second process fills in the forms ahead."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final

from simulators.cases import SampleCase, sample_case
from simulators.day.plan import DayPlan
from simulators.form_filler import Forms

CHUNK: Final = 100
AHEAD: Final = 4
"""Cases that are made at once, and chunks that lie ready."""

LARGE: Final = 4000
"""From so many cases on it is worth starting a process."""


@contextmanager
def handed_in(plan: DayPlan) -> Iterator[Iterator[SampleCase]]:
    """Every case, made when it is taken. The process that made them ends with the block."""
    if plan.cases < LARGE or multiprocessing.cpu_count() < 2:
        yield _Forms(plan).cases(0, plan.cases)
        return
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, (plan,)) as pool:
        try:
            yield _ahead(pool, plan.cases)
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead(pool: ProcessPoolExecutor, number: int) -> Iterator[SampleCase]:
    starts = iter(range(0, number, CHUNK))
    ready: list[Future[Sequence[SampleCase]]] = []
    while True:
        while len(ready) < AHEAD and (start := next(starts, None)) is not None:
            ready.append(pool.submit(_chunk, start, min(start + CHUNK, number)))
        if not ready:
            return
        yield from ready.pop(0).result()


class _Forms:
    """The forms of one plan."""

    made: "_Forms"

    def __init__(self, plan: DayPlan) -> None:
        self._plan = plan
        self._forms = Forms(plan.site)

    def cases(self, start: int, end: int) -> Iterator[SampleCase]:
        """The cases of some applicants, by their place in the order."""
        plan = self._plan
        for place in range(start, end):
            yield sample_case(
                plan.site, plan.mix[place], seed=plan.seed, number=place + 1, today=plan.start.date(), forms=self._forms
            )


def _begin(plan: DayPlan) -> None:
    _Forms.made = _Forms(plan)


def _chunk(start: int, end: int) -> Sequence[SampleCase]:
    return list(_Forms.made.cases(start, end))
