"""When data are defined anew, and what then decides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from verdicts import check, schema_of, verdict

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.params import Champion, Gate
from lockgate.documents.gate_json import GateResult, NewData
from lockgate.documents.manifest_json import Origin, Source
from lockgate.documents.schema_json import Schema, TargetClasses
from lockgate.gate.checks.champion import new_data_rule
from lockgate.gate.evidence import Policy
from lockgate.gate.judge import judge
from lockgate.gate.new_data import data_defined_anew
from lockgate.model.predictions import Predictions

SCHEMA = replace(schema_of("default", income=()), id_columns=("loan",))
NEW, OLD = "a1" * 32, "c3" * 32


def bundle(schema: Schema, source: str | None = "loans.csv", digest: str = NEW) -> Any:
    """A bundle as far as anybody asks here; `source` None: its rows were prepared from no file."""
    sha256 = None if source == "synthetic" else "5e" * 32
    origin = None if source is None else Origin(Source(source, sha256), {})
    return SimpleNamespace(digest=digest, schema=schema, manifest=SimpleNamespace(origin=origin))


def classes(*changes: Any) -> Schema:
    return replace(SCHEMA, classes=TargetClasses(*changes))


class TestDefinedAnew:
    @pytest.mark.parametrize(
        ("new", "difference"),
        [
            (replace(SCHEMA, target="bad"), "the target is `bad`, the champion's was `default`"),
            (
                classes(("2",), ("1",)),
                "the target's classes are `2` against `1`, the champion's were `1` against `0`",
            ),
            (
                classes(("0",), ("1",)),
                "the target's classes are `0` against `1`, the champion's were `1` against `0`",
            ),
            (
                classes(("1",), ("0",), ("9", "8", "7", "6")),
                "the target's classes are `1` against `0` without `9`, `8`, `7` and 1 more, the champion's were `1` against `0`",
            ),
            (
                replace(SCHEMA, id_columns=()),
                "rows are identified by their content, the champion's were by `loan`",
            ),
            (
                replace(SCHEMA, id_columns=("loan", "month")),
                "rows are identified by `loan`, `month`, the champion's were by `loan`",
            ),
        ],
    )
    @pytest.mark.parametrize("shared_rows", [None, 0, 7])
    def test_by_target_classes_and_identifiers(self, new: Schema, difference: str, shared_rows: int | None) -> None:
        found = data_defined_anew(bundle(new), bundle(SCHEMA, digest=OLD), shared_rows)
        assert found == NewData(NEW, OLD, False, (difference,))

    def test_all_differences_are_said(self) -> None:
        new = replace(SCHEMA, target="bad", id_columns=())
        found = data_defined_anew(bundle(new), bundle(SCHEMA, digest=OLD), None)
        assert found is not None
        assert found.sentence.startswith("the target is `bad`, the champion's was `default`; rows are identified by")

    def test_neither_features_nor_another_way_to_write_the_classes_are(self) -> None:
        other = replace(schema_of("default", age=(), rate=()), id_columns=("loan",))
        written = replace(other, classes=TargetClasses(("1.0",), ("0.0",)))
        assert data_defined_anew(bundle(written), bundle(SCHEMA, digest=OLD), 0) is None

    @pytest.mark.parametrize(
        ("before", "shared_rows", "is_new"),
        [
            ("loans.csv", 0, False),  # new bytes at the same place
            ("loans-2025.csv", 0, True),
            ("loans-2025.csv", 1, False),
            ("loans-2025.csv", None, False),  # nobody has the rows, so nothing shows that there are none
            ("synthetic", 0, True),
            ("synthetic", 3, False),
            ("synthetic", None, True),
            (None, 0, False),
        ],
    )
    def test_another_source_is_where_no_row_is_in_both(
        self, before: str | None, shared_rows: int | None, is_new: bool
    ) -> None:
        found = data_defined_anew(bundle(SCHEMA), bundle(SCHEMA, before, OLD), shared_rows)
        assert (found is not None) == is_new
        if found:
            sentence = (
                f"the source is loans.csv, the champion's was {before}, and no row that the champion was tested on"
            )
            assert found.sentence.startswith(sentence)
            assert found.after_synthetic == (before == "synthetic")


def scored() -> Predictions:
    rng = np.random.default_rng(5)
    logit = 1.5 * rng.standard_normal(900) - 0.5
    label = (rng.random(900) < 1 / (1 + np.exp(-logit))).astype("int8")
    keys = [f"r{row}" for row in range(900)]
    table = pd.DataFrame({"row_key": keys, "y_true": label, "y_score": 1 / (1 + np.exp(-logit))})
    return Predictions(table, NEW, "d1" * 32)


def judged(rule: str | None, after_synthetic: bool, model: str = NEW) -> GateResult:
    new_data = NewData(model, OLD, after_synthetic, ("the target is `bad`, the champion's was `default`",))
    gate = Gate.model_validate({"champion": {"source": "base", "new_data": rule}})
    return judge(scored(), Policy(gate=gate), champion=new_data)


class TestDecision:
    @pytest.mark.parametrize(
        ("rule", "after_synthetic", "decides"),
        [
            (None, True, "thresholds"),
            (None, False, "block"),
            ("thresholds", False, "thresholds"),
            ("block", True, "block"),
        ],
    )
    def test_is_the_policys(self, rule: str | None, after_synthetic: bool, decides: str) -> None:
        result = judged(rule, after_synthetic)
        assert result.new_data_rule == decides
        assert result.verdict == ("pass" if decides == "thresholds" else "block")
        assert result.champion is None
        check = next(check for check in result.checks if check.name == "champion")
        said = (
            "the data are defined anew, the thresholds alone decide: the target is `bad`, the champion's was `default`"
        )
        if decides == "block":
            said = (
                "the data are defined anew, so no champion is comparable: the target is `bad`, the champion's was `default`; "
                "`gate.champion.new_data: thresholds` in the policy that judges lets the thresholds decide"
            )
        assert (check.status, check.reason) == ("not-applicable" if decides == "thresholds" else "block", said)
        assert GateResult.read(result.to_bytes(), "gate.json") == result

    def test_without_a_rule_it_is_by_where_the_champions_data_are_from(self) -> None:
        new_data = NewData(NEW, OLD, True, ("x",))
        assert new_data_rule(Champion(), new_data) == "thresholds"
        assert new_data_rule(Champion(), replace(new_data, after_synthetic=False)) == "block"

    def test_what_was_found_for_another_model_is_refused(self) -> None:
        with pytest.raises(
            InputError, match=r"^that the data are defined anew was found for model b2b2b2b2b2b2, not for a1"
        ):
            judged("thresholds", True, "b2" * 32)


class TestBelief:
    NEW_DATA = NewData("a1" * 32, OLD, True, ("the target is `bad`",))

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"new_data_rule": "block"}, "its data are defined anew, and by its policy nothing decides on such"),
            ({"new_data_rule": None}, "it says what decides on new data, or that the data are new, but not both"),
            ({"new_data": None}, "it says what decides on new data, or that the data are new, but not both"),
            (
                {"first_model": True},
                "it says that no champion is comparable, and names one or says that there is none yet",
            ),
            (
                {"champion": "f6" * 32},
                "it says that no champion is comparable, and names one or says that there is none yet",
            ),
            (
                {"new_data": replace(NEW_DATA, model="b7" * 32)},
                "it says that the data of another model are defined anew",
            ),
        ],
    )
    def test_a_pass_that_does_not_hold_together_is_not_believed(self, changes: dict[str, Any], problem: str) -> None:
        whole = verdict("pass", check(), new_data=self.NEW_DATA, new_data_rule="thresholds")
        whole.require_pass(whole.model, "gate.json")
        with pytest.raises(GateBlockedError, match=f"is not believed: {problem}"):
            replace(whole, **changes).require_pass(whole.model, "gate.json")
