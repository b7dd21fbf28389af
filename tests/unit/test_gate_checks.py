"""The gate's checks on predictions whose right answer is known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as struct_replace
from verdicts import schema_of

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Champion, Decision, Evaluate, Gate, Prepare
from lockgate.data.tables import Table, table_bytes
from lockgate.documents.gate_json import (
    EXPECTED_FEATURE,
    MAX_FEATURE_AUC,
    SHARED_ROWS,
    STRONGEST_FEATURE,
    UNAVAILABLE_FEATURES,
    Check,
    decide,
    decided,
)
from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.gate.checks.calibration import calibration_checks
from lockgate.gate.checks.champion import (
    SHOWN_RESAMPLES,
    champion_checks,
    check_of_difference,
    compare_with_champion,
    compared,
    paired,
)
from lockgate.gate.checks.dates import date_checks
from lockgate.gate.checks.direction import direction_checks
from lockgate.gate.checks.event_rate import event_rate_checks
from lockgate.gate.checks.exception import exception_checks
from lockgate.gate.checks.fairness import fairness_checks
from lockgate.gate.checks.groups import Group, groups_of
from lockgate.gate.checks.leakage import leakage_checks
from lockgate.gate.checks.sample import sample_checks
from lockgate.gate.checks.slice import Slice, _comparison, _floor_check, slice_checks, slice_table
from lockgate.gate.checks.threshold import floor_checks
from lockgate.gate.evidence import Evidence, Features, Policy, bundle_features, measured_intervals, with_columns
from lockgate.gate.judge import judge
from lockgate.metrics.bootstrap import RESAMPLES
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions


def predictions(rows: int = 2000, seed: int = 1, spread: float = 1.15, **columns: object) -> Predictions:
    """Calibrated predictions of a population that depends on `seed`; scores get noise if `spread` is not its own."""
    rng = np.random.default_rng(seed)
    logit = -1.6 + 1.15 * rng.standard_normal(rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype("int8")
    noisy = logit + (spread - 1.15) * rng.standard_normal(rows)
    table = pd.DataFrame(
        {"row_key": [f"r{i}" for i in range(rows)], "y_true": label, "y_score": 1 / (1 + np.exp(-noisy))}
    )
    return Predictions(table.assign(**columns), "m" * 64, "d" * 64)


def evidence(found: Predictions, **rest: object) -> Evidence:
    metrics = all_metrics(found.y_true, found.y_score, found.weight)
    intervals = {"roc_auc": auc_interval(found.y_true, found.y_score, weight=found.weight)}
    return Evidence(found, metrics, **{"intervals": intervals, **rest})  # type: ignore[arg-type]


def policy(decide_on: str = "point", champion: dict[str, object] | None = None, **evaluate: object) -> Policy:
    gate = Gate.model_validate({"decide_on": decide_on, "champion": champion or {}})
    return Policy(Evaluate.model_validate(evaluate), gate)


RULE: dict[str, Any] = {"source": "file", "margins": {"roc_auc": 0.01}}


class TestSample:
    def test_two_rows_are_no_evidence(self) -> None:
        table = pd.DataFrame({"y_true": [0, 1], "y_score": [0.1, 0.9]})
        result = judge(table)
        assert result.verdict == "block"
        assert any("198 more are needed" in reason for reason in result.blocking_reasons())

    @pytest.mark.parametrize(
        ("positives", "negatives", "statuses"),
        [
            (50, 150, ["pass", "pass"]),
            (50, 149, ["block", "pass"]),
            (49, 500, ["pass", "block"]),
            (500, 49, ["pass", "block"]),
            (10, 10, ["block", "block"]),
        ],
    )
    def test_rows_and_the_rarer_class_have_a_minimum_each(
        self, positives: int, negatives: int, statuses: list[str]
    ) -> None:
        label = [1] * positives + [0] * negatives
        found = Predictions(pd.DataFrame({"y_true": label, "y_score": np.linspace(0.1, 0.9, len(label))}), "m", "d")
        checks = sample_checks(Evidence(found, all_metrics(found.y_true, found.y_score)), policy())
        assert [check.status for check in checks] == statuses


class TestThresholds:
    @pytest.mark.parametrize(
        ("low", "value", "high", "point", "bound"),
        [
            (0.72, 0.74, 0.76, "pass", "pass"),
            (0.69, 0.71, 0.73, "pass", "inconclusive"),
            (0.67, 0.69, 0.71, "block", "inconclusive"),
            (0.64, 0.66, 0.68, "block", "block"),
        ],
    )
    def test_the_estimate_or_the_whole_interval_decides(
        self, low: float, value: float, high: float, point: str, bound: str
    ) -> None:
        assert decided(value, low, high, ">=", 0.70, by_bound=False) == point
        assert decided(value, low, high, ">=", 0.70, by_bound=True) == bound
        assert decided(-value, -high, -low, "<=", -0.70, by_bound=False) == point
        assert decided(-value, -high, -low, "<=", -0.70, by_bound=True) == bound

    def test_without_an_interval_the_bound_is_never_a_pass(self) -> None:
        assert decided(0.9, None, None, ">=", 0.5, by_bound=True) == "inconclusive"

    def test_a_straddling_interval_is_flagged_where_the_estimate_decides(self) -> None:
        found = evidence(predictions())
        floor = found.metrics["roc_auc"] - 0.001
        (check,) = floor_checks(found, policy(floors={"roc_auc": floor}))
        assert check.status == "pass"
        assert "another test set of this size could turn this" in check.reason
        (check,) = floor_checks(found, policy("bound", floors={"roc_auc": floor}))
        assert check.status == "inconclusive"

    @pytest.mark.parametrize("metrics", [{}, {"roc_auc": math.nan}])
    def test_a_metric_that_is_missing_or_nan_blocks(self, metrics: dict[str, float]) -> None:
        found = Evidence(predictions(), metrics)
        assert [check.status for check in floor_checks(found, policy(floors={"roc_auc": 0.1}))] == ["block"]

    def test_a_biased_metric_is_described_and_not_promised(self) -> None:
        found = evidence(predictions(), intervals={"ks": Interval(0.4, 0.36, 0.44, 0.02, "biased")})
        (check,) = floor_checks(found, policy(floors={"ks": 0.1}))
        assert check.interval == "biased"
        assert "not a promise" in check.reason


class TestVerdict:
    def check(self, kind: str, status: str) -> Check:
        return Check("x", kind, status=status)  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", ["calibration", "slice", "fairness", "leakage"])
    def test_what_only_describes_is_no_verdict_but_can_block_one(self, kind: str) -> None:
        assert decide([self.check(kind, "pass")]) == "block"
        assert decide([self.check("floor", "pass"), self.check(kind, "warn")]) == "pass"
        assert decide([self.check("floor", "pass"), self.check(kind, "block")]) == "block"
        assert decide([self.check("floor", "pass"), self.check(kind, "inconclusive")]) == "inconclusive"

    def test_nothing_is_no_verdict(self) -> None:
        assert decide([]) == "block"
        assert decide([self.check("champion", "not-applicable")]) == "block"

    def test_the_same_evidence_gives_the_same_result(self) -> None:
        columns = {"region": ["a", "b"] * 1000, "age": np.arange(2000.0)}
        asked = policy(slices=["region", "age"], fairness=["region"])
        champion = predictions(spread=1.4)
        first, second = (judge(predictions(**columns), asked, champion=champion) for _ in range(2))
        assert first == second


class TestChampion:
    def checks(
        self, challenger: Predictions, champion: Predictions | None, decide_on: str = "point", **rest: object
    ) -> list[Check]:
        rule = {**RULE, **rest}
        champion = None if champion is None else replace(champion, model="c" * 64)
        return champion_checks(evidence(challenger, champion=champion), policy(decide_on, champion=rule))

    def test_equal_scores_of_another_model_are_not_worse_and_are_named(self) -> None:
        first, *shown = self.checks(predictions(), predictions())
        assert (first.status, first.value, first.low, first.high) == ("pass", 0, 0, 0)
        assert "every score equals the champion's although it is another model" in first.reason
        assert {check.status for check in shown} == {"not-applicable"}
        assert {check.metric for check in shown} == {"pr_auc", "brier"}

    def test_the_very_model_in_hand_is_no_champion_to_compare_with(self) -> None:
        own = predictions()
        (check,) = compare_with_champion(own, own, policy(champion=RULE))
        assert (check.status, check.value) == ("not-applicable", None)
        assert "model unchanged" in check.reason
        result = judge(own, policy(floors={"roc_auc": 0.5}, champion=RULE), champion=own)
        assert (result.verdict, result.champion) == ("pass", own.model)
        assert [rates.rule for rates in result.operating] == ["floor"]
        strict = policy(floors={"roc_auc": 0.99}, champion=RULE)
        assert judge(own, strict, champion=own).verdict == "block"

    def test_a_model_that_nobody_names_is_never_unchanged(self) -> None:
        own = predictions()
        nameless = replace(own, model=None)
        assert compare_with_champion(nameless, nameless, policy(champion=RULE))[0].status == "pass"

    def test_row_order_does_not_matter(self) -> None:
        champion = predictions(spread=1.3)
        shuffled = Predictions(champion.table.sample(frac=1, random_state=3), champion.model, champion.data)
        assert self.checks(predictions(), champion) == self.checks(predictions(), shuffled)

    def test_a_much_worse_challenger_blocks_and_a_better_one_passes(self) -> None:
        good, bad = predictions(6000), predictions(6000, spread=2.4)
        assert self.checks(bad, good)[0].status == "block"
        assert self.checks(good, bad)[0].status == "pass"

    def test_what_is_not_shown_blocks_or_is_inconclusive(self) -> None:
        champion, challenger = predictions(300), predictions(300, spread=1.5)
        assert self.checks(challenger, champion)[0].status == "block"
        assert self.checks(challenger, champion, "bound")[0].status == "inconclusive"

    def test_the_reason_states_the_correlation_of_the_scores(self) -> None:
        assert "rank correlation of the scores 0.9" in self.checks(predictions(spread=1.3), predictions())[0].reason

    def test_other_metrics_decide_only_with_a_margin(self) -> None:
        bad, good = predictions(6000, spread=2.4), predictions(6000)
        checks = {c.metric: c for c in self.checks(bad, good, margins={"roc_auc": 0.5, "brier": 0.0})}
        assert checks["roc_auc"].status == "pass"
        assert (checks["brier"].op, checks["brier"].status) == ("<=", "block")
        assert checks["pr_auc"].status == "not-applicable"

    def test_a_champion_that_should_be_there_and_is_not_blocks(self) -> None:
        (check,) = self.checks(predictions(), None)
        assert check.status == "block"
        assert "--champion" in check.reason

    def test_a_declared_first_model_needs_none(self) -> None:
        asked = policy(champion=RULE)
        (check,) = champion_checks(evidence(predictions(), first_model=True), asked)
        assert check.status == "not-applicable"
        assert "first model" in check.reason

    @pytest.mark.parametrize(
        ("metric", "low", "high", "status", "inconclusive"),
        [
            ("roc_auc", -0.01, 0.02, "pass", "pass"),
            ("roc_auc", -0.0101, 0.02, "block", "inconclusive"),
            ("roc_auc", -0.03, -0.01, "block", "inconclusive"),
            ("roc_auc", -0.03, -0.0101, "block", "block"),
            ("brier", -0.02, 0.01, "pass", "pass"),
            ("brier", -0.02, 0.0101, "block", "inconclusive"),
            ("brier", 0.01, 0.03, "block", "inconclusive"),
            ("brier", 0.0101, 0.03, "block", "block"),
        ],
    )
    def test_an_interval_that_ends_at_the_margin(
        self, metric: str, low: float, high: float, status: str, inconclusive: str
    ) -> None:
        rule, found = Champion(margins={metric: 0.01}), Interval((low + high) / 2, low, high, 0.01)
        assert check_of_difference(metric, found, rule, by_bound=False).status == status
        assert check_of_difference(metric, found, rule, by_bound=True).status == inconclusive

    @pytest.mark.parametrize("ends", [(None, None, None), (0.0, None, 0.1), (0.0, -0.1, None), (None, -0.1, 0.1)])
    def test_a_difference_that_is_not_defined_blocks(self, ends: tuple[float | None, ...]) -> None:
        check = check_of_difference("roc_auc", Interval(*ends, None, "degenerate"), Champion(), by_bound=True)
        assert (check.status, check.reason) == ("block", "the difference is not defined (degenerate)")

    @pytest.mark.parametrize(
        ("status", "promised"),
        [("ok", True), ("identical-ranking", True), ("identical-scores", True), ("small-class", False)],
    )
    def test_an_interval_whose_coverage_is_not_promised_says_so(self, status: str, promised: bool) -> None:
        check = check_of_difference("roc_auc", Interval(0.0, -0.001, 0.001, 0.01, status), Champion(), by_bound=False)
        assert check.reason == "not worse than the champion by more than 0.01" + (
            "" if promised else "; the interval's coverage is not promised (small-class)"
        )

    @pytest.mark.parametrize(
        ("rows", "margins", "resamples"),
        [
            (100, {"roc_auc": 0.01}, [SHOWN_RESAMPLES]),
            (101, {"roc_auc": 0.01}, []),
            (100, {"roc_auc": 0.01, "brier": 0.01}, [RESAMPLES]),
            (101, {"pr_auc": 0.01}, [RESAMPLES]),
        ],
    )
    def test_what_is_only_shown_is_resampled_less_and_of_many_rows_not_at_all(
        self, rows: int, margins: dict[str, float], resamples: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[dict[str, Any]] = []
        module = "lockgate.gate.checks.champion"
        monkeypatch.setattr(f"{module}.MAX_SHOWN_ROWS", 100)
        monkeypatch.setattr(f"{module}.bootstrap_differences", lambda *_sample, **options: asked.append(options) or {})
        rule = Champion.model_validate({"margins": margins, "confidence": 0.8})
        pair = paired(predictions(rows), predictions(rows, spread=1.3))
        difference, intervals = compared(pair, rule, seed=7)
        assert asked == [{"seed": 7, "confidence": 0.8, "resamples": count} for count in resamples]
        assert intervals == {"roc_auc": difference.difference}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda t: t.assign(row_key=t.row_key + "x"), "scored on other rows"),
            (lambda t: t.iloc[:-1], "scored on other rows"),
            (lambda t: t.drop(columns="row_key"), "have no column `row_key`"),
            (lambda t: t.assign(row_key=["r0", *t.row_key[:-1]]), "names a row twice"),
            (lambda t: t.assign(y_true=1 - t.y_true), "other labels"),
        ],
    )
    def test_other_rows_are_refused(self, change: object, words: str) -> None:
        own = predictions(100)
        other = Predictions(change(own.table), None, None)  # type: ignore[operator]
        with pytest.raises(InputError, match=words):
            self.checks(own, other)


class TestSlices:
    def test_each_value_is_measured_and_the_worst_is_named(self) -> None:
        rng = np.random.default_rng(2)
        found = predictions(4000)
        region = np.where(rng.random(4000) < 0.4, "north", "south")
        table = found.table.assign(region=region)
        noise = rng.random(4000)
        table["y_score"] = np.where(region == "north", noise, table.y_score)
        bad = Predictions(table, "m", "d")
        north, south = slice_checks(evidence(bad), policy(slices=["region"]))
        assert (north.slice, north.status) == ("region = north", "warn")
        assert (south.slice, south.status) == ("region = south", "pass")
        result = slice_table(evidence(bad), policy(slices=["region"]))
        assert result is not None
        assert result.worst == "region = north"
        assert sum(row.n for row in result.rows) == 4000

    def test_more_slices_make_wider_intervals(self) -> None:
        found = predictions(4000, a=["x", "y"] * 2000, b=list("uuuuvvvv") * 500)
        alone = slice_checks(evidence(found), policy(slices=["a"]))[0]
        among = slice_checks(evidence(found), policy(slices=["a", "b"]))[0]
        assert among.low < alone.low < alone.high < among.high  # type: ignore[operator]

    def test_numbers_are_cut_into_bands_of_equal_size(self) -> None:
        found = predictions(1000, age=np.random.default_rng(1).permutation(1000) / 10)
        groups = groups_of(found, "age", "evaluate.slices")
        assert [len(group.rows) for group in groups] == [200] * 5
        assert groups[0].label == "0 to 19.9"

    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            ([0.0, 2.5, -1.0, 10.0], ["-1", "0", "2.5", "10"]),
            ([True, False, None, True], ["False", "True", "missing"]),
            (["b", "10", "9", None], ["9", "10", "b", "missing"]),
            (["missing", None, "z"], ["z", "missing"]),
            ([*range(10)], [str(number) for number in range(10)]),
            ([*range(11)], ["0 to 2", "3 to 4", "5 to 6", "7 to 8", "9 to 10"]),
            ([*range(10), np.inf], ["0 to 1", "2 to 3", "4 to 5", "6 to 7", "8 to 9", "missing"]),
            ([f"v{number:02}" for number in range(20)], [f"v{number:02}" for number in range(20)]),
            (
                [*(f"v{number:02}" for number in range(21)), "v20", "v20", "v19"],
                ["2 rarer values", *(f"v{number:02}" for number in range(17)), "v19", "v20"],
            ),
        ],
        ids=[
            "numbers",
            "booleans",
            "texts",
            "a value called missing",
            "ten",
            "eleven",
            "infinite",
            "twenty",
            "twenty-one",
        ],
    )
    def test_the_values_of_a_column_make_its_groups(self, values: list[object], labels: list[str]) -> None:
        rows = len(values)
        table = pd.DataFrame({"y_true": [0] * rows, "y_score": [0.5] * rows, "v": values})
        groups = groups_of(Predictions(table, "m", "d"), "v", "evaluate.slices")
        assert [group.label for group in groups] == labels
        assert sorted(row for group in groups for row in group.rows.tolist()) == list(range(rows))
        assert {group.name for group in groups} == {f"v = {label}" for label in labels}

    def test_one_class_empty_and_tiny_slices_have_a_named_status(self) -> None:
        found = predictions(1000)
        table = found.table.assign(part="rest")
        table.loc[table.index[:3], "part"] = "tiny"
        table.loc[table.index[(table.y_true == 1) & (table.index > 500)], "part"] = "ones"
        table.loc[table.index[10:40], "part"] = None
        checks = slice_checks(evidence(Predictions(table, "m", "d")), policy(slices=["part"]))
        by_slice = {check.slice: check for check in checks}
        assert by_slice["part = ones"].reason.startswith("one class only")
        assert by_slice["part = tiny"].status == "not-applicable"
        assert by_slice["part = missing"].status == "not-applicable"
        assert by_slice["part = rest"].status in ("pass", "warn")

    def test_a_floor_for_slices_blocks_only_beyond_chance(self) -> None:
        found = predictions(4000, a=["x", "y"] * 2000)
        value = evidence(found).metrics["roc_auc"]
        above, close, below = (
            {
                check.status
                for check in slice_checks(evidence(found), policy(slices=["a"], slice_floors={"roc_auc": floor}))
            }
            for floor in (value + 0.1, value + 0.005, value - 0.1)
        )
        assert above == {"block"}
        assert "block" not in close
        assert below == {"pass"}

    def test_a_column_that_is_not_there_is_refused_by_name(self) -> None:
        with pytest.raises(InputError, match=r"evaluate\.slices names `sez`.*`sex`"):
            slice_checks(evidence(predictions(100, sex="f")), policy(slices=["sez"]))

    def test_shares_of_a_slice_are_weighted_by_the_named_column_only(self) -> None:
        found = predictions(1000, a=["x", "y"] * 500, weight=np.linspace(0.1, 9, 1000))
        for weight_column in (None, "weight"):
            weighted = replace(found, weight_column=weight_column)
            rows = np.arange(0, 1000, 2)
            mass = None if weight_column is None else found.table["weight"].to_numpy()[rows]
            slices = slice_table(evidence(weighted), policy(slices=["a"]))
            assert slices is not None
            first = slices.rows[0]
            assert first.observed == pytest.approx(np.average(found.y_true[rows], weights=mass))
            assert first.mean_score == pytest.approx(np.average(found.y_score[rows], weights=mass))

    @given(st.data())
    def test_no_slices_however_odd_crash(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(4, 40))
        values = data.draw(st.lists(st.sampled_from(["a", "b", None, 1, 2.5, True]), min_size=n, max_size=n))
        labels = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < n))
        scores = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=n, max_size=n))
        table = pd.DataFrame({"y_true": np.array(labels, dtype="int8"), "y_score": scores, "v": values})
        found = evidence(Predictions(table, "m", "d"))
        asked = policy(slices=["v"], slice_minimum=2, fairness=["v"])
        for check in [*slice_checks(found, asked), *fairness_checks(found, asked)]:
            assert check.status in ("pass", "warn", "not-applicable")
            assert check.value is None or math.isfinite(check.value)


class TestFairness:
    def found(self, rates: dict[str, float], favourable: str = "below", rows: int = 2000) -> dict[str, Check]:
        """Groups whose shares of favourable decisions are `rates`, whatever the outcome."""
        rng = np.random.default_rng(4)
        group = np.repeat(list(rates), rows)
        good = rng.random(len(group)) < np.repeat(list(rates.values()), rows)
        score = np.where(good == (favourable == "below"), 0.1, 0.9)
        table = pd.DataFrame({"y_true": rng.integers(0, 2, len(group)).astype("int8"), "y_score": score, "g": group})
        decision = Decision.model_validate({"threshold": 0.5, "favourable": favourable})
        checks = fairness_checks(
            evidence(Predictions(table, "m", "d"), decision=decision, audit_columns=("g",)), policy()
        )
        return {str(check.metric): check for check in checks}

    @pytest.mark.parametrize("favourable", ["below", "above"])
    def test_the_four_fifths_rule(self, favourable: str) -> None:
        fair, unfair = self.found({"a": 0.6, "b": 0.6}, favourable), self.found({"a": 0.6, "b": 0.3}, favourable)
        assert {check.status for check in fair.values()} == {"pass"}
        ratio = unfair["adverse_impact_ratio"]
        assert ratio.status == "warn"
        assert ratio.value == pytest.approx(0.5, abs=0.05)
        assert ratio.low < 0.5 < ratio.high  # type: ignore[operator]
        assert unfair["equal_opportunity_difference"].value == pytest.approx(0.3, abs=0.05)
        assert unfair["false_positive_rate_difference"].status == "warn"

    def test_a_group_that_nobody_favours_has_an_interval(self) -> None:
        ratio = self.found({"a": 0.6, "b": 0.0})["adverse_impact_ratio"]
        assert ratio.value == 0
        assert 0 <= ratio.low <= 0 < ratio.high < 0.01  # type: ignore[operator]

    def test_no_favourable_decision_at_all_is_named(self) -> None:
        ratio = self.found({"a": 0.0, "b": 0.0})["adverse_impact_ratio"]
        assert ratio.status == "not-applicable"
        assert "no decision is favourable" in ratio.reason

    def test_a_group_alone_or_tiny_is_not_compared(self) -> None:
        assert {c.status for c in self.found({"a": 0.5}).values()} == {"not-applicable"}
        assert {c.status for c in self.found({"a": 0.5, "b": 0.1}, rows=10).values()} == {"not-applicable"}

    def test_limits_block_and_an_empty_list_asks_nothing(self) -> None:
        table = pd.DataFrame(
            {"y_true": [0, 1] * 500, "y_score": [0.1] * 500 + [0.9] * 500, "g": ["a"] * 500 + ["b"] * 500}
        )
        found = evidence(Predictions(table.astype({"y_true": "int8"}), "m", "d"), audit_columns=("g",))
        limited = policy(fairness_limits={"adverse_impact_ratio": 0.8})
        assert fairness_checks(found, limited)[0].status == "block"
        assert fairness_checks(found, policy(fairness=[])) == []

    @pytest.mark.parametrize(("rows", "applies"), [(30, True), (29, False)])
    def test_a_group_is_compared_from_the_minimum_of_rows_on(self, rows: int, applies: bool) -> None:
        for check in self.found({"a": 1.0, "b": 0.0}, rows=rows).values():
            assert (check.status != "not-applicable") is (applies and check.metric == "adverse_impact_ratio")

    @pytest.mark.parametrize(("favourable", "share"), [("above", 1.0), ("below", 0.0)])
    def test_a_score_at_the_threshold_is_decided_as_one_above(self, favourable: str, share: float) -> None:
        table = pd.DataFrame({"y_true": [0, 1] * 100, "y_score": 0.5, "g": ["a"] * 100 + ["b"] * 100})
        table.loc[0, "y_score"] = 0.4999 if favourable == "below" else 0.5
        decision = Decision.model_validate({"threshold": 0.5, "favourable": favourable})
        seen = evidence(
            Predictions(table.astype({"y_true": "int8"}), "m", "d"), decision=decision, audit_columns=("g",)
        )
        ratio = fairness_checks(seen, policy())[0]
        assert ratio.value == share
        assert ratio.reason.startswith(
            f"`{'b' if favourable == 'below' else 'a'}` has {share:.1%} favourable decisions"
        )

    def test_a_column_that_is_not_there_is_refused_by_the_key_that_names_it(self) -> None:
        with pytest.raises(
            InputError, match=r"^evaluate\.fairness names `sez`, which the predictions do not have; .*`sex`"
        ):
            fairness_checks(evidence(predictions(100, sex="f")), policy(fairness=["sez"]))

    def test_each_column_is_looked_at_once(self) -> None:
        table = pd.DataFrame({"y_true": [0, 1] * 100, "y_score": 0.5, "g": ["a", "b", "b", "a"] * 50, "h": "x"})
        seen = evidence(Predictions(table.astype({"y_true": "int8"}), "m", "d"), audit_columns=("g", "g"))
        assert [check.slice for check in fairness_checks(seen, policy())] == ["g"] * 3
        assert [check.slice for check in fairness_checks(seen, policy(fairness=["h", "g", "h"]))] == ["h"] * 3 + [
            "g"
        ] * 3


class TestCalibration:
    @pytest.mark.parametrize(("low", "high", "status"), [(0.9, 1.1, "pass"), (0.7, 0.9, "warn"), (1.1, 1.3, "warn")])
    def test_one_outside_the_interval_warns(self, low: float, high: float, status: str) -> None:
        found = evidence(predictions(), intervals={"calibration_slope": Interval((low + high) / 2, low, high, 0.05)})
        assert [check.status for check in calibration_checks(found, policy())] == [status]

    def test_no_line_is_named(self) -> None:
        interval = Interval(None, None, None, None, "no-calibration-line")
        (check,) = calibration_checks(evidence(predictions(), intervals={"calibration_slope": interval}), policy())
        assert (check.status, check.interval) == ("not-applicable", "no-calibration-line")


class TestLeakage:
    def statuses(
        self, train: pd.DataFrame | None, test: pd.DataFrame, unavailable: tuple[str, ...] = (), **asked: object
    ) -> dict[str, Check]:
        features = tuple(
            Feature(name, "categorical" if name == "c" else "numeric", False, True, (), None, None, name)
            for name in ("x", "c")
        )
        schema = Schema(
            target="y",
            classes=TargetClasses(("1",), ("0",)),
            features=features,
            audit=(),
            id_columns=(),
            time_column=None,
            weight_column=None,
            columns=(),
        )
        table = predictions(len(test)).table.assign(y_true=test["y"].to_numpy(dtype="int8"))
        seen = evidence(Predictions(table, "m", "d"), features=Features(schema, test, train, unavailable))
        return {check.name: check for check in leakage_checks(seen, policy(**asked))}

    def table(self, seed: int, leak: bool = False) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 400)
        x = y + 0.1 * rng.standard_normal(400) if leak else rng.standard_normal(400)
        return pd.DataFrame({"x": x, "c": rng.choice(["a", "b"], 400), "y": y})

    def test_nothing_leaks(self) -> None:
        assert {check.status for check in self.statuses(self.table(1), self.table(2)).values()} == {"pass"}

    def test_a_few_shared_rows_warn_and_block_on_request(self) -> None:
        train, test = self.table(1), self.table(2)
        test.iloc[100:103] = train.iloc[100:103]
        found = self.statuses(train, test)[SHARED_ROWS]
        assert (found.status, found.value, found.threshold) == ("warn", 3 / 400, 0)
        assert self.statuses(train, test, leakage={"other": "block"})[SHARED_ROWS].status == "block"

    @pytest.mark.parametrize(("shared", "status", "threshold"), [(200, "warn", 0), (201, "block", 0.5)])
    def test_more_than_half_of_the_test_rows_in_training_block(
        self, shared: int, status: str, threshold: float
    ) -> None:
        train, test = self.table(1), self.table(2)
        test.iloc[:shared] = train.iloc[:shared]
        found = self.statuses(train, test)[SHARED_ROWS]
        assert (found.status, found.threshold) == (status, threshold)
        assert self.statuses(train, test, leakage={"plain": "warn"})[SHARED_ROWS].status == "warn"

    def test_without_the_rows_that_it_was_trained_on_leakage_cannot_be_ruled_out(self) -> None:
        found = self.statuses(None, self.table(2))[SHARED_ROWS]
        assert (found.status, found.value) == ("block", None)
        assert "leakage cannot be ruled out: the training rows are not there" in found.reason
        assert self.statuses(None, self.table(2), leakage={"plain": "warn"})[SHARED_ROWS].status == "warn"

    def test_a_feature_that_tells_the_outcome_blocks_and_is_named(self) -> None:
        leaking = self.table(2, leak=True)
        found = self.statuses(self.table(1), leaking)[STRONGEST_FEATURE]
        assert found.status == "block"
        assert "`x`" in found.reason
        assert "evaluate.leakage.expected" in found.reason
        assert self.statuses(self.table(1), leaking, leakage={"plain": "warn"})[STRONGEST_FEATURE].status == "warn"

    def test_a_feature_that_is_expected_to_be_strong_is_shown_and_does_not_block(self) -> None:
        found = self.statuses(self.table(1), self.table(2, leak=True), leakage={"expected": ["x"]})
        assert found[STRONGEST_FEATURE].status == "pass"
        assert "`c`" in found[STRONGEST_FEATURE].reason
        expected = found[EXPECTED_FEATURE]
        assert (expected.slice, expected.status) == ("x", "not-applicable")
        assert expected.value is not None
        assert expected.value > MAX_FEATURE_AUC
        only = self.statuses(self.table(1), self.table(2), leakage={"expected": ["x", "c", "x"]})
        assert (only[STRONGEST_FEATURE].status, only[STRONGEST_FEATURE].value) == ("not-applicable", None)

    def test_an_expected_feature_that_is_none_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"evaluate\.leakage\.expected names `z`, which is no feature"):
            self.statuses(self.table(1), self.table(2), leakage={"expected": ["z"]})

    def test_a_feature_of_exactly_the_limit_passes(self) -> None:
        """Of 50 pairs of a positive and a negative 49 are in order: 0.98."""
        test = pd.DataFrame({"x": [1, 2, 3, 4, 5.5, 5, *range(7, 16)], "c": "a", "y": [0] * 5 + [1] * 10})
        found = self.statuses(self.table(1), test)[STRONGEST_FEATURE]
        assert (found.value, found.status) == (MAX_FEATURE_AUC, "pass")

    def test_being_missing_can_tell_the_outcome(self) -> None:
        test = self.table(2)
        test.loc[test["y"] == 1, "x"] = np.nan
        assert self.statuses(self.table(1), test)[STRONGEST_FEATURE].value == 1

    def test_a_feature_declared_unavailable_is_named(self) -> None:
        found = self.statuses(self.table(1), self.table(2), ("c",))[UNAVAILABLE_FEATURES]
        assert found.status == "block"
        assert "`c`" in found.reason


class TestDirection:
    def test_a_model_that_ranks_upside_down_is_told_apart_from_a_weak_one(self) -> None:
        found = predictions()
        upside_down = replace(found, table=found.table.assign(y_score=1 - found.y_score))
        (check,) = direction_checks(evidence(upside_down), policy())
        assert check.status == "block"
        assert "the labels or the scores look inverted" in check.reason
        weak = replace(found, table=found.table.assign(y_score=np.random.default_rng(5).random(2000)))
        assert [check.status for check in direction_checks(evidence(weak), policy())] == ["pass"]

    def test_labels_inverted_everywhere_are_told_by_the_champion(self) -> None:
        """The new model learnt from inverted labels and ranks them well; the champion learnt from the right ones."""
        before = predictions()
        inverted = before.table.assign(y_true=1 - before.y_true)
        challenger = replace(before, table=inverted.assign(y_score=1 - before.y_score))
        champion = replace(before, table=inverted, model="c" * 64)
        own, of_champion = direction_checks(evidence(challenger, champion=champion), policy())
        assert (own.status, of_champion.status) == ("pass", "block")
        assert "the labels look inverted against those that the champion was trained on" in of_champion.reason
        result = judge(challenger, policy(floors={"roc_auc": 0.5}, champion=RULE), champion=champion)
        assert result.verdict == "block"


def features_of(
    test_labels: Iterable[int], train_labels: Iterable[int] | None, days: Iterable[object] | None = None, **rest: object
) -> Evidence:
    """Evidence of a model of one feature; `days` is its time column."""
    schema = schema_of("y", x=())
    test = pd.DataFrame({"x": np.arange(len(labels := list(test_labels)), dtype=float), "y": labels})
    if days is not None:
        schema, test = struct_replace(schema, time_column="day"), test.assign(day=list(days))
    train = None if train_labels is None else pd.DataFrame({"y": list(train_labels)})
    table = pd.DataFrame({"y_true": labels, "y_score": np.linspace(0.1, 0.9, len(labels))})
    return evidence(Predictions(table, "m", "d"), features=Features(schema, test, train, **rest))  # type: ignore[arg-type]


class TestEventRate:
    @pytest.mark.parametrize(
        ("trained", "tested", "status"),
        [
            (0.22, 0.22, "pass"),
            (0.02, 0.05, "pass"),
            (0.22, 0.80, "block"),
            (0.80, 0.22, "block"),
            (0.22, 0.78, "block"),
        ],
    )
    def test_odds_apart_by_more_than_the_ratio_block(self, trained: float, tested: float, status: str) -> None:
        train, test = (np.arange(1000) < 1000 * share for share in (trained, tested))
        (check,) = event_rate_checks(features_of(test.astype(int), train.astype(int)), policy())
        assert check.status == status
        assert f"{tested:.1%} of the test rows are events, {trained:.1%} of the training rows" in check.reason

    def test_the_limit_is_the_policys(self) -> None:
        train, test = [1] * 100 + [0] * 900, [1] * 300 + [0] * 700
        for limit, status in ((3.8, "block"), (3.9, "pass")):
            (check,) = event_rate_checks(features_of(test, train), policy(event_rate_ratio=limit))
            assert (check.status, check.threshold) == (status, limit)

    def test_a_factor_of_exactly_the_limit_passes(self) -> None:
        """Half an event and half another row are added: odds of 3 to 1 against 1 to 1."""
        (check,) = event_rate_checks(features_of([0, 1], [0]), policy(event_rate_ratio=3.0))
        assert (check.value, check.status) == (3.0, "pass")

    def test_without_training_rows_there_is_nothing_to_compare_with(self) -> None:
        (check,) = event_rate_checks(features_of([0, 1], None), policy())
        assert (check.status, check.value) == ("not-applicable", None)


class TestDates:
    @pytest.mark.parametrize(
        ("days", "status", "value"),
        [
            (["2026-01-31", "2026-11-27"], "pass", 0),
            (["2026-01-31", "2026-11-28"], "block", 1),
            (["2099-01-01T00:00:00+02:00", "2099-02-01"], "block", 2),
            ([2025, 2099], "not-applicable", None),
        ],
    )
    def test_no_row_is_of_a_day_that_has_not_come(self, days: list[object], status: str, value: int | None) -> None:
        (check,) = date_checks(features_of([0, 1], [0, 1], days, latest=date(2026, 11, 27)), policy())
        assert (check.status, check.value) == (status, value)
        if status == "block":
            assert "`day`" in check.reason
            assert str(max(days))[:10] in check.reason

    def test_without_a_time_column_or_a_day_nothing_can_be_told(self) -> None:
        for seen in (
            features_of([0, 1], [0, 1], latest=date(2026, 1, 1)),
            features_of([0, 1], [0, 1], ["2099-01-01"] * 2),
        ):
            assert [check.status for check in date_checks(seen, policy())] == ["not-applicable"]


def test_a_slice_floor_on_a_metric_that_is_not_defined_blocks() -> None:
    undefined = Interval(None, None, None, None, "degenerate")
    part = Slice(Group("region", "north", np.arange(9)), 9, 3, 0.95, 0.3, 0.3, {"roc_auc": undefined}, "")
    check = _floor_check(part, "roc_auc", 0.6, by_bound=False)
    assert check.status == "block"
    assert "degenerate" in check.reason


class TestWhatTheModelSaw:
    rows = pd.DataFrame({"x": [1.0, 2.0]})
    bundle: Any = SimpleNamespace(schema=schema_of("y", x=()), training_data="7a" * 32, params="9a" * 32)
    today = date(2026, 11, 27)

    def features(self, train: Table | None, **prepare: object) -> Features:
        test = Table(self.rows, "data/test.parquet", "7e" * 32, self.today)
        return bundle_features(self.bundle, test, train, Prepare.model_validate(prepare))

    def test_training_rows_are_those_that_the_manifest_names(self) -> None:
        found = self.features(Table(self.rows, "data/train.parquet", "7a" * 32), unavailable_at_decision=["late"])
        assert found.train is self.rows
        assert (found.test is self.rows, found.schema is self.bundle.schema, found.params) == (True, True, "9a" * 32)
        assert (found.unavailable, found.latest) == (("late",), self.today)

    def test_others_are_not_looked_at_and_the_reason_says_why(self) -> None:
        other = self.features(Table(self.rows, "data/train.parquet", "00" * 32))
        assert other.train is None
        assert other.why_no_train == (
            "data/train.parquet is not what the model was trained on (its sha256 is not the manifest's); run `lockgate reproduce`"
        )
        absent = self.features(None)
        assert (absent.train, absent.why_no_train) == (
            None,
            "data/train.parquet is not there; run `lockgate reproduce`",
        )

    def test_rows_that_no_file_holds_are_known_by_their_bytes(self) -> None:
        assert self.features(Table(self.rows, "the rows")).train is None
        bundle: Any = SimpleNamespace(
            schema=self.bundle.schema, params=None, training_data=sha256_bytes(table_bytes(self.rows))
        )
        train = Table(self.rows, "the rows")
        assert bundle_features(bundle, train, train, Prepare()).train is self.rows

    def test_rows_may_be_of_any_day_where_the_settings_say_so(self) -> None:
        assert self.features(None, future_times="accept").latest is None

    def test_columns_that_a_policy_asks_for_later_are_taken_from_the_test_rows(self) -> None:
        found = Predictions(
            pd.DataFrame({"row_key": ["b", "a"], "y_true": [0, 1], "y_score": [0.1, 0.2], "g": 1}), "m", "d"
        )
        test = pd.DataFrame({"row_key": ["a", "b"], "g": [2, 2], "h": ["of a", "of b"], "k": [3, 4]})
        wanted = Evaluate.model_validate({"slices": ["g", "h", "of nobody"], "fairness": ["k"]})
        table = with_columns(found, test, wanted).table
        assert table.to_dict("list") == {
            "row_key": ["b", "a"], "y_true": [0, 1], "y_score": [0.1, 0.2], "g": [1, 1], "h": ["of b", "of a"], "k": [4, 3],
        }  # fmt: skip
        assert with_columns(found, test, Evaluate()) is found
        nameless = replace(found, table=found.table.drop(columns="row_key"))
        assert with_columns(nameless, test, wanted) is nameless


@pytest.mark.parametrize(("rows", "is_quick"), [(100_000, False), (100_001, True)])
def test_beyond_a_hundred_thousand_rows_nothing_is_resampled(
    rows: int, is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []
    for name in ("bootstrap_intervals", "linearised_intervals"):
        monkeypatch.setattr(
            f"lockgate.gate.evidence.{name}",
            lambda *_sample, name=name, **options: (
                asked.append((name, options)) or {"brier": Interval(0.1, 0.0, 0.2, 0.05)}
            ),
        )
    found = predictions(rows)
    intervals = measured_intervals(found, Evaluate.model_validate({"confidence": 0.9, "seed": 7}))
    assert (
        asked == [("linearised_intervals", {"confidence": 0.9})]
        if is_quick
        else [("bootstrap_intervals", {"seed": 7, "confidence": 0.9})]
    )
    assert list(intervals) == ["roc_auc", "gini", "brier"]
    auc, gini = intervals["roc_auc"], intervals["gini"]
    assert auc == auc_interval(found.y_true, found.y_score, 0.9)
    assert (gini.value, gini.low, gini.high) == (2 * auc.value - 1, 2 * auc.low - 1, 2 * auc.high - 1)  # type: ignore[operator]
    assert (gini.standard_error, gini.status) == (2 * auc.standard_error, auc.status)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("value", "high", "status", "reason"),
    [
        (0.6, 0.7, "pass", "its interval reaches the whole model's value"),
        (0.6, 0.6999, "warn", "worse than the model as a whole (0.7000) beyond chance"),
        (0.7, 0.8, "pass", "at least the whole model's value"),
        (0.6999, 0.8, "pass", "its interval reaches the whole model's value"),
        (None, None, "not-applicable", "not defined (ok)"),
    ],
)
def test_a_slice_is_worse_where_its_whole_interval_lies_below(
    value: float | None, high: float | None, status: str, reason: str
) -> None:
    found = Interval(value, None if high is None else 0.5, high, 0.05)
    part = Slice(Group("region", "north", np.arange(9)), 9, 3, 0.95, 0.3, 0.3, {"roc_auc": found}, "")
    check = _comparison(part, "roc_auc", 0.7)
    assert (check.status, check.reason, check.threshold, check.confidence) == (status, reason, 0.7, 0.95)


class TestAnExceptionToThePolicy:
    POLICY = Policy(
        gate=Gate.model_validate({"exception": {"reason": "why", "approved_by": "who", "until": date(2026, 12, 31)}})
    )

    @pytest.mark.parametrize(
        ("today", "status", "words"),
        [
            (date(2026, 12, 31), "pass", "approved by who until 2026-12-31: why"),
            (date(2027, 1, 1), "block", "approved by who until 2026-12-31: why; it has ended: restore the thresholds"),
            (None, "block", "pass `today` to judge()"),
        ],
    )
    def test_it_holds_up_to_its_last_day_and_blocks_after_it(self, today: date | None, status: str, words: str) -> None:
        (check,) = exception_checks(evidence(predictions(), today=today), self.POLICY)
        assert check.status == status
        assert words in check.reason

    def test_without_one_there_is_no_check(self) -> None:
        assert exception_checks(evidence(predictions()), Policy()) == []

    def test_a_model_that_passes_everything_else_is_blocked_after_its_end(self) -> None:
        verdicts = [judge(predictions().table, self.POLICY, today=date(2026, 12, day)).verdict for day in (30, 31)]
        assert verdicts == ["pass", "pass"]
        ended = judge(predictions().table, self.POLICY, today=date(2027, 1, 1))
        assert (ended.verdict, ended.exception and ended.exception.until) == ("block", "2026-12-31")
        assert ended.policy != judge(predictions().table).policy  # it is part of the policy
