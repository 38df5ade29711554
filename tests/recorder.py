"""What the tests of recordings share: people who can be recognised, a search for them, a department that says everything back, a recorder."""

import asyncio
import base64
import gzip
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from stdnum import luhn
from stdnum.cn import ric

from simulators.oracle.canaries import forms
from simulators.recording.proxy import RecordingProxy
from simulators.recording.sifting import NOTHING, Declared, Sieve
from simulators.recording.tape import Tape

SECRETS = ("canary-bearer-8c1f", "canary-cookie-77a0", "canary-sign-9e21", "canary-password-5d3b")


def person(number: int) -> dict[str, str]:
    """Somebody who does not exist, and whom no made-up value can resemble by chance."""
    dice = random.Random(number)
    body = f"9909{number % 100:02d}{date(1940, 1, 1) + timedelta(days=number * 97):%Y%m%d}{number % 900 + 10:03d}"
    card = f"6212{number:014d}"
    return {
        "name": f"金丝雀{'甲乙丙丁戊己庚辛壬癸'[number % 10]}{chr(0x4E00 + 40 * number)}",
        "latin": f"Canary{number:03d} Birdsong{number * 7:04d}",
        "id_no": body + ric.calc_check_digit(f"{body}0"),
        "old_id": f"9909{number % 100:02d}{dice.randint(400101, 991231)}{number:03d}"[:15],
        "mobile": f"1770{number:07d}",
        "landline": f"021-6{number:07d}",
        "address": f"黄鹂县翠羽镇鸣禽路{number}弄{number * 3}号{number % 40 + 101}室",
        "card": card + luhn.calc_check_digit(card),
        "email": f"canary.{number}@birds.example",
        "passport": f"EC{number:07d}",
        "note": f"申请人金丝雀{number}号家住鸣禽路{number}弄,丈夫失业,患病卧床,请从速办理。",
    }


PEOPLE = [person(number) for number in range(200)]


def written(folder: Path) -> bytes:
    return b"\n".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def found_in(folder: Path, people: Sequence[Mapping[str, str]] = PEOPLE) -> list[str]:
    """Which values stand anywhere in what was written, raw, as GBK, in base64, URL, hex or JSON form, inside of gzip as well."""
    content = written(folder)
    for packed in re.finditer(rb"\x1f\x8b\x08", content):
        content += gzip.decompress(content[packed.start() :])
    content += b"".join(
        base64.b64decode(text[: len(text) // 4 * 4]) for text in re.findall(rb"[A-Za-z0-9+/]{24,}", content)
    )
    values = [*SECRETS, *(value for one in people for value in one.values())]
    # The day of birth inside a number is somebody's too.
    values += [one["id_no"][6:14] + one["id_no"][14:17] for one in people]
    return sorted(
        value for value in set(values) if any(len(form) >= 6 and form in content for form in set(forms(value).values()))
    )


async def echo(request: web.Request) -> web.Response:
    """A department that says everything back, in the way that is asked of it."""
    body = await request.read()
    match request.query.get("as", ""):
        case "html":
            return web.Response(text=f"<html><p>{body.decode()}<br></html>", status=502, content_type="text/html")
        case "plain":
            return web.Response(body=body, content_type="text/plain", charset="utf-8")
        case "binary":
            return web.Response(body=b"\x00\x01" + body, content_type="application/octet-stream")
        case "gzip":
            headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
            return web.Response(body=gzip.compress(body), headers=headers)
        case "gbk":
            return web.Response(body=body, headers={"Content-Type": "text/xml; charset=GBK"})
        case "hang":
            await asyncio.sleep(60)
    answer = web.Response(body=body, content_type=request.content_type or "application/json")
    answer.headers["X-Person"] = SECRETS[2]
    answer.set_cookie("session", SECRETS[1])
    return answer


@asynccontextmanager
async def running(handler: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def recorder(to: str, out: Path, declared: Declared = NOTHING, **more: Any) -> AsyncIterator[RecordingProxy]:
    tape = Tape(out / "exchanges.jsonl", "http")
    async with RecordingProxy(to, tape, Sieve(declared), **more).serving() as proxy:
        yield proxy
    tape.close()
