"""Why a probability is what it is: Shapley values of the trees on the log-odds scale."""

from __future__ import annotations

import msgspec
import numpy as np

from lockgate.documents.schema_json import DecisionRule, Feature, Schema
from lockgate.model.protocol import TrainedModel
from lockgate.service.api.request_validation import Row

DEFAULT_REASONS = 4  # what adverse action notices usually carry


class Reason(msgspec.Struct, frozen=True):
    """A feature that pushed towards the unfavourable decision, its value, and its wording from the schema."""

    feature: str
    value: float | str | None
    contribution: float
    text: str


class Explanation(msgspec.Struct, frozen=True):
    """`base` and all `contributions` add up to the log-odds of `probability`; `reasons` come worst first."""

    probability: float
    base: float
    contributions: dict[str, float]
    reasons: list[Reason]


class Explainer:
    """Explains rows of one model. Features only: audit columns never reach the model, and so never a reason."""

    def __init__(self, model: TrainedModel, schema: Schema, decision: DecisionRule) -> None:
        self._model, self._schema = model, schema
        self._adverse = 1.0 if decision.favourable == "below" else -1.0

    def explain(self, row: Row, values: list[float], max_reasons: int = DEFAULT_REASONS) -> Explanation:
        """Explain a row, as it was given and as the model takes it, with at most `max_reasons` reasons."""
        *contributions, base = self._model.explain(np.array([values], dtype=np.float32))[0].tolist()
        by_feature = dict(zip(self._schema.feature_names, contributions, strict=True))
        log_odds = base + sum(contributions)
        return Explanation(
            probability=float(1.0 / (1.0 + np.exp(-log_odds))),
            base=base,
            contributions=by_feature,
            reasons=self._reasons(row, contributions)[:max_reasons],
        )

    def _reasons(self, row: Row, contributions: list[float]) -> list[Reason]:
        found = [
            Reason(feature.name, _as_given(value, feature), contribution, feature.text)
            for feature, value, contribution in zip(self._schema.features, row, contributions, strict=True)
            if contribution * self._adverse > 0.0
        ]
        return sorted(found, key=lambda reason: -reason.contribution * self._adverse)


def _as_given(value: float | str | None, feature: Feature) -> float | str | None:
    """Whole numbers were decoded as floats; a person reads 24, not 24.0."""
    return int(value) if feature.integer and isinstance(value, float) else value
