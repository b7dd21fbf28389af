"""What `scripts/simulate coverage` and `champion` count, in small: the promised error rates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.config.params import Champion

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def simulations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import champion, coverage

    yield champion, coverage
    for name in [name for name in sys.modules if name.split(".")[0] == "simulations"]:
        del sys.modules[name]


@pytest.mark.parametrize(("kind", "sets"), [("bootstrap", 100), ("linearised", 200)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(simulations: Any, kind: str, sets: int) -> None:
    counts = simulations[1].coverage(500, sets, 300, kind)
    for name, (held, below, above) in counts.items():
        assert held + below + above == sets
        assert held >= 0.95 * sets - 3.5 * (0.95 * 0.05 * sets) ** 0.5, name
    assert sum(held for held, _, _ in counts.values()) < 0.985 * sets * len(counts)


def test_the_champion_rule_is_seldom_wrong(simulations: Any) -> None:
    sets = 250
    rule = Champion()
    equal, worse = (simulations[0].pass_rate(6000, sets, step, 0.95, rule) for step in (0.0, 0.01))
    assert 1 - equal <= 0.02 + 3 * (0.02 * 0.98 / sets) ** 0.5
    assert worse <= 0.05 + 3 * (0.05 * 0.95 / sets) ** 0.5
