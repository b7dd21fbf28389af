"""`lockgate gate`: the verdict on the predictions in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from lockgate.cli.command import Command, existing_file, params_option, say, warn
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.params import Params, read_policy
from lockgate.documents.gate_json import GateResult
from lockgate.documents.manifest_json import SourceCheck
from lockgate.documents.text import format_metric
from lockgate.gate.evidence import Features, Policy
from lockgate.gate.judge import judge
from lockgate.gate.test_set_reuse import history_of, identity_of_test_set
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions, read_champion_table, read_predictions_table, unused_weight
from lockgate.project import Project
from lockgate.registry.shared_decisions import read_shared_decisions


@click.command(cls=Command)
@params_option
@existing_file(
    "Judge this table (y_true, y_score; CSV or Parquet) from any model instead of the bundle's.",
    "--predictions",
    "predictions_path",
)
@click.option(
    "--weight", help="The column of --predictions that says how much each row counts; without it, all equally."
)
@existing_file("The champion's predictions of the same rows, joined by row_key.", "--champion", "champion_path")
@existing_file(
    "Take `evaluate` and `gate` from this params file, such as the base commit's.", "--policy", "policy_path"
)
@click.option("--first-model", is_flag=True, help="Declare that there is no champion yet; the thresholds alone decide.")
def gate(
    params_path: Path,
    predictions_path: Path | None,
    weight: str | None,
    champion_path: Path | None,
    policy_path: Path | None,
    first_model: bool,
) -> None:
    """Decide pass, block or inconclusive, and write reports/gate.json.

    Ends with exit code 3 unless the verdict is pass; where it is inconclusive and `gate.inconclusive` is warn, with 0
    and a warning.

    \b
    Examples:
        lockgate gate
        lockgate gate --predictions scores.csv
        lockgate gate --predictions scores.csv --weight exposure
        lockgate gate --champion base/predictions.parquet --policy base/params.yaml
    """
    if weight and predictions_path is None:
        raise InputError("--weight goes with --predictions; for the project's own data set prepare.weight_column")
    if champion_path and first_model:
        raise InputError("--champion and --first-model contradict each other; keep one")
    project = Project(settings=params_path)
    params = project.params if predictions_path is None else project.params_or_defaults
    policy = Policy(*read_policy(policy_path)) if policy_path else Policy(params.evaluate, params.gate)
    champion = read_champion_table(champion_path, prepare=params.prepare) if champion_path else None
    judged = _bundle(project) if predictions_path is None else _table(predictions_path, weight, params, policy)
    test_set = identity_of_test_set(judged.predictions, is_project_data=predictions_path is None)
    shared = read_shared_decisions(params.register_.model_name, test_set)
    decisions = [*project.read_decisions(), *(shared.known if shared else ())]
    result = judge(
        judged.predictions,
        policy,
        champion=champion,
        first_model=first_model,
        features=judged.features,
        decision=params.decision,
        audit_columns=judged.audit_columns,
        stale=judged.stale,
        source=judged.source,
        history=decisions,
        table=judged.table,
        today=project.today,
    )
    history = history_of(decisions, result)
    if shared:
        shared.add(history.decisions)
    project.write_verdict(result, history, judged.metrics)
    say(*gate_table(result))
    _end(result, policy)


@dataclass(frozen=True)
class Judged:
    """What is judged: a project's bundle by its predictions, or the `table` of any model, with what is known of either.

    `metrics` are None where an evaluation wrote them.
    """

    predictions: Predictions
    table: str | None = None
    features: Features | None = None
    audit_columns: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    source: SourceCheck | None = None
    metrics: Mapping[str, float] | None = None


def _bundle(project: Project) -> Judged:
    predictions = project.read_predictions()
    stale = project.staleness_of(predictions)
    features = None if stale.reasons else project.read_features(project.bundle)
    return Judged(predictions, features=features, stale=tuple(stale.reasons), source=stale.source)


def _table(path: Path, weight: str | None, params: Params, policy: Policy) -> Judged:
    wanted = {*policy.evaluate.slices, *(policy.evaluate.fairness or ()), *params.prepare.audit_columns}
    predictions = read_predictions_table(path, "--predictions", weight, params.prepare, wanted)
    if unused := unused_weight(predictions):
        warn(f"{path}: {unused}")
    audit_columns = tuple(name for name in params.prepare.audit_columns if name in predictions.table.columns)
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    return Judged(predictions, str(path), audit_columns=audit_columns, metrics=metrics)


def _end(result: GateResult, policy: Policy) -> None:
    if result.verdict == "pass":
        return
    message = f"the gate says {result.verdict}: " + "; ".join(result.blocking_reasons())
    if result.verdict == "inconclusive" and policy.gate.inconclusive == "warn":
        warn(f"{message} (gate.inconclusive is warn; registering still needs a pass)")
        return
    raise GateBlockedError(message)


def gate_table(result: GateResult) -> list[str]:
    """The checks as a table for a terminal."""
    titles = [f"{check.name} {check.slice}" if check.slice else check.name for check in result.checks]
    width = max(map(len, titles), default=0)
    lines = [f"gate: {result.verdict}  (model {result.model[:12]}, {result.n:,} rows)"]
    for title, check in zip(titles, result.checks, strict=True):
        value = "-" if check.value is None else format_metric(check.value)
        interval = "" if check.low is None or check.high is None else f"[{check.low:.4f}, {check.high:.4f}]"
        bar = "" if check.threshold is None else f"{check.op} {check.threshold:g}"
        lines.append(f"  {title:<{width}}  {value:>7} {interval:<18} {bar:<10} {check.status:<14} {check.reason}")
    return lines


if __name__ == "__main__":
    gate()
