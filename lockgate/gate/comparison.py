"""Two models side by side on the rows that both were scored on: the public `compare`. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.config.errors import InputError
from lockgate.config.metric_names import METRICS
from lockgate.config.params import Champion
from lockgate.data.row_keys import Digests, shared_rows
from lockgate.gate.checks.champion import Pair, compared
from lockgate.metrics.interval import Interval
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions

CONFIDENCE = 0.95  # of the intervals, unless another is asked for


@dataclass(frozen=True)
class ComparedMetric:
    """A metric of both models; `difference` is the second's minus the first's with its paired interval, None where it has none."""

    name: str
    first: float
    second: float
    difference: Interval | None

    @property
    def better(self) -> str | None:
        """`first` or `second` where the whole interval says so, None where it leaves both possible."""
        found = self.difference
        if found is None or found.low is None or found.high is None or found.low <= 0 <= found.high:
            return None
        return "second" if (found.low > 0) == (METRICS[self.name].direction == "higher") else "first"


@dataclass(frozen=True)
class Comparison:
    """Metrics of two models on the `rows` that both were scored on, `positives` of them events.

    `confidence` is that of the intervals, `rank_correlation` says how alike the scores order the rows (None where one is constant).
    """

    rows: int
    positives: int
    confidence: float
    rank_correlation: float | None
    metrics: tuple[ComparedMetric, ...]


def compare(first: Predictions, second: Predictions, *, confidence: float = CONFIDENCE, seed: int = 42) -> Comparison:
    """Compare two models on the rows whose `row_key` both have, which weigh as in the second's table.

    ROC-AUC by DeLong's paired interval; PR-AUC and Brier by a paired bootstrap, up to 100,000 rows. Raises InputError where one has
    no row keys, where they share none, or where a row has another label in the other table.
    """
    return compare_by(Champion(confidence=confidence), first, second, seed)


def compare_by(rule: Champion, first: Predictions, second: Predictions, seed: int) -> Comparison:
    """As `compare`, with the intervals that decide on a challenger, the second, by the gate's `rule` for champions."""
    in_first, in_second = shared_rows(_keys(first, "first"), _keys(second, "second"))
    if not len(in_first):
        raise InputError(
            f"no row key is in both, of {len(first.table):,} and {len(second.table):,}; score both models on the same rows"
        )
    labels, weight = second.y_true[in_second], second.weight
    if other := int((first.y_true[in_first] != labels).sum()):
        raise InputError(
            f"{other:,} of the {len(in_first):,} rows that are in both have another label in the other table; score both models on "
            "the same rows"
        )
    pair = Pair(
        y_true=labels,
        challenger=second.y_score[in_second],
        champion=first.y_score[in_first],
        weight=None if weight is None else weight[in_second],
    )
    found, intervals = compared(pair, rule, seed)
    before, after = (all_metrics(labels, score, pair.weight) for score in (pair.champion, pair.challenger))
    return Comparison(
        rows=len(labels),
        positives=int(labels.sum()),
        confidence=rule.confidence,
        rank_correlation=found.score_correlation,
        metrics=tuple(ComparedMetric(name, before[name], after[name], intervals.get(name)) for name in METRICS),
    )


def _keys(predictions: Predictions, which: str) -> Digests:
    keys = predictions.key_digests
    if keys is None:
        raise InputError(
            f"the {which} table has no column `row_key`, by which rows are compared; add what identifies each row"
        )
    return keys
