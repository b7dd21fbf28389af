"""A challenger in the shadow beside the model that decided, on the rows of a decision log that both scored. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.params import Champion
from lockgate.documents.gate_check import Check
from lockgate.documents.schema_json import (
    FAVOURABLE,
    LABEL,
    LOG_DECISION,
    LOG_DIGEST,
    LOG_SCORE,
    LOG_SHADOW_DECISION,
    LOG_SHADOW_DIGEST,
    LOG_SHADOW_SCORE,
    LOG_TIME,
    ROW_KEY,
    UNFAVOURABLE,
    Y_SCORE,
    Y_TRUE,
    Decision,
)
from lockgate.gate.checks.champion import check_of_difference
from lockgate.gate.comparison import Comparison, compare_by
from lockgate.model.predictions import Predictions

# What is read of the log, beside the key of each decision.
TYPES: dict[str, pa.DataType] = {
    LOG_TIME: pa.timestamp("us", "UTC"),
    LOG_DIGEST: pa.string(),
    LOG_SCORE: pa.float64(),
    LOG_DECISION: pa.string(),
    LOG_SHADOW_DIGEST: pa.string(),
    LOG_SHADOW_SCORE: pa.float64(),
    LOG_SHADOW_DECISION: pa.string(),
}
SHADOW_COLUMNS = tuple(TYPES)


@dataclass(frozen=True)
class DecisionPair:
    """The rows on which the served model decided one thing and the challenger one: how many have an outcome, and the event."""

    served: Decision
    shadow: Decision
    rows: int
    outcomes: int
    events: int


@dataclass(frozen=True)
class ScoreShift:
    """The mean score of each model, and of the size of their difference the mean, the 95 % quantile and the largest."""

    served: float
    shadow: float
    mean: float
    quantile: float
    largest: float


@dataclass(frozen=True)
class ShadowComparison:
    """A served model and a challenger, by their digests, on `rows` rows decided from `first` to `last`.

    `metrics` are of the rows with an outcome, and `checks` what the gate's rule for champions says of their differences, the served
    model being the champion; None and empty where there are no outcomes of both classes.
    """

    served: str
    shadow: str
    rows: int
    first: datetime
    last: datetime
    decisions: tuple[DecisionPair, ...]
    scores: ScoreShift
    metrics: Comparison | None
    checks: tuple[Check, ...]

    @property
    def agreeing(self) -> int:
        """Rows on which both decided the same."""
        return sum(pair.rows for pair in self.decisions if pair.served == pair.shadow)

    @property
    def outcomes(self) -> int:
        """Rows whose outcome is known."""
        return sum(pair.outcomes for pair in self.decisions)


def compare_shadows(
    log: pa.Table, labels: np.ndarray, rule: Champion, decide_on: Literal["point", "bound"], seed: int, where: str
) -> Iterator[ShadowComparison]:
    """Each served model beside each challenger that scored its rows, in the order of their first decisions.

    `log` has `SHADOW_COLUMNS`, and `labels` the outcome of each row, NaN where none is known. Rows without a challenger's score are
    left out. Raises InputError where a column holds something else.
    """
    try:
        rows = log.select(SHADOW_COLUMNS).cast(pa.schema(TYPES)).to_pandas().assign(**{LABEL: labels})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{where} is no decision log: {str(error).splitlines()[0]}") from None
    scored = rows[rows[LOG_SHADOW_SCORE].notna()].sort_values(LOG_TIME, kind="stable")
    for (served, shadow), both in scored.groupby([LOG_DIGEST, LOG_SHADOW_DIGEST], sort=False):
        known = both[both[LABEL].notna()]
        metrics, checks = None, []
        if known[LABEL].nunique() == 2:
            metrics = compare_by(
                rule, _predictions(known, LOG_SCORE, served), _predictions(known, LOG_SHADOW_SCORE, shadow), seed
            )
            checks = [
                check_of_difference(metric.name, metric.difference, rule, decide_on == "bound")
                for metric in metrics.metrics
                if metric.difference is not None and metric.name in rule.margins
            ]
        yield ShadowComparison(
            served=str(served),
            shadow=str(shadow),
            rows=len(both),
            first=both[LOG_TIME].iloc[0].to_pydatetime(),
            last=both[LOG_TIME].iloc[-1].to_pydatetime(),
            decisions=tuple(_decision_pairs(both)),
            scores=_shift(both[LOG_SCORE].to_numpy(), both[LOG_SHADOW_SCORE].to_numpy()),
            metrics=metrics,
            checks=tuple(checks),
        )


def _decision_pairs(rows: pd.DataFrame) -> Iterator[DecisionPair]:
    for served, shadow in product((FAVOURABLE, UNFAVOURABLE), repeat=2):
        labels = rows[(rows[LOG_DECISION] == served) & (rows[LOG_SHADOW_DECISION] == shadow)][LABEL]
        yield DecisionPair(served, shadow, len(labels), int(labels.notna().sum()), int(labels.sum()))


def _shift(served: np.ndarray, shadow: np.ndarray) -> ScoreShift:
    apart = np.abs(shadow - served)
    return ScoreShift(
        float(served.mean()),
        float(shadow.mean()),
        float(apart.mean()),
        float(np.quantile(apart, 0.95)),
        float(apart.max()),
    )


def _predictions(rows: pd.DataFrame, score: str, model: object) -> Predictions:
    """The rows as a table of predictions; each is a row of its own, whatever request ids clients gave."""
    keys = np.arange(len(rows)).astype(str).astype(object)
    table = pd.DataFrame({ROW_KEY: keys, Y_TRUE: rows[LABEL].to_numpy(), Y_SCORE: rows[score].to_numpy()})
    return Predictions(table, str(model), None)
