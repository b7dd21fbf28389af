"""Whether a pass is what the bundle's own scores give: whoever registers or ships decides once more."""

from __future__ import annotations

from math import isclose
from pathlib import Path

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.metric_names import METRICS
from lockgate.config.params import Params
from lockgate.documents.gate_json import Check, GateResult
from lockgate.gate.checks.registry import REPEATABLE, run_checks
from lockgate.gate.evidence import Evidence, Features, Policy, measured_intervals
from lockgate.gate.judge import policy_sha256
from lockgate.metrics.metrics import all_metrics
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import make_predictions
from lockgate.model.scoring import score_bundle

AGAIN = "run `lockgate gate` again"


def recheck(
    result: GateResult, bundle: Bundle, features: Features, data: str, params: Params, where: str | Path
) -> None:
    """Score the test rows with the bundle and decide once more; `data` is the sha256 of the file of the test rows.

    Raises InputError as `require_same_decision` does.
    """
    scores = score_bundle(bundle, features.test)
    predictions = make_predictions(features.test, scores, features.schema, params.evaluate, bundle.digest, data)
    policy = Policy(params.evaluate, params.gate)
    evidence = Evidence(
        predictions,
        all_metrics(predictions.y_true, predictions.y_score, predictions.weight),
        measured_intervals(predictions, policy.evaluate),
        params.decision,
        tuple(column.name for column in features.schema.audit),
        features=features,
    )
    require_same_decision(result, evidence, policy, where)


def require_same_decision(result: GateResult, evidence: Evidence, policy: Policy, where: str | Path) -> None:
    """Decide again on `evidence` of the bundle in hand, scored anew.

    Raises InputError unless `result`, read from `where`, is a believed pass for exactly its model, its test data and
    `policy`, with each check and number that come out now. The comparison with a champion cannot be made again without
    the champion's predictions: it has to be there, whole and passed.
    """
    predictions = evidence.predictions
    if result.data != predictions.data:
        raise InputError(f"{where} is a verdict on other test data (data differs); {AGAIN}")
    if result.policy != policy_sha256(policy):
        raise InputError(f"{where} is a verdict under another policy than params.yaml (policy differs); {AGAIN}")
    try:
        result.require_pass(
            str(predictions.model), where, f"{AGAIN}: only a bundle that passed is registered or shipped"
        )
    except GateBlockedError as blocked:
        raise InputError(str(blocked)) from None
    again = run_checks(evidence, policy, REPEATABLE)
    stated = {(check.name, check.slice): check for check in result.checks}
    if len(stated) < len(result.checks):
        raise InputError(f"{where} has a check twice; {AGAIN}")
    for check in again:
        if not _agree(stated.get((check.name, check.slice)), check):
            raise InputError(
                f"{where}: its check `{check.name}` is not what the bundle's own scores give "
                f"({check.status} at {check.value}); {AGAIN}"
            )
    known = {(check.name, check.slice) for check in again}
    if any((one.name, one.slice) not in known for one in result.checks if one.kind != "champion"):
        raise InputError(f"{where} has a check that this policy does not make; {AGAIN}")
    _require_champion(result, policy, where)


def _require_champion(result: GateResult, policy: Policy, where: str | Path) -> None:
    rule = policy.gate.champion
    if result.champion is None:
        if rule.source != "none" and not result.first_model:
            raise InputError(
                f"{where} compares with no champion, but gate.champion.source is {rule.source}; run "
                "`lockgate gate --champion FILE`, or with --first-model where there is none yet"
            )
        return
    compared = {check.metric: check for check in result.checks if check.kind == "champion" and check.status == "pass"}
    for metric, margin in rule.margins.items():
        check = compared.get(metric)
        if check is None or check.threshold != (margin if METRICS[metric].direction == "lower" else -margin):
            raise InputError(f"{where} names a champion, but its {metric} check did not pass; {AGAIN}")


def _agree(found: Check | None, check: Check) -> bool:
    """Exactly, but for the last digits of numbers that another machine may compute otherwise."""
    if found is None:
        return False
    if (found.kind, found.metric, found.op, found.status, found.interval) != (
        check.kind,
        check.metric,
        check.op,
        check.status,
        check.interval,
    ):
        return False
    pairs = (
        (found.value, check.value),
        (found.low, check.low),
        (found.high, check.high),
        (found.threshold, check.threshold),
        (found.confidence, check.confidence),
    )
    return all(_close(*pair) for pair in pairs)


def _close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
