"""The plots of the HTML report: which there are, and the points each is painted from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockgate.config.extras import is_installed
from lockgate.documents.text import fraction, records, whole
from lockgate.report import painters
from lockgate.report.axes import report_style
from lockgate.report.drift import Bin, Drift
from lockgate.report.environments import html_templates
from lockgate.report.facts import ReportFacts
from lockgate.report.painters import Points
from lockgate.report.svg import Drawing, draw
from lockgate.report.view import View, read_view

Curves = Mapping[str, Sequence[Mapping[str, Any]]]
# Drawn small, because a telephone shows a plot one to one: a unit is a point of the view box and about a pixel there.
_WIDTH, _HEIGHT, _ROW, _DOUBLE_ROW = 340.0, 250.0, 19.0, 24.0
_MOST_POINTS, _MOST_BARS, _MOST_IMPORTANT, _MOST_MOVED, _MOST_CALM = 400, 25, 15, 6, 2


@dataclass(frozen=True)
class Plot:
    """A drawing and what its caption needs: how many bars of the `total` are `shown`, a feature's `name` and `bins`."""

    kind: str
    key: str
    drawing: Drawing
    name: str = ""
    shown: int = 0
    total: int = 0
    bins: tuple[Bin, ...] = ()


def make_plots(view: View, curves: Curves) -> tuple[Plot, ...]:
    """Every plot that there is data for, in the order of the page; equal data give equal drawings.

    None where matplotlib is not installed: the tables say the same.
    """
    if not is_installed("matplotlib"):
        return ()
    with report_style():
        return (*_curve_plots(view, curves), *_drift_plots(view.drift), *_training_plots(view))


def thin(points: Points, most: int = _MOST_POINTS) -> Points:
    """At most `most` of the points, evenly spaced, both ends included."""
    if len(points) <= most:
        return points
    return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]


def _curve_plots(view: View, curves: Curves) -> Iterator[Plot]:
    roc = _points(curves.get("roc"), "fpr", "tpr")
    if roc:
        yield Plot("roc", "roc", _paint("roc", painters.paint_roc, roc))
    precision_recall = _points(curves.get("precision_recall"), "recall", "precision")
    if precision_recall:
        drawing = _paint("precision_recall", painters.paint_precision_recall, precision_recall, view.prevalence)
        yield Plot("precision_recall", "precision_recall", drawing)
    calibration = _points(curves.get("calibration"), "mean_score", "observed", optional=("low", "high"))
    if calibration:
        yield Plot("calibration", "calibration", _paint("calibration", painters.paint_calibration, calibration))
    both = records(curves.get("scores"))
    scores = {name: _points([row for row in both if _class(row) == name], "score", "share") for name in ("0", "1")}
    if any(scores.values()):
        yield Plot("scores", "scores", _paint("scores", painters.paint_scores, scores))


def _drift_plots(drift: Drift | None) -> Iterator[Plot]:
    if drift is None:
        return
    measured = [feature for feature in drift.features if feature.psi is not None]
    if measured:
        shown = measured[:_MOST_BARS]
        drawing = _paint("psi", painters.paint_psi, shown, drift, height=len(shown) * _ROW + 46)
        yield Plot("psi", "psi", drawing, shown=len(shown), total=len(measured))
    # What alarmed, or, when nothing did, the largest two, so that the reader sees what calm looks like.
    candidates = [feature for feature in drift.moved[:_MOST_MOVED] or drift.features[:_MOST_CALM] if feature.bins]
    for at, feature in enumerate(candidates):
        rows = min(len(feature.bins), painters.MOST_BINS)
        drawing = _paint(f"shares-{at}", painters.paint_shares, feature, height=rows * _DOUBLE_ROW + 34)
        yield Plot("shares", f"shares-{at}", drawing, feature.name, rows, len(feature.bins), feature.bins)


def _training_plots(view: View) -> Iterator[Plot]:
    if view.training is None:
        return
    history = [row for row in view.training.history if row[1] is not None or row[2] is not None]
    if history:
        drawing = _paint("history", painters.paint_history, history, view.training.best_iteration)
        yield Plot("history", "history", drawing)
    importance = view.training.importance
    if importance:
        shown = importance[:_MOST_IMPORTANT]
        drawing = _paint("importance", painters.paint_importance, shown, height=len(shown) * _ROW + 12)
        yield Plot("importance", "importance", drawing, shown=len(shown), total=len(importance))


def _paint(key: str, painter: Callable[..., None], *data: Any, height: float = _HEIGHT) -> Drawing:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH / 72, height / 72))
    painter(figure.add_subplot(), *data)
    return draw(figure, key)


def _points(value: object, *required: str, optional: tuple[str, ...] = ()) -> Points:
    """The records that hold every required fraction, with the optional ones where they hold all of those."""
    points = []
    for row in records(value):
        point = [found for key in required if (found := fraction(row.get(key))) is not None]
        extra = [found for key in optional if (found := fraction(row.get(key))) is not None]
        if len(point) == len(required):
            points.append(tuple(point + extra) if len(extra) == len(optional) else tuple(point))
    return thin(points)


def _class(row: Mapping[str, Any]) -> str:
    """A class as "0" or "1", whether it was written as a number, a truth value or a word."""
    value = row.get("class")
    if isinstance(value, bool | int | float):
        return str(whole(int(value) if isinstance(value, bool) else value))
    return {"negative": "0", "positive": "1"}.get(str(value), str(value))


def render_html(facts: ReportFacts) -> str:
    """The page of a report; equal facts give equal text. Takes about a second, nearly all of it the plots."""
    view = read_view(facts)
    plots = make_plots(view, facts.curves)
    return html_templates().get_template("report.html.j2").render(view=view, plots=plots)
