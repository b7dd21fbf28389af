"""What a report may know: the contents of the JSON files that earlier commands left, each of them optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lockgate.report.run import RunFacts

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ReportFacts:
    """Everything a report is rendered from; whatever is None was not made (yet), and the report says so.

    gate, metrics, drift, train: parsed `gate.json`, `metrics.json`, `drift.json`, `train.json`.
    schema: parsed `models/schema.json`; only its `target` is shown.
    curves: `roc`, `precision_recall`, `calibration`, `scores`, each the records of the file of that name in `plots/`.
    training_data, params, test_data: sha256 of the training data, the effective params and the test data
    (`gate.json` names the test data too, and goes first).
    predictions: the path of a table of predictions that no bundle of this project made.
    policy: parsed `policy.json`, how the change alters the policy.
    run: the run that made all this, where the report is a comment about one.

    Values are not trusted: names and reasons come from data and may hold anything.
    """

    gate: Record | None = None
    metrics: Record | None = None
    drift: Record | None = None
    train: Record | None = None
    schema: Record | None = None
    curves: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    training_data: str | None = None
    params: str | None = None
    test_data: str | None = None
    predictions: str | None = None
    policy: Record | None = None
    run: RunFacts | None = None
