"""The fault dial: which misbehaviour, if any, the next message meets. Seeded, so that a run can be repeated."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum


class Fault(StrEnum):
    """What a simulated department can do wrong."""

    REFUSE = "refuse"
    DELAY = "delay"
    UNAVAILABLE_503 = "unavailable_503"
    ERROR_AFTER_EFFECT_500 = "error_after_effect_500"
    LOST_REPLY = "lost_reply"
    DUPLICATE_REPLY = "duplicate_reply"
    TRUNCATED_FILE = "truncated_file"


class FaultDial:
    """Draws faults by probability. ``counts`` says how often each was injected."""

    def __init__(self, probabilities: Mapping[Fault, float], seed: int, due: Sequence[Fault] = ()) -> None:
        """Probabilities lie in 0..1 and their sum is at most 1. ``due``: faults that must come, whatever the dice say: at a place
        in the department's work (known by what is possible there) the first draw gets one, the third, and so on.
        """
        if sum(probabilities.values()) > 1:
            raise ValueError("the probabilities of all faults together must not exceed 1")
        self.probabilities = dict(probabilities)
        self.counts: Counter[Fault] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a repeatable dial, no secret
        self._due = list(due)
        self._draws: Counter[frozenset[Fault]] = Counter()

    def draw(self, among: frozenset[Fault] = frozenset(Fault)) -> Fault | None:
        """The fault for the next message, counted, or None. Only faults in ``among`` can be injected at this point."""
        dice = self._random.random()
        self._draws[among] += 1
        planned = next((fault for fault in self._due if fault in among), None) if self._draws[among] % 2 else None
        if planned is not None:
            self._due.remove(planned)
            self.counts[planned] += 1
            return planned
        for fault, probability in self.probabilities.items():
            dice -= probability
            if dice < 0:
                if fault not in among:
                    return None
                self.counts[fault] += 1
                return fault
        return None
