"""Whether gate.json is a pass for exactly this bundle, these test data and this policy; believed only when redone."""

from __future__ import annotations

from typing import Any

from pipeline.core.common import layout
from pipeline.core.common.errors import InputError
from pipeline.core.common.files import read_json, sha256_file
from pipeline.core.common.params import Params
from pipeline.core.data.schema import read_schema
from pipeline.core.data.tables import read_stage_table
from pipeline.core.gate.checks import Evidence, Policy, ceiling_checks, floor_checks
from pipeline.core.gate.predictions import Predictions, make_predictions
from pipeline.core.gate.verdict import policy_sha256
from pipeline.core.model.booster import load, score
from pipeline.core.model.bundle import MODEL, SCHEMA, Bundle
from pipeline.core.model.encode import model_frame
from pipeline.core.statistics.metrics import all_metrics

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
    _require_same_decision(result, bundle, policy)
    return result


def _require_same_decision(result: dict[str, Any], bundle: Bundle, policy: Policy) -> None:
    schema = read_schema(bundle.path(SCHEMA))
    test = read_stage_table(layout.TEST_DATA, schema, "test")
    scores = score(load(bundle.path(MODEL).read_bytes()), model_frame(test, schema))
    predictions = Predictions(make_predictions(test, scores, schema, []), bundle.digest, result["data"])
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    evidence = Evidence(predictions, metrics)
    said = {check.get("name"): check for check in result.get("checks", []) if isinstance(check, dict)}
    for check in [*floor_checks(evidence, policy), *ceiling_checks(evidence, policy)]:
        found = said.get(check.name, {})
        if (found.get("status"), found.get("value"), found.get("threshold")) != ("pass", check.value, check.threshold):
            raise InputError(
                f"{layout.GATE}: its check `{check.name}` is not what the bundle's own scores give "
                f"({check.status} at {check.value}); {AGAIN}"
            )
        if check.status != "pass":
            raise InputError(f"{layout.GATE} says pass, but {check.name}: {check.reason}; the bundle is not registered")
    if any(check.get("status") not in ("pass", "warn", "not-applicable") for check in said.values()):
        raise InputError(f"{layout.GATE} says pass although one of its checks did not; {AGAIN}")
