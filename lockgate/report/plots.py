"""The plots of the HTML report: which there are, and the points each is painted from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lockgate.config.extras import is_installed
from lockgate.documents.curves_json import CalibrationPoint, Curves
from lockgate.documents.drift_json import BinShares, DriftResult
from lockgate.documents.text import format_share
from lockgate.report import painters
from lockgate.report.axes import report_style
from lockgate.report.painters import Points
from lockgate.report.svg import Drawing, draw
from lockgate.report.view import View

# Drawn small, because a telephone shows a plot one to one: a unit is a point of the view box and about a pixel there.
_WIDTH, _HEIGHT, _ROW, _DOUBLE_ROW = 340.0, 250.0, 19.0, 24.0
_LEAST_ROWS = 2  # that a plot has room for: one bar alone is as high as two
_MAX_POINTS, _MAX_BARS, _MAX_IMPORTANT, _MAX_MOVED, _MAX_CALM = 400, 25, 15, 6, 2


@dataclass(frozen=True)
class Plot:
    """A drawing and what its caption needs: how many bars of the `total` are `shown`, a feature's `name` and `bins`."""

    kind: str
    key: str
    drawing: Drawing
    name: str = ""
    shown: int = 0
    total: int = 0
    bins: tuple[BinShares, ...] = ()


def make_plots(view: View, curves: Curves) -> tuple[Plot, ...]:
    """Every plot that there is data for, in the order of the page; equal data give equal drawings.

    None where matplotlib is not installed: the tables say the same.
    """
    if not is_installed("matplotlib"):
        return ()
    with report_style():
        return (*_curve_plots(view, curves), *_drift_plots(view.drift), *_training_plots(view))


def thin(points: Points, most: int = _MAX_POINTS) -> Points:
    """At most `most` of the points, evenly spaced, both ends included."""
    if len(points) <= most:
        return points
    return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]


def _curve_plots(view: View, curves: Curves) -> Iterator[Plot]:
    roc = thin([(point.fpr, point.tpr) for point in curves.roc])
    if roc:
        yield Plot("roc", "roc", _paint("roc", painters.paint_roc, roc))
    precision_recall = thin([(point.recall, point.precision) for point in curves.precision_recall])
    if precision_recall:
        drawing = _paint("precision_recall", painters.paint_precision_recall, precision_recall, view.prevalence)
        yield Plot("precision_recall", "precision_recall", drawing)
    calibration = thin([point for found in curves.calibration if (point := _calibration(found))])
    if calibration:
        yield Plot("calibration", "calibration", _paint("calibration", painters.paint_calibration, calibration))
    scores = {
        label: thin([(at.score, at.share) for at in curves.scores if at.label == label and at.share is not None])
        for label in ("negative", "positive")
    }
    if any(scores.values()):
        yield Plot("scores", "scores", _paint("scores", painters.paint_scores, scores))


def _drift_plots(drift: DriftResult | None) -> Iterator[Plot]:
    if drift is None:
        return
    if drift.features:
        shown = drift.features[:_MAX_BARS]
        drawing = _paint("psi", painters.paint_psi, shown, drift, height=len(shown) * _ROW + 46)
        yield Plot("psi", "psi", drawing, shown=len(shown), total=len(drift.features))
    # What alarmed, or, when nothing did, the largest two, so that the reader sees what calm looks like.
    candidates = [feature for feature in drift.moved[:_MAX_MOVED] or drift.features[:_MAX_CALM] if feature.bins]
    for at, feature in enumerate(candidates):
        rows = min(len(feature.bins), painters.MAX_BINS)
        drawing = _paint(f"shares-{at}", painters.paint_shares, feature, height=rows * _DOUBLE_ROW + 34)
        yield Plot("shares", f"shares-{at}", drawing, feature.name, rows, len(feature.bins), feature.bins)


def _training_plots(view: View) -> Iterator[Plot]:
    if view.training is None:
        return
    history = [(at.round, at.train_log_loss, at.validation_log_loss) for at in view.training.history]
    if history:
        drawing = _paint("history", painters.paint_history, history, view.training.best_iteration)
        yield Plot("history", "history", drawing)
    importance = view.training.importance
    if importance:
        shown = importance[:_MAX_IMPORTANT]
        height = max(_LEAST_ROWS, len(shown)) * _ROW + 12
        drawing = _paint("importance", painters.paint_importance, shown, format_share, height=height)
        yield Plot("importance", "importance", drawing, shown=len(shown), total=len(importance))
    if view.contributions:
        largest = view.contributions[:_MAX_IMPORTANT]
        height = max(_LEAST_ROWS, len(largest)) * _ROW + 12
        drawing = _paint("contributions", painters.paint_importance, largest, "{:.3f}".format, height=height)
        yield Plot("contributions", "contributions", drawing, shown=len(largest), total=len(view.contributions))


def _paint(key: str, painter: Callable[..., None], *data: Any, height: float = _HEIGHT) -> Drawing:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH / 72, height / 72))
    painter(figure.add_subplot(), *data)
    return draw(figure, key)


def _calibration(point: CalibrationPoint) -> tuple[float, ...] | None:
    """Mean score and observed rate, with the interval where there is one; None where the bin has no rows."""
    if point.mean_score is None or point.observed is None:
        return None
    if point.low is None or point.high is None:
        return (point.mean_score, point.observed)
    return (point.mean_score, point.observed, point.low, point.high)
