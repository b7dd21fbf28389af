"""Leakage: rows of the training among the test rows, and features that know the outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gate_evidence import evidence, policy, predictions
from verdicts import schema_of

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Evaluate, Prepare
from lockgate.data.tables import Table, table_bytes
from lockgate.documents.gate_check import (
    EXPECTED_FEATURE,
    MAX_FEATURE_AUC,
    SHARED_ROWS,
    STRONGEST_FEATURE,
    UNAVAILABLE_FEATURES,
    Check,
)
from lockgate.documents.schema_json import Feature, Schema, TargetClasses
from lockgate.gate.checks.leakage import leakage_checks
from lockgate.gate.evidence import Features, bundle_features, with_columns
from lockgate.model.predictions import Predictions


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
