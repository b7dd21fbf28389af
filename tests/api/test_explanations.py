"""Why: contributions that add up to the score, and reasons that a person can read."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from serving import Client

from lockgate.documents.schema_json import DecisionRule
from lockgate.model.flavours.xgboost import XGBoostModel
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.scoring import deferred_loading
from lockgate.service.scoring.explainer import Explainer


@pytest.fixture
def explaining(client: Client) -> Client:
    """A service whose XGBoost is loaded."""
    deferred_loading.load_native_model(client.worker.predictor, client.worker.state)
    return client


def test_contributions_add_up_to_the_log_odds_of_the_prediction(explaining: Client, rows: Any) -> None:
    for row in rows[:50]:
        found = explaining.ask("/explain", row).json
        predicted = explaining.ask("/predict", row).json
        log_odds = found["base"] + sum(found["contributions"].values())
        assert log_odds == pytest.approx(math.log(predicted["probability"] / (1 - predicted["probability"])), abs=1e-5)
        assert found["probability"] == pytest.approx(predicted["probability"], abs=1e-6)
        assert found["decision"] == predicted["decision"]


def test_reasons_are_the_worst_features_worded_by_the_schema(
    explaining: Client, rows: Any, bundle: VerifiedBundle
) -> None:
    texts = {feature.name: feature.text for feature in bundle.schema.features}
    found = explaining.ask("/explain?reasons=22", rows[0]).json
    adverse = {name: value for name, value in found["contributions"].items() if value > 0}
    assert {one["feature"]: one["contribution"] for one in found["reasons"]} == adverse
    sizes = [one["contribution"] for one in found["reasons"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(one["text"] == texts[one["feature"]] for one in found["reasons"])
    assert all(one["value"] == rows[0][one["feature"]] for one in found["reasons"])
    assert len(explaining.ask("/explain", rows[0]).json["reasons"]) == 4
    assert len(explaining.ask("/explain?reasons=1", rows[0]).json["reasons"]) == 1


def test_an_audit_column_is_never_a_reason(explaining: Client, rows: Any, bundle: VerifiedBundle) -> None:
    audit = {column.name for column in bundle.schema.audit}
    assert audit
    for row in rows[:20]:
        found = explaining.ask("/explain?reasons=22", row).json
        assert not audit & {one["feature"] for one in found["reasons"]}
        assert not audit & set(found["contributions"])


def test_where_high_is_favourable_reasons_are_what_pulls_down(
    explaining: Client, body: bytes, bundle: VerifiedBundle
) -> None:
    model = XGBoostModel.from_files(bundle.contents)
    above = Explainer(model, bundle.schema, DecisionRule(0.5, "above"))
    row, encoded = explaining.worker.predictor.read_row(body)
    found = above.explain(row, encoded.values, 22)
    assert found.reasons
    assert all(one.contribution < 0 for one in found.reasons)
    assert [one.contribution for one in found.reasons] == sorted(one.contribution for one in found.reasons)


def test_before_xgboost_is_loaded_it_says_when_to_come_back(client: Client, body: bytes) -> None:
    answer = client.ask("/explain", body)
    assert (answer.status, answer.headers["retry-after"], answer.json["code"]) == (503, "1", "not-loaded")


def test_what_chance_does_to_psi_is_the_drift_rules(bundle: VerifiedBundle) -> None:
    from lockgate.drift.drift_rule import null_distribution

    found = deferred_loading.psi_chance(bundle.profile)
    one = bundle.profile.features[0]
    reached = null_distribution(one.counts, 1000).threshold(
        bundle.profile.rule.family_error / len(bundle.profile.features)
    )
    assert found[0] * (1 / one.n + 1 / 1000) == pytest.approx(reached)
    assert len(found) == len(bundle.profile.features)


def test_chance_goes_by_the_family_error_of_the_bundle(bundle: VerifiedBundle) -> None:
    rule = msgspec.structs.replace(bundle.profile.rule, family_error=0.5)
    lenient = deferred_loading.psi_chance(msgspec.structs.replace(bundle.profile, rule=rule))
    assert all(one < other for one, other in zip(lenient, deferred_loading.psi_chance(bundle.profile), strict=True))
