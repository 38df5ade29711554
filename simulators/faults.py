"""The fault dial: which misbehaviour, if any, the next message meets. Seeded, so that a run can be repeated."""

import random
from collections import Counter
from collections.abc import Mapping
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

    def __init__(self, probabilities: Mapping[Fault, float], seed: int) -> None:
        """Probabilities lie in 0..1 and their sum is at most 1."""
        if sum(probabilities.values()) > 1:
            raise ValueError(
                "the probabilities of all faults together must not exceed 1"
            )
        self.probabilities = dict(probabilities)
        self.counts: Counter[Fault] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a repeatable dial, no secret

    def draw(self, among: frozenset[Fault] = frozenset(Fault)) -> Fault | None:
        """The fault for the next message, counted, or None. Only faults in ``among`` can be injected at this point."""
        dice = self._random.random()
        for fault, probability in self.probabilities.items():
            dice -= probability
            if dice < 0:
                if fault not in among:
                    return None
                self.counts[fault] += 1
                return fault
        return None
