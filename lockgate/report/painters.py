"""What each plot looks like: one function a plot, which paints prepared points on a pair of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from lockgate.documents.drift_json import DriftResult, FeatureDrift
from lockgate.documents.text import format_psi, format_share, round_label
from lockgate.report.axes import LABEL_WIDTH, bars, beside, frame, legend_above, unit_axes
from lockgate.report.svg import BAD, FIRST, INK, MUTED, SECOND, WARN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[float, ...]]
MAX_BINS = 12
_VALUE_WIDTH = 62
_STATUS_COLOURS = {"alert": BAD, "warn": WARN}


def paint_roc(axes: Axes, points: Points) -> None:
    """ROC curve from (false positive rate, true positive rate), with the diagonal of chance."""
    unit_axes(axes, "False positive rate", "True positive rate")
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=(0, (3, 3)), linewidth=1)
    axes.fill_between([at[0] for at in points], [at[1] for at in points], color=FIRST, alpha=0.12, linewidth=0)
    axes.plot([at[0] for at in points], [at[1] for at in points], color=FIRST)


def paint_precision_recall(axes: Axes, points: Points, prevalence: float | None) -> None:
    """Precision-recall curve from (recall, precision), with the precision of chance."""
    unit_axes(axes, "Recall", "Precision")
    if prevalence is not None:
        axes.axhline(prevalence, color=MUTED, linestyle=(0, (3, 3)), linewidth=1)
    axes.fill_between([at[0] for at in points], [at[1] for at in points], color=FIRST, alpha=0.12, linewidth=0)
    axes.plot([at[0] for at in points], [at[1] for at in points], color=FIRST)


def paint_calibration(axes: Axes, points: Points) -> None:
    """Reliability from (mean score, observed share, low, high); the interval is optional in each."""
    unit_axes(axes, "Mean predicted probability", "Observed share of positives")
    highest = min(1.0, 1.08 * max(max(at) for at in points)) or 1.0
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=(0, (3, 3)), linewidth=1)
    axes.plot([at[0] for at in points], [at[1] for at in points], color=FIRST, linewidth=1)
    for score, observed, *interval in points:
        if len(interval) == 2:
            axes.plot([score, score], interval, color=FIRST, linewidth=1.4, solid_capstyle="butt")
        axes.plot([score], [observed], color=FIRST, marker="o", markersize=4.5)
    axes.set(xlim=(0, highest), ylim=(0, highest))
    if highest < 0.6:
        axes.locator_params(nbins=5)


def paint_scores(axes: Axes, scores: Mapping[str, Points]) -> None:
    """Distribution of (score, share of the class) for the classes 'negative' and 'positive'."""
    highest = max(share for points in scores.values() for _, share in points) or 1.0
    unit_axes(axes, "Score", "Share of the class", top=24)
    styles = {"negative": (SECOND, (0, (4, 2))), "positive": (FIRST, "solid")}
    for label, points in scores.items():
        colour, line = styles[label]
        across, up = [at[0] for at in points], [at[1] for at in points]
        axes.fill_between(across, up, step="mid", color=colour, alpha=0.14, linewidth=0)
        axes.step(across, up, where="mid", color=colour, linestyle=line, label=label)
    axes.set_ylim(0, 1.15 * highest)
    axes.locator_params(axis="y", nbins=5)
    legend_above(axes)


def paint_psi(axes: Axes, features: Sequence[FeatureDrift], drift: DriftResult) -> None:
    """A bar of PSI a feature, its own threshold as a tick across it, and the levels of the whole batch."""
    values = [feature.psi for feature in features]
    limits = [feature.threshold for feature in features]
    bars(axes, [feature.name for feature in features], max(*values, *limits, 1.1 * drift.alert), right=_VALUE_WIDTH)
    for level, colour in ((drift.warn, WARN), (drift.alert, BAD)):
        axes.axvline(level, color=colour, linestyle=(0, (3, 2)), linewidth=1)
    for row, feature in enumerate(features):
        axes.barh(row, values[row], height=0.62, color=_STATUS_COLOURS.get(feature.status, FIRST), linewidth=0)
        axes.plot([feature.threshold] * 2, [row - 0.44, row + 0.44], color=INK, linewidth=1.6)
        word = f" {feature.status}" if feature.status in _STATUS_COLOURS else ""
        axes.annotate(
            format_psi(feature.psi) + word,
            (1, row),
            (_VALUE_WIDTH, 0),
            ha="right",
            va="center",
            fontsize=10,
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
        )
    axes.set_xlabel("Population stability index")
    axes.set_xscale("function", functions=(_square_root, _square))
    axes.set_xticks(ticks := _psi_ticks(axes.get_xlim()[1], drift), [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def paint_shares(axes: Axes, feature: FeatureDrift) -> None:
    """Reference against current share of each bin; of many bins, those whose share changed most."""
    changed = sorted(range(len(feature.bins)), key=lambda at: -abs(feature.bins[at].actual - feature.bins[at].expected))
    bins = [feature.bins[at] for at in sorted(changed[:MAX_BINS])]
    labels = [item.label if feature.kind == "categorical" else round_label(item.label) for item in bins]
    highest = max(max(item.expected, item.actual) for item in bins) or 1.0
    bars(axes, labels, 1.24 * highest, top=24)
    for row, item in enumerate(bins):
        first = row == 0
        axes.barh(
            row - 0.2,
            item.expected,
            0.34,
            facecolor="none",
            edgecolor=MUTED,
            linewidth=1,
            label="reference" if first else None,
        )
        axes.barh(row + 0.2, item.actual, 0.36, color=FIRST, linewidth=0, label="current" if first else None)
        beside(axes, max(item.actual, item.expected), row, format_share(item.actual))
    axes.xaxis.set_visible(False)
    legend_above(axes)


def paint_history(axes: Axes, history: Sequence[tuple[float, float | None, float | None]], best: int | None) -> None:
    """Log-loss by round on the training and the validation rows, and the round that was kept."""
    frame(axes, 56, right=16, top=24)
    for at, label, colour, line in ((1, "training", SECOND, (0, (4, 2))), (2, "validation", FIRST, "solid")):
        points = [(row[0], value) for row in history if (value := row[at]) is not None]
        if points:
            axes.plot([x for x, _ in points], [y for _, y in points], color=colour, linestyle=line, label=label)
    if best is not None and history[0][0] <= best <= history[-1][0]:
        axes.axvline(best, color=MUTED, linestyle=(0, (3, 3)), linewidth=1, label="kept")
    axes.set(xlabel="Boosting round", ylabel="Log-loss")
    axes.locator_params(nbins=5)
    legend_above(axes)


def paint_importance(axes: Axes, importance: Sequence[tuple[str, float]], shown: Callable[[float], str]) -> None:
    """A bar a feature, with its value as `shown` writes it."""
    bars(axes, [name for name, _ in importance], 1.2 * (max(share for _, share in importance) or 1.0))
    for row, (_, share) in enumerate(importance):
        axes.barh(row, share, height=0.62, color=FIRST, linewidth=0)
        beside(axes, share, row, shown(share))
    axes.xaxis.set_visible(False)
    frame(axes, LABEL_WIDTH, bottom=6)


def _psi_ticks(highest: float, drift: DriftResult) -> list[float]:
    """Zero, the levels, and the largest round number in sight, as far as their labels have room."""
    levels = [
        level for level, limit in ((drift.warn, 2), (drift.alert, 8)) if level < highest < limit * 4 * drift.alert
    ]
    round_numbers = [step for step in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if 2.5 * drift.alert < step <= highest]
    return [0.0, *levels, *round_numbers[-1:]]


def _square_root(values: Any) -> Any:
    return numpy.sqrt(numpy.maximum(values, 0.0))


def _square(values: Any) -> Any:
    return numpy.square(values)
