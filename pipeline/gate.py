"""`lockgate gate`: the verdict on the predictions in hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.command import Command, existing_file, params_option, say

if TYPE_CHECKING:
    from pipeline.core.gate.checks import Evidence


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
def gate(
    params_path: Path, predictions_path: Path | None, champion_path: Path | None, policy_path: Path | None
) -> None:
    """Decide pass or block, and write reports/gate.json.

    Ends with exit code 3 unless the verdict is pass.

    \b
    Examples:
        lockgate gate
        lockgate gate --predictions scores.csv
        lockgate gate --champion base/predictions.parquet --policy base/params.yaml
    """
    from pipeline.core.common import layout
    from pipeline.core.common.errors import GateBlockedError
    from pipeline.core.common.files import readable_json, write_files
    from pipeline.core.common.params import read_params, read_policy
    from pipeline.core.gate.checks import Policy
    from pipeline.core.gate.predictions import foreign_predictions
    from pipeline.core.gate.verdict import blocking_reasons, gate_result

    params = read_params(params_path)
    policy = Policy(*read_policy(policy_path)) if policy_path else Policy(params.evaluate, params.gate)
    champion = foreign_predictions(champion_path, "--champion") if champion_path else None
    evidence = _foreign_evidence(predictions_path, champion) if predictions_path else own_evidence(champion)
    result = gate_result(evidence, policy, str(predictions_path) if predictions_path else None)
    files = {layout.GATE.name: readable_json(result)}
    if predictions_path:
        files[layout.METRICS.name] = readable_json(dict(evidence.metrics))
    write_files(layout.REPORTS, files)
    say(gate_table(result))
    if result["verdict"] != "pass":
        raise GateBlockedError(f"the gate says {result['verdict']}: " + "; ".join(blocking_reasons(result)))


def own_evidence(champion: Any = None) -> Evidence:
    """The bundle's predictions, and whether they are of the bundle and the test data that are there now."""
    from pipeline.core.common import layout
    from pipeline.core.common.errors import InputError
    from pipeline.core.common.files import sha256_file
    from pipeline.core.gate.checks import Evidence
    from pipeline.core.gate.predictions import MEND, own_predictions
    from pipeline.core.model.bundle import verify_bundle
    from pipeline.core.statistics.metrics import all_metrics

    predictions = own_predictions(layout.PREDICTIONS)
    bundle = verify_bundle(layout.MODELS)
    if not layout.TEST_DATA.is_file():
        raise InputError(f"{layout.TEST_DATA} does not exist, so nothing says what was predicted; {MEND}")
    stale = None
    if predictions.model != bundle.digest:
        stale = f"stale: the predictions are of model {str(predictions.model)[:12]}, not of {bundle.digest[:12]}; evaluate again"
    elif predictions.data != sha256_file(layout.TEST_DATA):
        stale = "stale: the predictions are of other test data than data/test.parquet; evaluate again"
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    return Evidence(predictions, metrics, champion, stale)


def _foreign_evidence(path: Path, champion: Any) -> Evidence:
    from pipeline.core.gate.checks import Evidence
    from pipeline.core.gate.predictions import foreign_predictions
    from pipeline.core.statistics.metrics import all_metrics

    predictions = foreign_predictions(path, "--predictions")
    return Evidence(predictions, all_metrics(predictions.y_true, predictions.y_score, predictions.weight), champion)


def gate_table(result: dict[str, Any]) -> str:
    """The checks as a table for a terminal."""
    width = max((len(check["name"]) for check in result["checks"]), default=0)
    lines = [f"gate: {result['verdict']}  (model {result['model'][:12]}, {result['n']:,} rows)"]
    for check in result["checks"]:
        value = "-" if check["value"] is None else f"{check['value']:.4f}"
        lines.append(
            f"  {check['name']:<{width}}  {value:>7} {check['op']} {check['threshold']:<7g} {check['status']:<14} {check['reason']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    gate()
