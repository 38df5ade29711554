"""Pages against what people write and against each other: scripts in every field (D09), a thousand races for one task (D01)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import lxml.html
import pytest

from hub.people import Role
from tests.front_door import message
from tests.integration.test_worklist import SHEET, sheet_task
from tests.page_door import Browser, PageDoor, page_door
from tests.xss_corpus import CORPUS

OURS = ("/static/htmx-2.0.11.min.js?v=", "/static/onedoor.js?v=")
ADDRESSES = ("href", "src", "action", "formaction", "data", "xlink:href")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path) as door:
        yield door


def dangers(text: str) -> list[str]:
    """Whatever in a page could run, or lead elsewhere, and is not ours."""
    found = []
    for node in lxml.html.fromstring(text).iter():
        if not isinstance(node.tag, str):
            continue
        if node.tag == "script" and not (node.get("src") or "").startswith(OURS):
            found.append("a script")
        if node.tag in ("iframe", "object", "embed", "base", "math", "video", "audio", "style", "marquee"):
            found.append(node.tag)
        for name, value in node.attrib.items():
            ours = (name, value) == ("hx-boost", "true")
            if name.startswith(("on", "hx-", "data-hx", "style", "srcdoc")) and not ours:
                found.append(f"{node.tag} {name}")
            if name in ADDRESSES and not value.startswith(("/", "#")):
                found.append(f"{node.tag} {name}={value}")
    return found


def test_the_corpus_is_large_and_would_be_seen() -> None:
    assert len(set(CORPUS)) >= 100
    seen = [payload for payload in CORPUS if dangers(f"<p>{payload}</p>")]
    assert len(seen) > 30


async def test_what_residents_write_is_shown_and_never_run(pages: PageDoor) -> None:
    browser = await pages.somebody("b001", Role.BACK_OFFICE)
    shown = 0
    for first, second in zip(CORPUS[::2], CORPUS[1::2], strict=False):
        document = message(SHEET)
        applicant = document["data"]["applicant"]
        applicant["name"], applicant["address"] = f"样例{first}"[:50], f"样例路{second}"
        document["data"]["form"]["school"] = f"样例{second}"
        status, body = await pages.door.submit(document)
        assert status == 202, body
        page = await browser.get(f"/cases/{body['case_no']}")
        found = await browser.get(f"/tasks?q={body['case_no']}")
        for text in (page.text, found.text):
            assert dangers(text) == [], (first, second)
        plain = lxml.html.fromstring(page.text).text_content()
        shown += f"样例路{second}".strip() in plain
    assert shown > len(CORPUS) // 2 - 8, "what was written is readable as it was written"
    assert dangers((await browser.get("/tasks")).text) == []


async def test_what_is_sent_back_to_a_person_is_shown_and_never_run(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    stranger = pages.browser()
    await stranger.get("/sign-in")
    browser = await pages.somebody("b001", Role.BACK_OFFICE)
    for payload in CORPUS[::5]:
        page = await browser.get("/tasks", params={"q": payload, "kind": payload, "told": payload})
        assert dangers(page.text) == [], payload
        page = await browser.get("/tasks", params={"kind": payload, "tab": "mine", "told": payload, "after": payload})
        assert dangers(page.text) == [], payload
        await browser.get(f"/tasks/{task['id']}")
        page = await browser.post(
            f"/tasks/{task['id']}/complete", choice=payload, sheet=payload, **{"field.reason": payload}
        )
        assert (page.status, dangers(page.text)) == (422, []), payload
    page = await stranger.post("/sign-in", login=CORPUS[0], password="x", next=CORPUS[1])
    assert dangers(page.text) == []


async def test_what_staff_are_called_is_shown_and_never_run(pages: PageDoor) -> None:
    system = await pages.somebody("y001", Role.SYSTEM)
    for number, payload in enumerate(CORPUS[::10]):
        made = {"login": f"x{number:03d}", "name": f"样例{payload}"[:64], "roles": ["back_office"]}
        assert (await pages.door.local("POST", "/admin/users", json=made))[0] == 201
        assert dangers((await system.get(f"/people/x{number:03d}")).text) == []
    assert dangers((await system.get("/people")).text) == []


RACES = 1_000
AT_ONCE = 20


async def test_two_people_who_confirm_at_once_have_one_effect_a_thousand_times(pages: PageDoor) -> None:
    lines = [json.dumps(message(SHEET)).encode() for _ in range(RACES)]
    for start in range(0, RACES, 250):
        status, _, _ = await pages.door.call(
            "POST",
            "/v1/cases/batch",
            headers={"Content-Type": "application/x-ndjson"},
            data=b"\n".join(lines[start : start + 250]),
        )
        assert status == 200
    hub = pages.door.hub
    async with asyncio.timeout(240):
        while True:
            rows = await hub.read(lambda c: c.rows("SELECT id FROM task WHERE kind = 'sheet' AND state = 'ready'"))
            if len(rows) == RACES:
                break
            await asyncio.sleep(0.2)
    people = [await pages.somebody(login, Role.BACK_OFFICE) for login in ("b001", "b002")]
    forms = [(await one.get("/account")).form for one in people]

    async def send(who: int, task: str) -> tuple[int, str]:
        browser: Browser = people[who]
        data = {"_form": forms[who], "form_id": str(uuid4()), "choice": "A", "sheet": "01"}
        async with browser.http.post(
            f"{pages.door.url}/tasks/{task}/complete", data=data, allow_redirects=False
        ) as answer:
            return answer.status, (await answer.text() if answer.status == 409 else "")

    async def race(task: str) -> None:
        answers = await asyncio.gather(send(0, task), send(1, task))
        assert sorted(status for status, _ in answers) == [303, 409], answers
        told = next(text for status, text in answers if status == 409)
        assert "已由 样例b00" in told
        assert " 处理，本次未作任何改动" in told

    tasks = [row["id"] for row in rows]
    for start in range(0, RACES, AT_ONCE):
        await asyncio.gather(*(race(task) for task in tasks[start : start + AT_ONCE]))
    done = await hub.read(
        lambda c: c.rows("SELECT delivery, count(*) AS replies, sum(times) AS times FROM reply GROUP BY delivery")
    )
    assert len(done) == RACES
    assert {(row["replies"], row["times"]) for row in done} == {(1, 1)}
    states = await hub.read(
        lambda c: c.rows("SELECT state, count(*) AS n FROM task WHERE kind = 'sheet' GROUP BY state")
    )
    assert [(row["state"], row["n"]) for row in states] == [("completed", RACES)]
