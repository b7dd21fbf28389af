"""The verdict on predictions: every check of the policy, and what follows from them. Values in, a value out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.files import canonical_json, sha256_bytes
from lockgate.config.params import Decision
from lockgate.documents.gate_check import decide
from lockgate.documents.gate_json import ErrorRates, GateResult, NewData, Reuse
from lockgate.documents.manifest_json import SourceCheck
from lockgate.documents.schema_json import DecisionRule
from lockgate.documents.test_set_history_json import PastDecision
from lockgate.gate.checks.champion import new_data_rule
from lockgate.gate.checks.exception import accepted_exception
from lockgate.gate.checks.registry import run_checks
from lockgate.gate.checks.slice import slice_table
from lockgate.gate.error_rates import measured_error_rates
from lockgate.gate.evidence import Evidence, Features, Policy, measured_intervals, with_columns
from lockgate.gate.test_set_reuse import TOLERANCE, identity_of_test_set, measure_reuse
from lockgate.gate.threshold_table import threshold_table
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions, predictions_of_frame

UNNAMED_TABLE = "a table of predictions"


def judge(
    predictions: Predictions | pd.DataFrame,
    policy: Policy | None = None,
    *,
    champion: Predictions | pd.DataFrame | NewData | None = None,
    first_model: bool = False,
    features: Features | None = None,
    decision: Decision | None = None,
    audit_columns: Sequence[str] = (),
    stale: Sequence[str] = (),
    source: SourceCheck | None = None,
    history: Iterable[PastDecision] = (),
    table: str | None = None,
    weight_column: str | None = None,
    today: date | None = None,
) -> GateResult:
    """Judge the predictions of one model on one test set.

    predictions: one row a test row, with `y_true` (0 or 1) and `y_score` (probability of 1, 0 to 1), if wanted `row_key`
        (unique; a champion is joined by it), and the columns that the policy slices by.
    policy: what is demanded; without it the defaults of the sections `evaluate` and `gate`.
    champion: the same rows scored by the model to beat, or why the data are defined anew, so that it can score none;
        `gate.champion.new_data` then says whether the thresholds decide. first_model: there is no such model yet.
    features: what the model saw, for the checks that ask whether it saw too much.
    decision: at which score the decision turns, for fairness. audit_columns: columns whose groups are compared; those of
        the features' schema where there are features.
    stale: why the predictions are not of the model, settings, source and data in hand. Nothing stale passes.
    source: how the model's source was held against the one that is there now.
    history: what was decided on this test set before. table: the name of a table that no bundle of a project made;
        a data frame is always one. weight_column: the column of such a data frame that says how much each row counts
        (above 0); without it all rows count equally, whatever columns there are.
    today: the day, in UTC, that a policy's exception is held against; without it such a policy blocks.

    Raises InputError where a table lacks a column or holds a value out of range, a champion was scored on other rows, the
    data of another model are defined anew, or the policy names a column that is not there.
    """
    policy = policy or Policy()
    if isinstance(predictions, pd.DataFrame):
        table = table or UNNAMED_TABLE
        predictions = predictions_of_frame(predictions, table, weight_column)
    if isinstance(champion, pd.DataFrame):
        champion = predictions_of_frame(champion, "the champion's table")
    if isinstance(champion, NewData) and champion.model != predictions.model:
        raise InputError(
            f"that the data are defined anew was found for model {champion.model[:12]}, not for {str(predictions.model)[:12]}; "
            "run `lockgate champion` again"
        )
    if features is not None:
        predictions = with_columns(predictions, features.test, policy.evaluate)
        audit_columns = [column.name for column in features.schema.audit]
    evidence = Evidence(
        predictions,
        all_metrics(predictions.y_true, predictions.y_score, predictions.weight),
        {} if stale else measured_intervals(predictions, policy.evaluate),
        decision or Decision(),
        tuple(audit_columns),
        None if isinstance(champion, NewData) else champion,
        first_model,
        champion if isinstance(champion, NewData) else None,
        features,
        tuple(stale),
        today,
    )
    test_set = identity_of_test_set(predictions, is_project_data=table is None)
    return _result(evidence, policy, table, source, test_set, history)


def policy_sha256(policy: Policy) -> str:
    """The identity of a policy, defaults filled in: sha256 of its canonical JSON."""
    return sha256_bytes(
        canonical_json({"evaluate": policy.evaluate.model_dump(), "gate": policy.gate.model_dump(mode="json")})
    )


def _result(
    evidence: Evidence,
    policy: Policy,
    table: str | None,
    source: SourceCheck | None,
    test_set: str,
    history: Iterable[PastDecision],
) -> GateResult:
    checks = run_checks(evidence, policy)
    rates = measured_error_rates(evidence, policy)
    return GateResult(
        verdict=decide(checks),
        model=str(evidence.predictions.model),
        data=str(evidence.predictions.data),
        predictions=table,
        policy=policy_sha256(policy),
        params=evidence.features.params if evidence.features else None,
        n=int(evidence.metrics["n"]),
        positives=int(evidence.metrics["positives"]),
        weight=evidence.predictions.weight_column,
        confidence=policy.evaluate.confidence,
        decide_on=policy.gate.decide_on,
        inconclusive=policy.gate.inconclusive,
        exception=accepted_exception(policy),
        champion=evidence.champion.model if evidence.champion else None,
        first_model=evidence.first_model,
        new_data=evidence.new_data,
        new_data_rule=new_data_rule(policy.gate.champion, evidence.new_data) if evidence.new_data else None,
        decision=DecisionRule(evidence.decision.threshold, evidence.decision.favourable),
        checks=tuple(checks),
        slices=slice_table(evidence, policy),
        operating=tuple(rates),
        thresholds=threshold_table(evidence, policy),
        stale=evidence.stale,
        source=source,
        test_set=_reuse(evidence, policy, rates, test_set, history),
    )


def _reuse(
    evidence: Evidence, policy: Policy, rates: Sequence[ErrorRates], test_set: str, history: Iterable[PastDecision]
) -> Reuse:
    """The margin is what the test set has to tell apart; without a champion a customary tolerance of ROC-AUC."""
    against_champion = next((found for found in rates if found.rule == "champion"), None)
    auc = evidence.intervals.get("roc_auc")
    error = against_champion.standard_error if against_champion else auc.standard_error if auc else None
    tolerance = (against_champion.worse_by if against_champion else None) or TOLERANCE
    model = str(evidence.predictions.model)
    return measure_reuse(history, test_set, model, error, tolerance, policy.evaluate.confidence)
