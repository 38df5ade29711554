"""The conformance kit as a pytest suite: a plugin's own tests subclass it in a few lines.

    from simulators.certify.suite import Conformance

    class TestWater(Conformance):
        site = Path(__file__).parent / "site"
        name = "XX-water"

Each check is a test of its own; one that does not apply is skipped with its reason.
"""

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from simulators.certify.bench import Target
from simulators.certify.check import Check
from simulators.certify.kit import CHECKS, Certificate, Quiet, certified, listening
from simulators.certify.subject import chosen, subjects
from simulators.certify.verdict import Status


class Conformance:
    """``site``: the site folder; ``name``: the system; ``target``: what it is certified against."""

    site: ClassVar[Path]
    name: ClassVar[str]
    target: ClassVar[Target] = Target()

    @pytest.fixture(scope="class")
    @classmethod
    def certificate(cls) -> Certificate:
        """The whole kit, run once for the class."""

        async def run() -> Certificate:
            (subject,) = chosen(subjects(cls.site), cls.name)
            with listening() as listener:
                return await certified(subject, cls.target, listener, Quiet())

        return asyncio.run(run())

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
    def test_conforms(self, check: Check, certificate: Certificate) -> None:
        """One check of the kit."""
        found = next(one for one in certificate.results if one.name == check.name)
        if found.status is Status.NOT_APPLICABLE:
            pytest.skip(found.reason)
        assert found.status is Status.PASSED, f"{found.reason}. {check.mend_zh} {check.mend_en}"
