"""The facts, read once into frozen values that both the Markdown and the HTML are rendered from."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.documents.drift_json import DriftResult, FeatureDrift
from lockgate.documents.gate_json import GateResult, ThresholdRow
from lockgate.documents.text import NO_NAME, REASON_LIMIT, clean_reason, clean_text
from lockgate.report.columns import ShownColumn, show_columns
from lockgate.report.drift import shown_drift
from lockgate.report.facts import ReportFacts
from lockgate.report.metrics import ShownMetric, disagreeing, show_metrics
from lockgate.report.policy import PolicyChanges, show_policy
from lockgate.report.reliability import Reliability, show_reliability
from lockgate.report.run import RunFacts, Standing, standing
from lockgate.report.training import ShownTraining, show_training
from lockgate.report.verdict import ShownVerdict, show_verdict

EXCEPTION_LIMIT = 1300  # letters: it is shown whole


@dataclass(frozen=True)
class View:
    """All that a report says.

    `other_models` names the sections that are about another model than the judged one, with its digest; `disagreeing`
    the metrics that the gate and `metrics.json` do not agree on. `exception` says who approved which exception to the policy,
    if any; `new_data` why the data are defined anew, where they are. `contributions` are the features with how much they move
    the score, the largest first; `decides_at` is the one of the `thresholds` at which the model's decision turns. `standing`
    says whether the run bears the verdict out.
    """

    verdict: ShownVerdict
    exception: str
    new_data: str
    reliability: Reliability
    metrics: tuple[ShownMetric, ...]
    n: int | None
    positives: int | None
    drift: DriftResult | None
    training: ShownTraining | None
    contributions: tuple[tuple[str, float], ...]
    thresholds: tuple[ThresholdRow, ...]
    decides_at: float | None
    columns: tuple[ShownColumn, ...]
    target: str
    model: str
    other_models: tuple[tuple[str, str], ...]
    disagreeing: tuple[str, ...]
    hashes: tuple[tuple[str, str], ...]
    predictions: str
    policy: PolicyChanges
    run: RunFacts | None
    standing: Standing
    name: str

    @property
    def drift_rows(self) -> tuple[FeatureDrift, ...]:
        """The score first, because its drift is what that of the features comes to; then they, by what their moves do."""
        return tuple(sorted(self.drift.features, key=lambda one: one.kind != "score")) if self.drift else ()

    @property
    def prevalence(self) -> float | None:
        """Positives as a fraction of the test rows."""
        return self.positives / self.n if self.n and self.positives is not None else None


def read_view(facts: ReportFacts) -> View:
    """What the report says, from whatever facts there are."""
    verdict = show_verdict(facts.gate, facts.gate_problem)
    model = facts.gate.model if facts.gate else facts.train.model if facts.train else ""
    return View(
        verdict=verdict,
        exception=_exception(facts.gate),
        new_data=clean_reason(facts.gate.new_data.sentence, REASON_LIMIT) if facts.gate and facts.gate.new_data else "",
        reliability=show_reliability(facts.gate),
        metrics=show_metrics(facts.metrics, verdict),
        n=verdict.n if verdict.n is not None else _count(facts, "n"),
        positives=verdict.positives if verdict.positives is not None else _count(facts, "positives"),
        drift=None if facts.drift is None else shown_drift(facts.drift),
        training=show_training(facts.train),
        contributions=tuple(
            (clean_text(name) or NO_NAME, value) for name, value in (facts.contributions or {}).items()
        ),
        thresholds=facts.gate.thresholds if facts.gate else (),
        decides_at=facts.gate.decision.threshold if facts.gate else None,
        columns=show_columns(facts.schema.columns if facts.schema else ()),
        target=clean_text(facts.schema.target if facts.schema else ""),
        model=model,
        other_models=_other_models(facts, model),
        disagreeing=disagreeing(facts.metrics, verdict),
        hashes=_hashes(facts, model),
        predictions=clean_text(facts.predictions, 120),
        policy=show_policy(facts.policy),
        run=facts.run,
        standing=_standing(facts, verdict),
        name=facts.name,
    )


def _exception(gate: GateResult | None) -> str:
    """Who approved which exception to the policy until when; empty where there is none."""
    return clean_reason(gate.exception.sentence, EXCEPTION_LIMIT) if gate and gate.exception else ""


def _count(facts: ReportFacts, name: str) -> int | None:
    found = (facts.metrics or {}).get(name)
    return found if isinstance(found, int) else None


def _standing(facts: ReportFacts, verdict: ShownVerdict) -> Standing:
    if facts.run is None:
        return "agrees"
    return standing(facts.run, verdict, facts.gate is not None and facts.gate.inconclusive == "warn")


def _other_models(facts: ReportFacts, model: str) -> tuple[tuple[str, str], ...]:
    """Sections whose own digest is not the judged model's: their numbers are another model's, and must say so."""
    found = [
        ("train", facts.train.model if facts.train else ""),
        ("drift", (facts.drift.model or "") if facts.drift else ""),
    ]
    return tuple((section, digest) for section, digest in found if model and digest and digest != model)


def _hashes(facts: ReportFacts, model: str) -> tuple[tuple[str, str], ...]:
    gate, is_project = facts.gate, facts.predictions is None
    found = (
        ("model" if is_project else "predictions", model),
        ("champion", gate.champion if gate else None),
        ("test_data", gate.data if gate else facts.test_data),
        ("policy", gate.policy if gate else None),
        ("training_data", facts.training_data if is_project else None),
        ("params", facts.params if is_project else None),
    )
    return tuple((name, clean_text(digest, 80)) for name, digest in found if digest)
