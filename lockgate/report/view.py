"""The facts, read once into frozen values that both the Markdown and the HTML are rendered from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.documents.gate_json import Verdict, read_verdict
from lockgate.documents.text import clean_text, whole
from lockgate.report.drift import Drift, read_drift
from lockgate.report.facts import ReportFacts
from lockgate.report.metrics import Metric, disagreeing, read_metrics
from lockgate.report.policy import PolicyChanges, read_policy_changes
from lockgate.report.run import RunFacts, Standing, standing
from lockgate.report.training import Training, read_training
from lockgate.report.trust import Trust, read_trust


@dataclass(frozen=True)
class View:
    """All that a report says.

    `other_models` names the sections that are about another model than the judged one, with its digest; `disagreeing`
    the metrics that the gate and `metrics.json` do not agree on. `standing` says whether the run bears the verdict out.
    """

    verdict: Verdict
    trust: Trust
    metrics: tuple[Metric, ...]
    n: int | None
    positives: int | None
    drift: Drift | None
    training: Training | None
    target: str
    model: str
    other_models: tuple[tuple[str, str], ...]
    disagreeing: tuple[str, ...]
    hashes: tuple[tuple[str, str], ...]
    predictions: str
    policy: PolicyChanges
    run: RunFacts | None
    standing: Standing

    @property
    def prevalence(self) -> float | None:
        """Positives as a fraction of the test rows."""
        return self.positives / self.n if self.n and self.positives is not None else None


def read_view(facts: ReportFacts) -> View:
    """What the report says, from whatever facts there are. Never raises on the content of a fact."""
    verdict = read_verdict(facts.gate)
    counts = facts.metrics or {}
    model = _identity(facts.gate, "model") or (not facts.predictions and _identity(facts.train, "model")) or ""
    return View(
        verdict=verdict,
        trust=read_trust(facts.gate),
        metrics=read_metrics(facts.metrics, verdict),
        n=verdict.n if verdict.n is not None else whole(counts.get("n")),
        positives=verdict.positives if verdict.positives is not None else whole(counts.get("positives")),
        drift=read_drift(facts.drift),
        training=read_training(facts.train),
        target=clean_text((facts.schema or {}).get("target")),
        model=model,
        other_models=_other_models(facts, model),
        disagreeing=disagreeing(facts.metrics, verdict),
        hashes=_hashes(facts, model),
        predictions=clean_text(facts.predictions, 120),
        policy=read_policy_changes(facts.policy),
        run=facts.run,
        standing=_standing(facts, verdict),
    )


def _standing(facts: ReportFacts, verdict: Verdict) -> Standing:
    if facts.run is None:
        return "agrees"
    return standing(facts.run, verdict, (facts.gate or {}).get("inconclusive") == "warn")


def _other_models(facts: ReportFacts, model: str) -> tuple[tuple[str, str], ...]:
    """Sections whose own digest is not the judged model's: their numbers are another model's, and must say so."""
    found = [("train", _identity(facts.train, "model")), ("drift", _identity(facts.drift, "model"))]
    return tuple((section, digest) for section, digest in found if model and digest and digest != model)


def _hashes(facts: ReportFacts, model: str) -> tuple[tuple[str, str], ...]:
    found = (
        ("predictions" if facts.predictions else "model", model),
        ("champion", _identity(facts.gate, "champion")),
        ("test_data", _identity(facts.gate, "data") or clean_text(facts.test_data, 80)),
        ("policy", _identity(facts.gate, "policy")),
        ("training_data", "" if facts.predictions else clean_text(facts.training_data, 80)),
        ("params", "" if facts.predictions else clean_text(facts.params, 80)),
    )
    return tuple((name, digest) for name, digest in found if digest)


def _identity(record: Mapping[str, Any] | None, key: str) -> str:
    return clean_text((record or {}).get(key), 80)
