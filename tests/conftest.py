"""What holds for every test."""

import os

import pytest
from hypothesis import settings

# How long an example takes says more about what else the machine is doing than about the code.
settings.register_profile("onedoor", deadline=None)
settings.load_profile("onedoor")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three workers for two cores: much of what the tests do is waiting for processes, timers and disks."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that the test starts run without coverage: they are killed, which loses it, or measuring them would take most of the time."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
