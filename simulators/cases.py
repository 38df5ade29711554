"""Cases to try a city with, made from its catalogue alone: any site, any item, the same seed the same cases.

Most are accepted at the counter; some wait at the centre, some of those without a paper that the item asks for; some come through an agent.
"""

import random
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from contracts.catalogue import Item
from contracts.envelope import CASE_TYPE, CaseApplication, Envelope, MaterialRef
from contracts.records import adapter, record
from contracts.site import Site
from simulators.form_filler import Filler, Forms
from simulators.form_rules import holds

ACCEPTED: Final = 0.85
"""Share of cases that the counter accepts at once."""

INCOMPLETE: Final = 0.4
"""Share of the others in which a paper is missing: the law has the centre take them and ask once for what is missing."""

WITH_AGENT: Final = 0.15


@record
class SampleCase:
    """A case to hand in, and the papers that are missing from it, as the applicant will bring them when asked."""

    envelope: Envelope
    item: str
    missing: tuple[MaterialRef, ...] = ()

    @property
    def application(self) -> dict[str, Any]:
        """The data of the envelope."""
        data = self.envelope.data
        return dict(data) if isinstance(data, dict) else {}


def sample_cases(site: Site, count: int, *, seed: int, today: date) -> Sequence[SampleCase]:
    """``count`` cases over the items of the site that are in force on ``today``: every item in turn, in an order of the seed's choosing."""
    items = sorted((item for item in site.items if item.valid_from <= today.isoformat()), key=lambda item: item.code)
    if not items:
        raise ValueError("this site has no item in force: add one, or let the city begin later")
    dice = random.Random(seed)  # noqa: S311 - repeatable, no secret
    rounds = -(-count // len(items))
    order = [item for _ in range(rounds) for item in dice.sample(items, k=len(items))][:count]
    forms = Forms(site)
    return [
        sample_case(site, item, seed=seed, number=number, today=today, forms=forms)
        for number, item in enumerate(order, 1)
    ]


def sample_case(
    site: Site, item: Item, *, seed: int, number: int = 1, today: date, forms: Forms | None = None
) -> SampleCase:
    """One case for ``item``. ``number`` makes the message's id; ``today``: the site's date, around which dates are chosen.

    ``forms``: the site's, where many cases are made.
    """
    dice = random.Random(f"{seed}/{number}/{item.code}/{item.version}")  # noqa: S311 - repeatable, no secret
    receiving, accepting = _centres(site, item, dice)
    values = Filler(site, item, dice, today, forms).fill(agent=dice.random() < WITH_AGENT)
    accepted = dice.random() < ACCEPTED
    papers = _papers(item, values, dice)
    needed = {paper.material for paper in item.materials if paper.required}
    missing: tuple[MaterialRef, ...] = ()
    if not accepted and dice.random() < INCOMPLETE:
        missing = tuple(paper for paper in papers if paper.material in needed)[-1:]
    application = CaseApplication(
        item=item.code,
        item_version=item.version,
        receiving_centre=receiving,
        accepting_centre=accepting,
        channel=_channel(site, dice),
        applicant=values["applicant"],
        agent=values["agent"],
        form=values["form"],
        materials=tuple(paper for paper in papers if paper not in missing),
        accepted=accepted,
        clerk=f"clerk-{receiving[-3:]}-{dice.randint(1, 9):02d}",
    )
    envelope = Envelope(
        id=f"sample-{seed}-{number:05d}-{item.code.lower()}",
        source=f"urn:onedoor:sample:counter:{receiving}",
        type=CASE_TYPE,
        datacontenttype="application/json",
        data=adapter(CaseApplication).dump_python(application, mode="json", exclude_none=True),
    )
    return SampleCase(envelope=envelope, item=item.code, missing=missing)


def _centres(site: Site, item: Item, dice: random.Random) -> tuple[str, str | None]:
    """Where it is received, and where it is accepted when that is another centre: some items let the two differ."""
    codes = sorted(site.centres)
    receiving = dice.choice(codes)
    apart = item.tongban == "city_split" and dice.random() < 0.5
    return receiving, dice.choice(codes) if apart else None


def _channel(site: Site, dice: random.Random) -> str:
    known = site.code_lists.get("channel")
    codes = [code.code for code in known.codes] if known else ["1"]
    return codes[0] if dice.random() < 0.7 else dice.choice(codes)


def _papers(item: Item, values: Any, dice: random.Random) -> list[MaterialRef]:
    """What the item asks for; what is optional is there half of the time."""
    return [
        MaterialRef(
            material=paper.material,
            originals=int(paper.original_check),
            copies=max(1, paper.copies),
            pages=max(1, paper.copies),
        )
        for paper in item.materials
        if holds(paper.when, values) and (paper.required or dice.random() < 0.5)
    ]
