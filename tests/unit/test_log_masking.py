"""E09: whatever is logged, and by whom, no line holds what a resident wrote."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import asyncio, logging, threading, warnings
import structlog
from hub import logs

logs.configure()
NAME, NUMBER, MOBILE = "金丝雀样例", "11010119900307857X", "19977000123"
plugin = logging.getLogger("plugins.credit.gateway")
plugin.error(NAME)
plugin.error("sent for %s, %s", NAME, NUMBER)
plugin.error(f"resident John Canary called {MOBILE}")
plugin.error("no_such_record", extra={"resident": NAME})
plugin.info({"resident": NAME})
try:
    raise ValueError(f"{NAME} {NUMBER}")
except ValueError:
    plugin.exception("call_failed")
    logging.getLogger("hub.web.problems").exception("unexpected")
    structlog.get_logger("onedoor.lanes").error("plugin_bug", exc_info=True)
    structlog.get_logger("third.party").exception(NAME)
logging.getLogger("asyncio").error(f"Task was destroyed\\nfuture: {NAME}")
logging.getLogger("aiohttp.server").error("Error handling request %s", NAME)
logging.getLogger("zeep.wsdl").warning(f"no element {NAME} {NUMBER}")
structlog.get_logger("onedoor.watch").warning("store_unavailable", why=f"{NAME} {MOBILE}", case="310104901202603020000013", n=3)
structlog.get_logger("onedoor").warning("shape", a=[NAME], b={NAME: NUMBER}, c=None)
warnings.warn(NAME)
thread = threading.Thread(target=lambda: int(NAME))
thread.start(); thread.join()
class Broken:
    def __del__(self): raise ValueError(NAME)
Broken()
raise RuntimeError(NAME)
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    """What a process logged that did everything wrong and then died of an exception."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    for form in (
        "金丝雀样例".encode(),
        "金丝雀样例".encode("gb18030"),
        json.dumps("金丝雀样例")[1:-1].encode(),
        b"John",
    ):
        assert form not in done.stderr
    for number in (b"11010119900307857", b"19977000123"):
        assert number not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def by(lines: list[dict[str, object]], event: str) -> dict[str, object]:
    """The first line of an event."""
    return next(line for line in lines if line["event"] == event)


def test_every_line_is_json_with_a_time_and_a_level(lines: list[dict[str, object]]) -> None:
    assert len(lines) == 18
    assert all(line["timestamp"] and line["level"] for line in lines)


def test_of_a_plugins_line_only_a_code_stays_and_where_it_was_logged(lines: list[dict[str, object]]) -> None:
    assert by(lines, "no_such_record")["logger"] == "plugins.credit.gateway"
    assert "resident" not in by(lines, "no_such_record")
    assert sum(line["event"] == "[covered]" for line in lines) == 5
    assert by(lines, "[covered]")["at"]


def test_of_an_exception_the_class_and_the_place_stay(lines: list[dict[str, object]]) -> None:
    for event in ("call_failed", "unexpected", "plugin_bug"):
        assert by(lines, event)["error"] == "ValueError"
        assert "<module>" in str(by(lines, event)["where"])
    uncaught = [line["error"] for line in lines if line["event"] == "uncaught"]
    assert sorted(map(str, uncaught)) == ["RuntimeError", "ValueError", "ValueError"]


def test_of_a_librarys_line_the_template_stays(lines: list[dict[str, object]]) -> None:
    assert by(lines, "Task was destroyed")["logger"] == "asyncio"
    assert by(lines, "Error handling request %s")["level"] == "error"
    assert by(lines, "no element * *")


def test_events_of_the_hub_keep_their_codes_and_ids(lines: list[dict[str, object]]) -> None:
    told = by(lines, "store_unavailable")
    assert (told["case"], told["n"], told["why"]) == ("310104901202603020000013", 3, "* *")
    assert by(lines, "shape")["a"] == ["*"]
