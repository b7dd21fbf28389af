"""Whether a pass is what the bundle's own scores give: whoever registers or ships decides once more, by the same function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from math import isclose
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.params import Params
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import Table
from lockgate.documents.document import JsonValue
from lockgate.documents.gate_check import CHAMPION_DIRECTION, DIRECTION, EXCEPTION, Check, decide
from lockgate.documents.gate_json import ErrorRates, GateResult, NewData
from lockgate.documents.manifest_json import Origin, SourceCheck
from lockgate.gate.checks.champion import beside_both, check_of_difference
from lockgate.gate.checks.direction import champion_direction
from lockgate.gate.error_rates import champion_error_rates
from lockgate.gate.evidence import Features, Policy
from lockgate.gate.judge import judge, policy_sha256
from lockgate.gate.test_set_reuse import TOLERANCE, measure_reuse, with_models
from lockgate.metrics.interval import OK, SMALL_CLASS, Interval, normal_quantile
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import Predictions
from lockgate.model.scored_rows import predict

AGAIN = "run `lockgate gate` again"


def recheck(
    result: GateResult,
    bundle: Bundle,
    features: Features,
    data: str,
    params: Params,
    where: str | Path,
    champion: Predictions | NewData | None = None,
    *,
    today: date | None = None,
) -> None:
    """Score the test rows with the bundle and decide once more; `data` is the sha256 of the file of the test rows.

    champion: its predictions of the same rows, scored now, or why there are none. today: what a policy's exception is held
    against.
    Raises InputError as `require_same_decision` does.
    """
    test = features.test if isinstance(features.test, StageRows) else Table(features.test, "the test rows")
    predictions = predict(bundle, test, params.evaluate, data)
    require_same_decision(result, predictions, features, bundle.manifest.origin, params, where, champion, today=today)


def require_same_decision(
    result: GateResult,
    predictions: Predictions,
    features: Features,
    origin: Origin | None,
    params: Params,
    where: str | Path,
    champion: Predictions | NewData | None = None,
    *,
    today: date | None = None,
) -> None:
    """Decide again on `predictions` of the bundle in hand, scored anew, and compare all of gate.json.

    origin: what the bundle's rows were prepared from, by its manifest.
    Raises InputError unless `result`, read from `where`, is a believed pass for exactly their model, their test data and the
    policy of `params`, and each of its fields is what comes out now: numbers to 1e-9, everything else exactly.
    What cannot be known again is how many models the test set had judged before, and without the champion's predictions
    the comparison with it: its numbers then have to fit each other and the policy, and give nobody the right to replace
    a champion, which is compared when it is replaced.
    """
    policy = Policy(params.evaluate, params.gate)
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
    is_without_reason = result.champion is None and result.new_data is None and not result.first_model
    if is_without_reason and policy.gate.champion.source != "none":
        raise InputError(
            f"{where} compares with no champion, but gate.champion.source is {policy.gate.champion.source}; run "
            "`lockgate gate --champion FILE`, or with --first-model where there is none yet"
        )
    if result.champion == result.model:
        champion = predictions  # the model unchanged: not compared
    again = judge(
        predictions,
        policy,
        champion=result.new_data if champion is None else champion,
        first_model=result.first_model,
        features=features,
        decision=params.decision,
        source=_source(result.source, origin),
        today=today,
    )
    ended = _check_named(again, EXCEPTION)
    if ended is not None and ended.status == "block":
        raise InputError(f"{where} is a pass under an exception to the policy {ended.reason}")
    if champion is None and result.champion is not None:
        again = _with_stated_comparison(again, result, policy, where)
    if again.test_set is not None and result.test_set is not None:
        again = replace(again, test_set=with_models(again.test_set, result.test_set.models))
    _require_equal(result, again, where)


def _source(stated: SourceCheck | None, origin: Origin | None) -> SourceCheck | None:
    """How the bundle's source was held against the one that was there: what was readable then need not be here."""
    if origin is None:
        return None
    if origin.source.sha256 is None:
        return "synthetic"
    return "unreadable" if stated == "unreadable" else "compared"


def _with_stated_comparison(again: GateResult, result: GateResult, policy: Policy, where: str | Path) -> GateResult:
    """`again`, decided without the champion, with the comparison that `result` states, put together from its numbers.

    Raises InputError where a number of it is missing or does not fit the others, or a metric with a margin did not pass.
    """
    rule = policy.gate.champion
    rates = next((rates for rates in result.operating if rates.rule == "champion"), None)
    direction, comparison = _stated_checks(again, result, rates, policy, where)
    checks: list[Check] = []
    for check in again.checks:
        if check.name == DIRECTION:
            checks += [check, direction]
        elif check.kind == "champion":
            checks += comparison
        else:
            checks.append(check)
    operating, test_set = again.operating, again.test_set
    if rates is not None and rates.standard_error is not None and "roc_auc" in rule.margins:
        margin = rule.margins["roc_auc"]
        found = champion_error_rates(rates.standard_error, rates.score_correlation, margin, rule.confidence)
        operating = (*operating, found)
        tolerance = found.worse_by or TOLERANCE
        test_set = measure_reuse((), again.data, again.model, found.standard_error, tolerance, again.confidence)
    return replace(
        again,
        verdict=decide(checks),
        champion=result.champion,
        checks=tuple(checks),
        operating=operating,
        test_set=test_set,
    )


def _stated_checks(
    again: GateResult, result: GateResult, rates: ErrorRates | None, policy: Policy, where: str | Path
) -> tuple[Check, list[Check]]:
    """The checks that the stated numbers of the champion give: of its ranking, and of the differences to it."""
    rule, by_bound = policy.gate.champion, policy.gate.decide_on == "bound"
    stated = {check.metric: check for check in result.checks if check.kind == "champion" and check.metric}
    for metric in rule.margins:
        if metric not in stated or stated[metric].status != "pass":
            raise InputError(f"{where} names a champion, but its {metric} check did not pass; {AGAIN}")
    difference, direction = stated.get("roc_auc"), _check_named(result, CHAMPION_DIRECTION)
    own = _check_named(again, DIRECTION)
    if difference is None or direction is None or own is None or own.value is None or difference.value is None:
        raise InputError(f"{where} names a champion, but lacks its ROC-AUC; {AGAIN}")
    champions = own.value - difference.value
    if not _agree(direction.value, champions):
        raise InputError(f"{where}: the champion's ROC-AUC and the difference to it do not add up; {AGAIN}")
    if rates is not None and rates.standard_error is not None and difference.interval in (OK, SMALL_CLASS):
        reach = normal_quantile(rule.confidence) * rates.standard_error
        ends = [max(difference.value - reach, -1.0), min(difference.value + reach, 1.0)]
        if not _agree([difference.low, difference.high], ends):
            raise InputError(f"{where}: the interval of the difference to the champion is not its own; {AGAIN}")
    found = {name: check_of_difference(name, _interval(check), rule, by_bound) for name, check in stated.items()}
    alike = rates.score_correlation if rates else _stated_correlation(difference.reason)
    reasons = [beside_both(found["roc_auc"], own.value, champions, is_equal, alike) for is_equal in (False, True)]
    # Whether the scores are equal only the champion's predictions tell: either sentence fits the numbers.
    found["roc_auc"] = next((check for check in reasons if check.reason == difference.reason), reasons[0])
    return champion_direction(_interval(direction)), list(found.values())


def _stated_correlation(reason: str) -> float | None:
    """The correlation of the scores in a reason, which holds it alone where ROC-AUC has no margin."""
    found = re.search(r"rank correlation of the scores (-?[01]\.\d{3})\)$", reason)
    return float(found[1]) if found else None


def _check_named(result: GateResult, name: str) -> Check | None:
    return next((check for check in result.checks if check.name == name), None)


def _interval(check: Check) -> Interval:
    return Interval(check.value, check.low, check.high, None, check.interval or OK)


def _require_equal(result: GateResult, again: GateResult, where: str | Path) -> None:
    """Raises InputError naming the first check, or else the first field, of `result` that is not as in `again`."""
    stated = {(check.name, check.slice): check for check in result.checks}
    for check in again.checks:
        found = stated.get((check.name, check.slice))
        if found is None or not _agree(msgspec.to_builtins(found), msgspec.to_builtins(check)):
            raise InputError(
                f"{where}: its check `{check.name}` is not what the bundle's own scores give "
                f"({check.status} at {check.value}); {AGAIN}"
            )
    if [(check.name, check.slice) for check in result.checks] != [(check.name, check.slice) for check in again.checks]:
        raise InputError(f"{where} has a check that this policy does not make, or another order of them; {AGAIN}")
    for name, expected in msgspec.to_builtins(again).items():
        if not _agree(msgspec.to_builtins(getattr(result, name)), expected):
            raise InputError(f"{where}: its `{name}` is not what the bundle's own scores give; {AGAIN}")


def _agree(found: JsonValue, expected: JsonValue) -> bool:
    """Exactly, but for the last digits of numbers that another machine may compute otherwise."""
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and list(found) == list(expected)
            and all(_agree(found[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list | tuple):
        return isinstance(found, list | tuple) and len(found) == len(expected) and all(map(_agree, found, expected))
    if isinstance(expected, bool) or not isinstance(expected, float | int) or not isinstance(found, float | int):
        return bool(found == expected and type(found) is type(expected))
    return not isinstance(found, bool) and isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
