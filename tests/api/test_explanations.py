"""Why: contributions that add up to the score, and reasons that a person can read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xgboost
from serving import Client

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import DecisionRule
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.drift.psi_chance import psi_chance
from lockgate.service.scoring.explainer import Explainer


def test_contributions_add_up_to_the_log_odds_of_the_prediction(client: Client, rows: Any) -> None:
    for row in rows[:50]:
        found = client.ask("/explain", row).json
        predicted = client.ask("/predict", row).json
        log_odds = found["base"] + sum(found["contributions"].values())
        assert log_odds == pytest.approx(math.log(predicted["probability"] / (1 - predicted["probability"])), abs=1e-5)
        assert found["probability"] == predicted["probability"]
        assert found["decision"] == predicted["decision"]


def test_reasons_are_the_worst_features_worded_by_the_schema(client: Client, rows: Any, bundle: VerifiedBundle) -> None:
    texts = {feature.name: feature.text for feature in bundle.schema.features}
    found = client.ask("/explain?reasons=22", rows[0]).json
    adverse = {name: value for name, value in found["contributions"].items() if value > 0}
    assert {one["feature"]: one["contribution"] for one in found["reasons"]} == adverse
    sizes = [one["contribution"] for one in found["reasons"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(one["text"] == texts[one["feature"]] for one in found["reasons"])
    assert all(one["value"] == rows[0][one["feature"]] for one in found["reasons"])
    assert len(client.ask("/explain", rows[0]).json["reasons"]) == 4
    assert len(client.ask("/explain?reasons=1", rows[0]).json["reasons"]) == 1


def test_an_audit_column_is_never_a_reason(client: Client, rows: Any, bundle: VerifiedBundle) -> None:
    audit = {column.name for column in bundle.schema.audit}
    assert audit
    for row in rows[:20]:
        found = client.ask("/explain?reasons=22", row).json
        assert not audit & {one["feature"] for one in found["reasons"]}
        assert not audit & set(found["contributions"])


def test_where_high_is_favourable_reasons_are_what_pulls_down(
    client: Client, body: bytes, bundle: VerifiedBundle
) -> None:
    assert bundle.native is not None
    above = Explainer(bundle.native, bundle.schema, DecisionRule(0.5, "above"))
    row, _, encoded = client.worker.state.predictor.read_row(body)
    found = above.explain(row, encoded.values, 22)
    assert found.reasons
    assert all(one.contribution < 0 for one in found.reasons)
    assert [one.contribution for one in found.reasons] == sorted(one.contribution for one in found.reasons)


def test_contributions_are_those_of_xgboost(client: Client, rows: Any, trained_project: Path) -> None:
    """Which adds them up in float32; the service does without XGBoost."""
    booster = xgboost.Booster({"nthread": 1}, model_file=str(trained_project / "models/model.json"))
    for row in rows[:20]:
        *_, encoded = client.worker.state.predictor.read_row(json.dumps(row).encode())
        matrix = xgboost.DMatrix(
            np.array([encoded.values], dtype=np.float32),
            feature_names=booster.feature_names,
            feature_types=booster.feature_types,
            enable_categorical=True,
        )
        expected = booster.predict(matrix, pred_contribs=True)[0].tolist()
        found = client.ask("/explain", row).json
        assert [*found["contributions"].values(), found["base"]] == pytest.approx(expected, abs=2e-6)


def test_what_chance_does_to_psi_is_the_drift_rules(bundle: VerifiedBundle) -> None:
    from lockgate.drift.drift_rule import null_distribution
    from lockgate.drift.family_error import psi_error

    found = psi_chance(bundle.profile)
    one = bundle.profile.features[0]
    reached = null_distribution(one.counts, 1000).threshold(
        psi_error(bundle.profile.rule.family_error, len(bundle.profile.features))
    )
    assert found[0] * (1 / one.n + 1 / 1000) == pytest.approx(reached)
    assert len(found) == len(bundle.profile.features)


def test_chance_goes_by_the_family_error_of_the_bundle(bundle: VerifiedBundle) -> None:
    rule = msgspec.structs.replace(bundle.profile.rule, family_error=0.5)
    lenient = psi_chance(msgspec.structs.replace(bundle.profile, rule=rule))
    assert all(one < other for one, other in zip(lenient, psi_chance(bundle.profile), strict=True))


@pytest.mark.parametrize("wrong", [0.01, math.nan])
def test_explanations_that_do_not_add_up_are_found_before_the_service_is_ready(
    client: Client, bundle: VerifiedBundle, rows: Any, wrong: float
) -> None:
    assert bundle.native is not None
    explainer = Explainer(bundle.native, bundle.schema, bundle.decision)
    *_, encoded = client.worker.state.predictor.read_row(json.dumps(rows[0]).encode())
    probability = client.worker.state.predictor.model.one(encoded.values)
    values = np.array([encoded.values], dtype=np.float32)
    explainer.verify(values, np.array([probability]))
    with pytest.raises(InputError, match="does not add up to the probabilities in golden"):
        explainer.verify(values, np.array([probability + wrong]))
