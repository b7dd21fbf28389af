"""What `scripts/simulate drift` counts, in small: the promised error rates, and that a seed gives the same table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import drift

    return drift


def test_few_clean_batches_warn_and_a_quarter_of_a_deviation_is_caught(simulation: Any) -> None:
    plan = simulation.Plan(nights=60, references=2)
    assert simulation.false_alarms(200, plan).warned <= 0.05 * plan.total
    caught, fixed = simulation.shifts_caught(1_000, 0.25, plan)
    assert fixed < 0.2 * plan.total < 0.95 * plan.total <= caught
    assert simulation.rates_caught(1_000, 1.0, plan) <= 0.05 * plan.total
    assert simulation.rates_caught(10_000, 1.25, plan) >= 0.95 * plan.total


def test_a_seed_is_a_table(simulation: Any) -> None:
    plan = simulation.Plan(nights=6, references=2, reference_rows=2_000, seed=3)
    assert simulation.false_alarms(200, plan) == simulation.false_alarms(200, plan)
    assert simulation.shifts_caught(200, 0.5, plan) == simulation.shifts_caught(200, 0.5, plan)


def test_a_batch_has_24_features_and_a_calibrated_score(simulation: Any) -> None:
    random = simulation.Plan().random(9)
    profile = simulation.freeze(simulation.draw_batch(random, 15_000))
    assert len(profile.features) + 1 == simulation.TESTS == 26
    assert profile.labels.rate == pytest.approx(simulation.RATE, abs=0.01)
    assert (profile.calibration.intercept, profile.calibration.slope) == pytest.approx((0.0, 1.0), abs=0.15)


@pytest.mark.parametrize("references", ["0", "7"])
def test_more_references_than_nights_are_refused(
    simulation: Any, references: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["drift", "--nights", "6", "--references", references])
    with pytest.raises(SystemExit) as refused:
        simulation.main()
    assert refused.value.code == 2
    assert "--references must be from 1 to the number of nights" in capsys.readouterr().err
