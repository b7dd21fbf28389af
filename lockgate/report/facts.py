"""What a report may know: the documents that earlier commands left, each of them optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lockgate.documents.curves_json import Curves
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.metrics_json import Metrics
from lockgate.documents.policy_json import PolicyDifference
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import TrainingReport
from lockgate.report.run import RunFacts

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ReportFacts:
    """Everything a report is rendered from; whatever is None was not made (yet), and the report says so.

    gate_problem: why there is a gate.json and yet no `gate`: it cannot be read.
    training_data, params, test_data: sha256 of the training data, the effective params and the test data
    (`gate` names the test data too, and goes first).
    contributions: by feature, how much it moves the score in the mean, on the log-odds scale, the largest first.
    run: the run that made all this, where the report is a comment about one.
    name: the model's, where the repository has several.

    Texts are not trusted: names and reasons come from data and may hold anything.
    """

    gate: GateResult | None = None
    gate_problem: str = ""
    metrics: Metrics | None = None
    drift: DriftResult | None = None
    train: TrainingReport | None = None
    schema: Schema | None = None
    curves: Curves = field(default_factory=Curves)
    training_data: str | None = None
    params: str | None = None
    contributions: Mapping[str, float] | None = None
    test_data: str | None = None
    policy: PolicyDifference | None = None
    run: RunFacts | None = None
    name: str = ""

    @property
    def predictions(self) -> str | None:
        """The name of the table that was judged, where no bundle of this project made it."""
        return self.gate.predictions if self.gate else None
