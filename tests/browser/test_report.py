"""The report of a certificate in a real browser: one that found something to mend, at a desk and on a phone."""

from pathlib import Path

from playwright.async_api import async_playwright

from simulators.certify.report import html
from tests.browser.stage import CHROMIUM, DESK, violations
from tests.browser.test_pages import fits, pictured
from tests.conformance.mutants import MUTANTS
from tests.conformance.reference import certificate_of, subject_of

PHONE = {"width": 390, "height": 844}


async def test_a_report_can_be_read_by_everybody_at_a_desk_and_on_a_phone(tmp_path: Path) -> None:
    assert CHROMIUM is not None, "install Debian's browser: apt-get install chromium"
    mutant = next(one for one in MUTANTS if one.check == "returned-box-needs-its-reason")
    certificate = await certificate_of(subject_of(mutant, tmp_path))
    assert certificate.grade == "F"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(
            viewport=DESK,  # type: ignore[arg-type]  # the two keys that it wants
            color_scheme="light",
        )
        page = await context.new_page()
        await page.set_content(html(certificate))
        await pictured(page, "certificate")
        assert await violations(page) == []
        assert await page.locator("h2").first.inner_text() == "须整改 To be mended"
        assert "退回须有理由" in await page.locator("body").inner_text()
        assert await fits(page)
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # as above
        assert await fits(page)
        await browser.close()
