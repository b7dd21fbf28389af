"""`lockgate gate`: the verdict on the predictions in hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli.command import Command, existing_file, params_option, say, warn
from lockgate.config import layout
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import readable_json, write_files
from lockgate.config.params import read_params, read_policy
from lockgate.gate.decide import blocking_reasons, gate_result
from lockgate.gate.evidence import Policy, foreign_evidence, own_evidence
from lockgate.gate.test_set_wear import TOLERANCE, identity_of_test_set, read_history, wear, with_decision
from lockgate.model.predictions import champion_predictions, foreign_predictions
from lockgate.registry.mlflow_client import connect
from lockgate.registry.shared_test_set_wear import has_server, read_decisions, record_decision

if TYPE_CHECKING:
    from lockgate.gate.evidence import Evidence, Policy


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
    decisions = read_history(layout.TEST_SET_HISTORY)
    server = _server()
    foreign = foreign_predictions(predictions_path, "--predictions") if predictions_path else None
    evidence = own_evidence(params, policy) if foreign is None else foreign_evidence(foreign, params, policy)
    champion = champion_predictions(champion_path) if champion_path else None
    evidence = replace(evidence, champion=champion, first_model=first_model)
    result = gate_result(evidence, policy, str(predictions_path) if predictions_path else None)
    name, test_set = params.register_.model_name, identity_of_test_set(evidence.predictions, foreign is not None)
    shared = read_decisions(server, name, test_set) if server else []
    history = _count(result, evidence, policy, [*decisions, *shared], test_set)
    for decision in history["decisions"] if server else []:
        if decision["test_set"] == test_set and decision not in shared:
            record_decision(server, name, decision)
    files = {layout.GATE.name: readable_json(result), layout.TEST_SET_HISTORY.name: readable_json(history)}
    if foreign is not None:
        files[layout.METRICS.name] = readable_json(dict(evidence.metrics))
    write_files(layout.REPORTS, files)
    say(gate_table(result))
    if result["verdict"] == "pass":
        return
    message = f"the gate says {result['verdict']}: " + "; ".join(blocking_reasons(result))
    if result["verdict"] == "inconclusive" and policy.gate.inconclusive == "warn":
        warn(f"{message} (gate.inconclusive is warn; registering still needs a pass)")
        return
    raise GateBlockedError(message)


def _server() -> Any:
    """A client of the MLflow server, if there is one: asked first, so that nothing is decided if it is away."""
    return connect() if has_server() else None


def _count(
    result: dict[str, Any], evidence: Evidence, policy: Policy, decisions: list[dict[str, str]], test_set: str
) -> Any:
    """Put the wear of the test set into `result`; the history with this decision. Stale predictions decide nothing."""
    new = {"test_set": test_set, "model": result["model"], "policy": result["policy"], "verdict": result["verdict"]}
    after = with_decision(decisions, new) if not evidence.stale else with_decision(decisions)
    champion = next((found for found in result["operating"] if found["rule"] == "champion"), None)
    auc = evidence.intervals.get("roc_auc")
    error = champion["standard_error"] if champion else auc.standard_error if auc else None
    tolerance = champion["worse_by"] if champion else TOLERANCE
    result["test_set"] = wear(
        after["decisions"], test_set, result["model"], error, tolerance, policy.evaluate.confidence
    )
    return after


def gate_table(result: dict[str, Any]) -> str:
    """The checks as a table for a terminal."""
    titles = [f"{check['name']}{' ' + check['slice'] if check['slice'] else ''}" for check in result["checks"]]
    width = max(map(len, titles), default=0)
    lines = [f"gate: {result['verdict']}  (model {result['model'][:12]}, {result['n']:,} rows)"]
    for title, check in zip(titles, result["checks"], strict=True):
        value = "-" if check["value"] is None else f"{check['value']:.4f}"
        interval = "" if check["low"] is None else f"[{check['low']:.4f}, {check['high']:.4f}]"
        bar = "" if check["threshold"] is None else f"{check['op']} {check['threshold']:g}"
        lines.append(f"  {title:<{width}}  {value:>7} {interval:<18} {bar:<10} {check['status']:<14} {check['reason']}")
    return "\n".join(lines)


if __name__ == "__main__":
    gate()
