"""Logging keeps nobody waiting, and says how much it lost."""

import logging
import os
from pathlib import Path

from hub import metrics
from hub.logs import Unhurried


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("test", level, __file__, 1, message, None, None)


def dropped() -> float:
    value = metrics.REGISTRY.get_sample_value("onedoor_log_lines_dropped_total")
    assert value is not None
    return value


def test_lines_are_written_in_order_and_a_critical_one_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    handler = Unhurried(descriptor)
    for number in range(100):
        handler.emit(record(logging.INFO, f"line {number}"))
    handler.emit(record(logging.CRITICAL, "the end"))
    assert path.read_text("utf-8").splitlines() == [*(f"line {number}" for number in range(100)), "the end"]
    os.close(descriptor)


def test_g09_what_nobody_takes_is_dropped_and_counted() -> None:
    reader, writer = os.pipe()
    handler = Unhurried(writer, lines=10)
    before = dropped()
    for _ in range(30):
        handler.emit(record(logging.INFO, "x" * 65_536))
    assert dropped() - before >= 15
    os.close(reader)  # the thread that writes gets an error, counts that line, and goes on
    handler.flush()
    os.close(writer)


def test_g09_a_line_that_cannot_be_written_is_counted_and_the_next_one_is_tried(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    handler = Unhurried(full)
    before = dropped()
    for _ in range(3):
        handler.emit(record(logging.INFO, "lost"))
    handler.flush()
    assert dropped() - before == 3
    os.close(full)
