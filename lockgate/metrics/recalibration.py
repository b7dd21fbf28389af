"""Calibration slope and intercept: the logistic regression of the outcome on the logit of the score.

Cox (1958), Biometrika 45, 562-565. A calibrated score has slope 1 and intercept 0; a slope below 1 means scores too
extreme, an intercept below 0 at slope 1 scores too high. The intercept is the one fitted with the slope.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lockgate.metrics.scored import Booleans, Floats
from lockgate.metrics.sorted_rows import blocks, row_sums

# A score of exactly 0 or 1 has no logit; beyond this one, a single wrong row would decide the line by itself.
LOGIT_CLIP = 1e-6
_STEP_TOLERANCE = 1e-4  # Newton converges quadratically: a last step of 1e-4 leaves an error of about 1e-8
_SINGULAR = 1e-10  # variance of the logits over their mean square: below, rounding alone would make the step
_BATCH_STEPS = 8
_MOST_STEPS = 100


@dataclass(frozen=True)
class Line:
    """Intercept and slope on the logit scale."""

    intercept: float
    slope: float


def logit(score: Floats) -> Floats:
    """log(p / (1 - p)) of probabilities, kept 1e-6 away from 0 and 1."""
    clipped = np.clip(score, LOGIT_CLIP, 1 - LOGIT_CLIP)
    logits: Floats = np.log(clipped)
    logits -= np.log1p(np.negative(clipped, out=clipped), out=clipped)
    return logits


def fit_line(x: Floats, label: Floats | Booleans, weight: Floats | None = None) -> Line | None:
    """Maximum likelihood of P(label = 1) = expit(intercept + slope * x), rows weighted, by damped Newton steps.

    None where there is none: one class, `x` constant within the rows of positive weight, or classes that do not
    overlap in `x` (the slope is then infinite). Beside the columns it needs a few bytes a row.
    """
    weight = np.broadcast_to(1.0, len(x)) if weight is None else weight
    kept = weight > 0
    if not kept.all():
        x, label, weight = x[kept], label[kept], weight[kept]
    del kept
    positive = label > 0
    (least, most), (other_least, other_most) = (_ends(x, of_class) for of_class in (positive, ~positive))
    if least >= other_most or other_least >= most:
        return None
    total, weighted = row_sums(lambda x, weight: (weight, weight * x), x, weight)
    centre = weighted / total
    (squares,) = row_sums(lambda x, weight: (weight * (x - centre) ** 2,), x, weight)
    spread = np.sqrt(squares / total)

    def loss_of(a: float, b: float) -> float:
        (loss,) = row_sums(lambda x, *rows: (_losses(a + b * ((x - centre) / spread), *rows),), x, label, weight)
        return loss

    def step_from(a: float, b: float) -> tuple[float, float]:
        found = [
            _newton_sums(np.array([a]), np.array([b]), (x[part] - centre) / spread, label[part], weight[None, part])
            for part in blocks(len(x))
        ]
        da, db = _newton_step(np.sum(found, axis=0))
        return float(da[0]), float(db[0])

    a, b = 0.0, 0.0
    loss = loss_of(a, b)
    for _ in range(_MOST_STEPS):
        da, db = step_from(a, b)
        scale = 1.0
        while (tried := loss_of(a + scale * da, b + scale * db)) > loss and scale > 1e-12:
            scale /= 2
        a, b, loss = a + scale * da, b + scale * db, min(tried, loss)
        if max(abs(da), abs(db)) < 1e-9 * (1 + abs(a) + abs(b)):
            break
    return Line(intercept=a - b * centre / spread, slope=b / spread)


def refit_lines(x: Floats, label: Floats, weights: Floats, start: Line) -> tuple[Floats, Floats]:
    """Intercepts and slopes of `fit_line` for each line of `weights` (resamples by rows), NaN where there is none.

    `start` is the line of the whole sample.
    """
    a, b = np.full(len(weights), start.intercept), np.full(len(weights), start.slope)
    open_ = np.arange(len(weights))
    for _ in range(_BATCH_STEPS):
        chosen = weights if len(open_) == len(weights) else weights[open_]
        with np.errstate(all="ignore"):
            da, db = _newton_step(_newton_sums(a[open_], b[open_], x, label, chosen), _SINGULAR)
        a[open_] += da
        b[open_] += db
        small = np.maximum(np.abs(da), np.abs(db)) < _STEP_TOLERANCE
        open_ = open_[~small]  # NaN is not small
        if not len(open_):
            return a, b
    for resample in open_:
        line = fit_line(x, label, weights[resample])
        a[resample], b[resample] = (np.nan, np.nan) if line is None else (line.intercept, line.slope)
    return a, b


def _newton_sums(a: Floats, b: Floats, x: Floats, label: Floats | Booleans, weights: Floats) -> tuple[Floats, ...]:
    """What a Newton step for each line of `weights` is made of: first and second derivatives.

    Einsum's sums, unlike BLAS's, do not depend on threads.
    """
    p = b[:, None] * x
    p += a[:, None]
    np.negative(p, out=p)
    np.exp(p, out=p)
    p += 1
    np.reciprocal(p, out=p)
    residual = label - p
    residual *= weights
    u0, u1 = residual.sum(axis=1), np.einsum("rc,c->r", residual, x)
    np.subtract(1, p, out=residual)
    residual *= p
    residual *= weights
    h0 = residual.sum(axis=1)
    h1 = np.einsum("rc,c->r", residual, x)
    return u0, u1, h0, h1, np.einsum("rc,c->r", residual, x * x)


def _newton_step(sums: Iterable[Floats], singular: float = 0.0) -> tuple[Floats, Floats]:
    """One Newton step for each line, NaN where `x` varies no more than `singular`."""
    u0, u1, h0, h1, h2 = sums
    determinant = h0 * h2 - h1 * h1
    if singular:
        determinant[determinant <= singular * h0 * h2] = np.nan
    return (h2 * u0 - h1 * u1) / determinant, (h0 * u1 - h1 * u0) / determinant


def _ends(x: Floats, of_class: Booleans) -> tuple[float, float]:
    """The least and the greatest of a class; infinite, and the wrong way round, where it has no row."""
    return float(np.min(x, where=of_class, initial=np.inf)), float(np.max(x, where=of_class, initial=-np.inf))


def _losses(eta: Floats, label: Floats, weight: Floats) -> Floats:
    losses: Floats = weight * (np.logaddexp(0, eta) - label * eta)
    return losses
