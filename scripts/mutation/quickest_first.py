"""A plugin of pytest for the runs of mutmut: the files whose tests are quick come first, so that a mutant dies early."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

DURATIONS = Path("mutmut-stats.json")  # mutmut writes it after the first run, beside the tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by the time that the collected tests of each took; what a file shares is still made once."""
    if not DURATIONS.exists():
        return
    durations = json.loads(DURATIONS.read_text())["duration_by_test"]
    seconds: Counter[Path] = Counter()
    for item in items:
        seconds[item.path] += durations.get(item.nodeid, 0)
    items.sort(key=lambda item: (seconds[item.path], item.path))
