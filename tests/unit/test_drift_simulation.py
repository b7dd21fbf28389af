"""What `scripts/simulate drift` and `drift_changes` count, in small: the promised error rates, and what must be caught."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SMALL = {"bundles": 1, "training_rows": 8_000, "rounds": 80, "seed": 1}


@pytest.fixture(scope="module")
def modules() -> Iterator[tuple[Any, Any]]:
    """The two commands' modules; a model of one world, size and seed is trained once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        from simulations import _worlds, drift, drift_changes

        train, trained = _worlds.World.bundle, {}

        def bundle(world: Any, *key: int) -> Any:
            if (world.name, key) not in trained:
                trained[world.name, key] = train(world, *key)
            return trained[world.name, key]

        patch.setattr(_worlds.World, "bundle", bundle)
        yield drift, drift_changes


@pytest.fixture
def drift(modules: tuple[Any, Any]) -> Any:
    return modules[0]


@pytest.fixture
def changes(modules: tuple[Any, Any]) -> Any:
    return modules[1]


@pytest.mark.parametrize("world", [0, 1])
def test_hardly_any_clean_night_warns(drift: Any, world: int) -> None:
    found = drift.clean_nights(drift.WORLDS[world], drift.Plan(**SMALL, nights=10, rows=(200,)))
    assert {kind: len(nights.warned) for kind, nights in found.items()} == {(200, True): 1, (200, False): 1}
    assert sum(sum(nights.warned) for nights in found.values()) <= 1  # of 20
    assert sum(sum(nights.rule_of_thumb) for nights in found.values()) >= 5  # which is what the rule replaces


def test_a_seed_is_a_table(drift: Any) -> None:
    plan = drift.Plan(**SMALL, nights=2, rows=(200,))
    once, again = (drift.clean_nights(drift.WORLDS[1], plan) for _ in range(2))
    assert once == again
    world = drift.WORLDS[1]
    assert world.night(5, 1, 2).equals(world.night(5, 1, 2))
    assert not world.night(5, 1, 2).equals(world.night(5, 1, 3))


def test_the_promise_is_held_against_the_count(
    drift: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = {(200, True): drift.CleanNights([2, 0], [1, 1]), (1_000, False): drift.CleanNights([1, 0], [0, 0])}
    monkeypatch.setattr(drift, "clean_nights", lambda world, plan: warned)
    missed = drift.table(drift.WORLDS[:1], drift.Plan(bundles=2, nights=10))
    assert len(missed) == 1
    assert "of clean nights of 200 rows warn, outcomes known" in missed[0]
    assert "| the worked example's applicants | 1,000 | unknown | 5.0 % [" in capsys.readouterr().out


def test_nights_of_one_bundle_count_for_less_where_bundles_differ(drift: Any) -> None:
    assert drift.share([1] * 10, 10) == "10.0 % [5.5, 17.4]"  # Wilson's of 10 in 100
    low, high = (float(end) for end in drift.share([10, *[0] * 9], 10).split("[")[1].rstrip("]").split(", "))
    assert low <= 2.0
    assert high > 38.0  # as of 1 in 10
    assert drift.share([0, 0], 10).startswith("0.0 % [0.0, 16.1]")


def test_what_goes_wrong_is_caught_by_the_rule_that_looks_at_it(changes: Any) -> None:
    plan = changes.Plan(**SMALL, nights=1, classified=0)
    everyone, region = "the feed sends nothing for 20 % of rows", "the feed sends 0 for one region, 7 % of rows"
    shuffled = "income, utilisation and savings are each another's"
    cases = {name: (changes.FEED | changes.PAIR)[name] for name in (everyone, region, shuffled)}
    found = {name: caught for (name, _), caught in changes.changes_caught(plan, cases, [5_000]).items()}
    assert [found[name]["night"] for name in cases] == [[1], [1], [1]]
    assert (found[everyone]["PSI"], found[everyone]["segments"]) == ([1], [0])
    assert (found[region]["segments"], found[region]["thumb"]) == ([1], [0])
    assert (found[shuffled]["model"], found[shuffled]["PSI"], found[shuffled]["thumb"]) == ([1], [0], [0])


def test_a_model_that_ranks_worse_is_caught_and_one_that_does_not_is_not(changes: Any) -> None:
    found = changes.falls_caught(changes.Plan(**SMALL, nights=2), (0.0, 0.12), (5_000,))
    assert (found[0.0, 5_000]["warns"], found[0.12, 5_000]["warns"]) == ([0], [2])
    assert (found[0.12, 5_000]["alerts"], found[0.12, 5_000]["floor"]) == ([2], [2])


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
    changed = changes.outcomes_shuffled(rows["default"].to_numpy(), 0.4, random)
    assert changed.sum() == rows["default"].sum()
    assert roc_auc_score(changed, score) - 0.5 == pytest.approx(0.6 * (before - 0.5), abs=0.006)


def test_the_classifier_knows_shuffled_rows_and_not_clean_ones(changes: Any) -> None:
    world, random = changes.APPLICANTS, np.random.default_rng(7)
    reference, clean = (world.night(2_000, 1, number) for number in range(2))
    apart = changes.shuffled("income", "utilisation", "savings", "credit_limit")(clean, random)
    assert changes.classifier_auc(reference, clean) == pytest.approx(0.5, abs=0.03)
    assert changes.classifier_auc(reference, apart) > 0.55


@pytest.mark.parametrize(("name", "options"), [("drift", []), ("drift_changes", ["pair"])])
def test_no_night_at_all_is_refused(
    name: str,
    options: list[str],
    modules: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *options, "--nights", "0"])
    with pytest.raises(SystemExit) as refused:
        modules[name == "drift_changes"].main()
    assert refused.value.code == 2
    assert "--bundles and --nights must be at least 1" in capsys.readouterr().err
