"""What may stand in a log line: events, codes, ids and times. Masked at the source, whoever logs: nothing relies on good manners.

* Events of the hub keep their text and values; what looks like a person's number, and any sign beyond ASCII, is covered.
* Of a library's line the first line of its template stays, without what was put into it.
* Of a plugin's line only a code stays (``small_letters_and_underscores``); any other text is covered whole.
* Of an exception stay its class and the places in the code, never its text: that may quote what a resident wrote.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from structlog.typing import EventDict, WrappedLogger

COVERED = "[covered]"
OURS = ("onedoor", "hub")
LIBRARIES = frozenset(
    {"aiohttp", "alembic", "asyncio", "concurrent", "paramiko", "py", "sqlalchemy", "typst", "urllib3", "zeep"}
)
FRAMES = 6

_CODE = re.compile(r"[a-z]+(_[a-z]+){0,7}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_PERSONS_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:[0-9]{17}[0-9Xx]|[0-9]{15}|1[3-9][0-9]{9})(?![0-9A-Za-z])")
_NUMBER = re.compile(r"[0-9]{5,}[0-9Xx]?")
_KEPT = ("timestamp", "level", "_record", "_from_structlog")


def covered(text: str) -> str:
    """The text without anybody's number, and without signs beyond ASCII, which only people's words have."""
    return _BEYOND_ASCII.sub("*", _PERSONS_NUMBER.sub("*", text))


def mask(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A processor, the last before rendering."""
    record: logging.LogRecord = event["_record"]
    top = record.name.partition(".")[0]
    error = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if top in OURS:
        kept = {name: value if name in _KEPT else _value(value) for name, value in event.items()}
    else:
        kept = {name: value for name, value in event.items() if name in _KEPT}
        kept |= {"event": _foreign(record, top), "logger": record.name, "at": f"{record.module}:{record.lineno}"}
    if error:
        kept |= _error(error)
    return kept


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {covered(str(name)): _value(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(part) for part in value]
    return covered(str(value))


def _foreign(record: logging.LogRecord, top: str) -> str:
    text = str(record.msg)
    if top in LIBRARIES:
        return _NUMBER.sub("*", covered(text.partition("\n")[0]))
    return text if _CODE.fullmatch(text) and len(text) <= 40 else COVERED


def _error(found: Any) -> dict[str, Any]:
    error = found[1] if isinstance(found, tuple) else sys.exc_info()[1] if found is True else found
    if not isinstance(error, BaseException):
        return {}
    return {"error": type(error).__name__, "where": where(error)}


def where(error: BaseException) -> str:
    """The last places in the code, the innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))


def take_over_last_words() -> None:
    """Exceptions that nobody caught are logged like others, instead of being printed with their text."""
    log = logging.getLogger("onedoor.uncaught")

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("uncaught", exc_info=(kind, error, trace))

    def in_thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            uncaught(told.exc_type, told.exc_value, told.exc_traceback)

    def unraisable(told: "sys.UnraisableHookArgs") -> None:
        if told.exc_value is not None:
            uncaught(told.exc_type, told.exc_value, told.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
    logging.captureWarnings(capture=True)
