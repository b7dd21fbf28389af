"""Whether gate.json is a pass for exactly this bundle, these test data and this policy; believed only when redone."""

from __future__ import annotations

from math import isclose
from typing import Any

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import read_json, sha256_file
from lockgate.config.params import Params
from lockgate.gate.checks.registry import REPEATABLE, run_checks
from lockgate.gate.decide import DECIDING, policy_sha256
from lockgate.gate.evidence import Check, Evidence, Policy, features_of, measured_intervals
from lockgate.metrics.metrics import all_metrics
from lockgate.model.booster import load, score
from lockgate.model.bundle import MODEL, Bundle
from lockgate.model.encode import model_frame
from lockgate.model.predictions import Predictions, make_predictions

ACCEPTED = ("pass", "warn", "not-applicable")
AGAIN = "run `lockgate gate` again"


def require_pass(bundle: Bundle, params: Params) -> dict[str, Any]:
    """The content of gate.json, after scoring the test rows and taking the decision once more.

    Raises InputError where it is missing, not a pass, of another model, test data or policy, or not what the
    bundle's own scores say.
    """
    path = layout.GATE
    result = read_json(path, "run `lockgate gate` first: only what passed is registered")
    if result.get("verdict") != "pass":
        raise InputError(f"{path} says {result.get('verdict')!r}: only a bundle whose gate passed is registered")
    policy = Policy(params.evaluate, params.gate)
    expected = {
        "model": (bundle.digest, "another model than models/"),
        "data": (sha256_file(layout.TEST_DATA) if layout.TEST_DATA.is_file() else None, "other test data"),
        "policy": (policy_sha256(policy), "another policy than params.yaml"),
    }
    for key, (value, what) in expected.items():
        if result.get(key) != value:
            raise InputError(f"{path} is a verdict on {what} ({key} differs); {AGAIN}")
    _require_same_decision(result, bundle, params, policy)
    return result


def _require_same_decision(result: dict[str, Any], bundle: Bundle, params: Params, policy: Policy) -> None:
    features = features_of(bundle, params)
    scores = score(load(bundle.contents[MODEL]), model_frame(features.test, features.schema))
    table = make_predictions(features.test, scores, features.schema, params.evaluate)
    predictions = Predictions(table, bundle.digest, result["data"])
    evidence = Evidence(
        predictions,
        all_metrics(predictions.y_true, predictions.y_score, predictions.weight),
        measured_intervals(predictions, policy.evaluate),
        params.decision,
        tuple(column.name for column in features.schema.audit),
        features=features,
    )
    said = [check for check in result.get("checks", []) if isinstance(check, dict)]
    again = run_checks(evidence, policy, REPEATABLE)
    for check in again:
        found = next((one for one in said if (one.get("name"), one.get("slice")) == (check.name, check.slice)), {})
        if not _agree(found, check):
            raise InputError(
                f"{layout.GATE}: its check `{check.name}` is not what the bundle's own scores give "
                f"({check.status} at {check.value}); {AGAIN}"
            )
        if check.status not in ACCEPTED:
            raise InputError(f"{layout.GATE} says pass, but {check.name}: {check.reason}; the bundle is not registered")
    if any(check.get("status") not in ACCEPTED for check in said):
        raise InputError(f"{layout.GATE} says pass although one of its checks did not; {AGAIN}")
    champions = [check for check in said if check.get("kind") == "champion"]
    known = {(check.name, check.slice) for check in again}
    if any((one.get("name"), one.get("slice")) not in known for one in said if one not in champions):
        raise InputError(f"{layout.GATE} has a check that this policy does not make; {AGAIN}")
    _require_champion(result, champions, policy)
    if not any(check.get("status") == "pass" and check.get("kind") in DECIDING for check in said):
        raise InputError(f"{layout.GATE} says pass, but rests on no check that could decide; {AGAIN}")


def _require_champion(result: dict[str, Any], checks: list[dict[str, Any]], policy: Policy) -> None:
    """The comparison cannot be made again without the champion's predictions: it has to be there, whole and passed."""
    rule = policy.gate.champion
    if result.get("champion") is None:
        if rule.source != "none" and result.get("first_model") is not True:
            raise InputError(
                f"{layout.GATE} compares with no champion, but gate.champion.source is {rule.source}; run "
                "`lockgate gate --champion FILE`, or with --first-model where there is none yet"
            )
        return
    by_metric = {check.get("metric"): check for check in checks}
    for metric, margin in rule.margins.items():
        check = by_metric.get(metric, {})
        bar = margin if metric == "brier" else -margin
        end, sign = (check.get("high"), -1) if metric == "brier" else (check.get("low"), 1)
        held = isinstance(end, int | float) and sign * end >= -margin
        if check.get("status") != "pass" or check.get("threshold") != bar or not held:
            raise InputError(f"{layout.GATE} names a champion, but its {metric} check did not pass; {AGAIN}")


def _agree(found: dict[str, Any], check: Check) -> bool:
    """Exactly, but for the last digits of numbers that another machine may compute otherwise."""
    names = ("kind", "metric", "op", "status", "interval")
    if any(found.get(name) != getattr(check, name) for name in names):
        return False
    return all(
        _close(found.get(name), getattr(check, name)) for name in ("value", "low", "high", "threshold", "confidence")
    )


def _close(found: Any, expected: float | None) -> bool:
    if expected is None or not isinstance(found, int | float):
        return found is expected
    return isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
