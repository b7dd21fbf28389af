"""Slices: which there are, their floors, and whether one is worse than the whole."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from gate_evidence import evidence, policy, predictions
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.gate.checks.fairness import fairness_checks
from lockgate.gate.checks.groups import Group, groups_of
from lockgate.gate.checks.slice import Slice, _comparison, _floor_check, slice_checks, slice_table
from lockgate.metrics.interval import Interval
from lockgate.model.predictions import Predictions


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


def test_a_slice_floor_on_a_metric_that_is_not_defined_blocks() -> None:
    undefined = Interval(None, None, None, None, "degenerate")
    part = Slice(Group("region", "north", np.arange(9)), 9, 3, 0.95, 0.3, 0.3, {"roc_auc": undefined}, "")
    check = _floor_check(part, "roc_auc", 0.6, by_bound=False)
    assert check.status == "block"
    assert "degenerate" in check.reason


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
