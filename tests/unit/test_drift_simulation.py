"""What `scripts/simulate drift` and `drift_changes` count, in small: the promised error rates, and what must be caught."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SMALL = {"bundles": 1, "training_rows": 8_000, "rounds": 80}


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import drift

    return drift


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import drift_changes

    return drift_changes


@pytest.mark.parametrize("world", [0, 1])
def test_hardly_any_clean_night_warns(drift: Any, world: int) -> None:
    found = drift.clean_nights(drift.WORLDS[world], drift.Plan(**SMALL, nights=40, rows=(200,)))
    assert sum(found[200].warned) <= 2
    assert sum(found[200].rule_of_thumb) >= 6  # which is what the rule replaces


def test_a_seed_is_a_table(drift: Any) -> None:
    plan = drift.Plan(bundles=1, nights=2, training_rows=2_000, rounds=10, rows=(200,), seed=3)
    assert drift.clean_nights(drift.WORLDS[1], plan) == drift.clean_nights(drift.WORLDS[1], plan)


def test_the_promise_is_held_against_the_count(
    drift: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = {200: drift.CleanNights([2, 0], [1, 1]), 1_000: drift.CleanNights([1, 0], [0, 0])}
    monkeypatch.setattr(drift, "clean_nights", lambda world, plan: warned)
    missed = drift.table(drift.WORLDS[:1], drift.Plan(bundles=2, nights=10))
    assert len(missed) == 1
    assert "of clean nights of 200 rows warn" in missed[0]
    assert "| the worked example's applicants | 1,000 | 5.0 % [" in capsys.readouterr().out


def test_nights_of_one_bundle_count_for_less_where_bundles_differ(drift: Any) -> None:
    assert drift.share([1] * 10, 10) == "10.0 % [5.5, 17.4]"  # Wilson's of 10 in 100
    low, high = (float(end) for end in drift.share([10, *[0] * 9], 10).split("[")[1].rstrip("]").split(", "))
    assert low <= 2.0
    assert high > 38.0  # as of 1 in 10
    assert drift.share([0, 0], 10).startswith("0.0 % [0.0, 16.1]")


def test_a_broken_feed_and_a_broken_pair_are_caught(changes: Any) -> None:
    plan = changes.Plan(**SMALL, nights=1, classified=1)
    cases = {name: change for name, change in (changes.FEED | changes.PAIR).items() if "20 %" in name or "each" in name}
    found = changes.changes_caught(plan, cases, [5_000])
    assert {name: caught["night"] for (name, _), caught in found.items()} == {name: [1] for name in cases}


def test_a_quarter_of_a_deviation_is_caught_and_an_unmoved_rate_is_not(changes: Any) -> None:
    caught, thumb = changes.shifts_caught(1_000, 0.25, 2, 30, 1)
    assert sum(thumb) < 12 < 57 <= sum(caught)
    assert sum(changes.rates_caught(1_000, 1.0, 2, 30, 1)) <= 3
    assert sum(changes.rates_caught(10_000, 1.25, 2, 30, 1)) >= 57


def test_shuffled_outcomes_take_their_part_of_the_ranking(changes: Any) -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(5)
    rows = changes.APPLICANTS.night(60_000, 1)
    score = -rows["income"].fillna(0).rank() + 20_000 * rows["delinquencies"]
    before = roc_auc_score(rows["default"], score)
    changed = changes.outcomes_shuffled(rows, 0.4, random)
    assert changed["default"].mean() == rows["default"].mean()
    assert roc_auc_score(changed["default"], score) - 0.5 == pytest.approx(0.6 * (before - 0.5), abs=0.006)


@pytest.mark.parametrize(("name", "options"), [("drift", []), ("drift_changes", ["pair"])])
def test_no_night_at_all_is_refused(
    name: str, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from simulations import drift, drift_changes

    monkeypatch.setattr(sys, "argv", [name, *options, "--nights", "0"])
    with pytest.raises(SystemExit) as refused:
        {"drift": drift, "drift_changes": drift_changes}[name].main()
    assert refused.value.code == 2
    assert "--bundles and --nights must be at least 1" in capsys.readouterr().err
