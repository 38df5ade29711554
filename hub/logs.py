"""Logs of a process: one line an event on stderr, JSON unless a person is looking. Events hold ids and codes only, and
``hub.log_masking`` sees to it, whoever logs.

A log is worth no case: lines go out in a thread of their own, and what nobody takes (a full disk, a collector that hangs) is dropped and
counted. What must never be lost is in the journal, which is in the database.
"""

import contextlib
import logging
import os
import queue
import sys
import threading

import structlog
from structlog.typing import Processor

from hub import log_masking, metrics

LINES = 10_000
"""Lines that may wait to be written."""

LAST_WORDS_SECONDS = 1.0
"""How long a critical line, after which the process may end, is waited for."""


class Unhurried(logging.Handler):
    """Writes to a descriptor in a thread of its own; nobody who logs waits for it, but for critical lines."""

    def __init__(self, descriptor: int, lines: int = LINES) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._queue: queue.Queue[bytes | threading.Event] = queue.Queue(lines)
        threading.Thread(target=self._write, name="onedoor-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one line, or count it as dropped."""
        try:
            self._queue.put_nowait(self.format(record).encode() + b"\n")
        except queue.Full:
            metrics.LOG_LINES_DROPPED.inc()
        if record.levelno >= logging.CRITICAL:
            self.flush()

    def flush(self) -> None:
        """Wait a little until everything is written; called at the end of the process too."""
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(written)
            written.wait(LAST_WORDS_SECONDS)

    def _write(self) -> None:
        while True:
            line = self._queue.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                metrics.LOG_LINES_DROPPED.inc()


def configure(level: str = "INFO") -> None:
    """Send what structlog and the standard library log to stderr, in one form. Call it once, at the start of a process."""
    shared: list[Processor] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = Unhurried(sys.stderr.fileno())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[log_masking.mask, structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    log_masking.take_over_last_words()
    logging.getLogger("paramiko").setLevel(logging.ERROR)  # it logs names of files and hosts at INFO
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells what it assumes, not what happens
