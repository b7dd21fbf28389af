"""`lockgate gate`: the verdict on the predictions in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lockgate.cli.command import Command, existing_file, params_option, say, warn
from lockgate.config import layout
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import sha256_file, write_files
from lockgate.config.params import read_params, read_policy
from lockgate.data.origin import source_name
from lockgate.documents.gate_json import GateResult
from lockgate.documents.metrics_json import metrics_to_bytes
from lockgate.documents.test_set_history_json import DecisionHistory, PastDecision
from lockgate.gate.evidence import Policy, features_of
from lockgate.gate.judge import judge
from lockgate.gate.test_set_reuse import history_of, identity_of_test_set
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import (
    MEND,
    Predictions,
    read_champion_predictions,
    read_evaluated_predictions,
    read_predictions_table,
)
from lockgate.project import Project
from lockgate.registry.mlflow_client import connect
from lockgate.registry.shared_decisions import has_server, read_decisions, record_decision


@click.command(cls=Command)
@params_option
@existing_file(
    "Judge this table (y_true, y_score; CSV or Parquet) from any model instead of the bundle's.",
    "--predictions",
    "predictions_path",
)
@existing_file("The champion's predictions of the same rows, joined by row_key.", "--champion", "champion_path")
@existing_file(
    "Take `evaluate` and `gate` from this params file, such as the base commit's.", "--policy", "policy_path"
)
@click.option("--first-model", is_flag=True, help="Declare that there is no champion yet; the thresholds alone decide.")
def gate(
    params_path: Path,
    predictions_path: Path | None,
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
        lockgate gate --champion base/predictions.parquet --policy base/params.yaml
    """
    if champion_path and first_model:
        raise InputError("--champion and --first-model contradict each other; keep one")
    params = read_params(params_path)
    policy = Policy(*read_policy(policy_path)) if policy_path else Policy(params.evaluate, params.gate)
    history = _read_history()
    server = connect() if has_server() else None  # asked first, so that nothing is decided if it is away
    champion = read_champion_predictions(champion_path) if champion_path else None
    table = str(predictions_path) if predictions_path else None
    predictions = (
        read_predictions_table(predictions_path, "--predictions")
        if predictions_path
        else read_evaluated_predictions(layout.PREDICTIONS)
    )
    test_set = identity_of_test_set(predictions, is_project_data=table is None)
    shared = read_decisions(server, params.register_.model_name, test_set) if server else []
    history += shared
    options: dict[str, Any] = {"champion": champion, "first_model": first_model, "history": history}
    if table is not None:
        audited = tuple(name for name in params.prepare.audit_columns if name in predictions.table.columns)
        options |= {"audit_columns": audited, "table": table}
    else:
        options |= _about_the_bundle(predictions, Project(settings=params_path))
    result = judge(predictions, policy, decision=params.decision, **options)
    decided = history_of(history, result)
    if server:
        _share(
            server, params.register_.model_name, [one for one in decided.decisions if one.test_set == test_set], shared
        )
    files = {layout.GATE.name: result.to_bytes(), layout.TEST_SET_HISTORY.name: decided.to_bytes()}
    if table is not None:
        metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
        files[layout.METRICS.name] = metrics_to_bytes(metrics)
    write_files(layout.REPORTS, files)
    say(gate_table(result))
    _end(result, policy)


def _about_the_bundle(predictions: Predictions, project: Project) -> dict[str, Any]:
    """What the bundle's model saw, or why the predictions are not of the bundle and of what is there now."""
    bundle, params = project.bundle, project.params
    if not layout.TEST_DATA.is_file():
        raise InputError(f"{layout.TEST_DATA} does not exist, so nothing says what was predicted; {MEND}")
    found = project.staleness
    stale = [f"{reason}; run `dvc repro`" for reason in found.reasons]
    if predictions.model != bundle.digest:
        judged = str(predictions.model)[:12]
        stale.append(f"the predictions are of model {judged}, not of {bundle.digest[:12]}; evaluate again")
    elif predictions.data != sha256_file(layout.TEST_DATA):
        stale.append(f"the predictions are of other test data than {layout.TEST_DATA}; evaluate again")
    if found.source == "unreadable":
        warn(
            f"{source_name(params.prepare.source)} cannot be read here; that {layout.DATA}/ is of it is what its hashes say"
        )
    seen = {} if stale else {"features": features_of(bundle, params)}
    return {"stale": stale, "source": found.source, **seen}


def _read_history() -> list[PastDecision]:
    if not layout.TEST_SET_HISTORY.exists():
        return []
    return list(DecisionHistory.read_file(layout.TEST_SET_HISTORY).decisions)


def _share(server: Any, model_name: str, decisions: list[PastDecision], shared: list[PastDecision]) -> None:
    for decision in decisions:
        if decision not in shared:
            record_decision(server, model_name, decision)


def _end(result: GateResult, policy: Policy) -> None:
    if result.verdict == "pass":
        return
    message = f"the gate says {result.verdict}: " + "; ".join(result.blocking_reasons())
    if result.verdict == "inconclusive" and policy.gate.inconclusive == "warn":
        warn(f"{message} (gate.inconclusive is warn; registering still needs a pass)")
        return
    raise GateBlockedError(message)


def gate_table(result: GateResult) -> str:
    """The checks as a table for a terminal."""
    titles = [f"{check.name} {check.slice}" if check.slice else check.name for check in result.checks]
    width = max(map(len, titles), default=0)
    lines = [f"gate: {result.verdict}  (model {result.model[:12]}, {result.n:,} rows)"]
    for title, check in zip(titles, result.checks, strict=True):
        value = "-" if check.value is None else f"{check.value:.4f}"
        interval = "" if check.low is None or check.high is None else f"[{check.low:.4f}, {check.high:.4f}]"
        bar = "" if check.threshold is None else f"{check.op} {check.threshold:g}"
        lines.append(f"  {title:<{width}}  {value:>7} {interval:<18} {bar:<10} {check.status:<14} {check.reason}")
    return "\n".join(lines)


if __name__ == "__main__":
    gate()
