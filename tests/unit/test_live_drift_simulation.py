"""What `scripts/simulate live_drift` counts, in small: clean traffic seldom warns, other traffic does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.config.params import Drift
from lockgate.documents.profile_json import SCORE, FeatureProfile, Profile
from lockgate.drift.profile import drift_rule

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
EDGES = tuple(float(edge) for edge in range(9))


def profile_of(*counts: int, min_rows: int = 200) -> Profile:
    features = [FeatureProfile(name, "numeric", EDGES, (), counts) for name in ("a", "b")]
    rule = drift_rule(Drift(min_rows=min_rows))
    return Profile(n=sum(counts), rule=rule, features=(*features, FeatureProfile(SCORE, SCORE, EDGES, (), counts)))


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import live_drift

    return live_drift


def test_clean_traffic_warns_on_few_days_and_alerts_on_none(simulation: Any) -> None:
    profile = profile_of(*[1_500] * 10, 0)
    warned, alerted = simulation.false_alarms(profile, 40, 800, np.random.default_rng(1))
    assert 0 < warned <= 0.05 / 2 * 800  # the features' half of a night's error
    assert alerted == 0


def test_a_reference_that_says_little_is_told_from_drift(simulation: Any) -> None:
    """Forty rows leave the population open; thresholds that forgot them would call every day drift."""
    profile = profile_of(*[4] * 10, 0, min_rows=1)
    warned, _ = simulation.false_alarms(profile, 40, 50, np.random.default_rng(1))
    assert warned <= 5


def test_a_warning_has_to_last(simulation: Any) -> None:
    fires = np.array([1, 1, 0, 1, 1, 1, 1, 0], dtype=bool)
    assert simulation.lasting(fires, 3).tolist() == [False, False, False, False, False, True, True, False]


def test_thresholds_are_those_of_the_nightly_run_at_the_rows_they_were_made_for(simulation: Any) -> None:
    lines = simulation.against_nightly_run(profile_of(*[1_500] * 10, 0)).splitlines()
    assert "| 1,000 | 1.000 | 1.000 |" in lines
