"""What each rule of a night sees, drawn from real runs: the worked example's model, and batches with one thing wrong each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
import pandas as pd
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from simulations._changes import FEED, dead_feed, dead_in_region, outcomes_shuffled, shuffled

from lockgate import Bundle, DriftResult, measure_drift, verify_bundle
from lockgate.ci.nightly.history import nightly_run, stale_batch
from lockgate.config.files import sha256_bytes
from lockgate.data.synthetic import TARGET, generate_applicants
from lockgate.documents.drift_json import NOISE
from lockgate.documents.nightly_json import NightlyRun
from lockgate.documents.profile_json import SCORE
from lockgate.documents.schema_json import DECISION_COLUMNS, FAVOURABLE, LOG_TIME
from lockgate.documents.text import format_psi, format_share
from lockgate.report.axes import beside, frame, legend_above, report_style
from lockgate.report.night_drawings import Picture
from lockgate.report.painters import paint_psi
from lockgate.report.svg import BAD, FIRST, INK, MUTED, SECOND, WARN, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path("docs/images")
ROWS, SEED = 5_071, 20_261
WIDTH, ROW = 640, 26
NAMES, NUMBERS = 170.0, 150.0  # points left and right of the rows
COLOURS = {"alert": BAD, "warn": WARN}
DASHED = (0, (3, 3))
Night = tuple[str, DriftResult]
Thing = TypeVar("Thing")


def main(project: Path) -> None:
    """Measure the batches against the bundle of `project`, and draw them into `FOLDER`."""
    bundle = verify_bundle(project / "models")
    clean = generate_applicants(ROWS, SEED)
    random = np.random.default_rng(SEED)

    def night(rows: pd.DataFrame, *, labels: bool = True) -> DriftResult:
        return measure_drift(bundle, rows if labels else rows.drop(columns=TARGET))

    def worse(part: float) -> DriftResult:
        return night(_exchanged(clean, part, random))

    untouched = night(clean)
    joint = night(shuffled("income", "utilisation", "savings")(clean, random))
    shock = night(generate_applicants(ROWS, SEED, shock=1.0))
    outage = night(dead_in_region(clean, random), labels=False)
    missing = night(dead_feed(0.005, float("nan"))(clean, random), labels=False)
    costs = night(_more_brokers(clean, random), labels=False)
    log = measure_drift(bundle, _decision_log(bundle.digest, random), time=datetime(2026, 9, 1, tzinfo=UTC))
    outcomes = [("as they were", untouched), *((f"of {part:.0%} exchanged", worse(part)) for part in (0.2, 0.4, 0.7))]
    pictures: dict[str, tuple[Callable[..., None], Any, float, str]] = {
        "psi": (_paint_psi, shock, 6, "PSI of the most moved features under a macro shock, with threshold and levels."),
        "missing": (
            _paint_missing,
            missing,
            6,
            "Missing shares of a feed that dies in one row of 200, before and now.",
        ),
        "label": (
            _paint_label,
            [("as it was", untouched), ("macro shock", shock)],
            3,
            "The rate of defaults before and now.",
        ),
        "performance": (
            _paint_performance,
            outcomes,
            4,
            "Measured ROC-AUC of four nights, beside floor and registration.",
        ),
        "vintages": (_paint_vintages, log, 8, "ROC-AUC of known outcomes by the month of the decision."),
        "estimate": (
            _paint_estimate,
            [("other applicants", shock), ("columns mixed up", joint), outcomes[-1]],
            3,
            "Estimated beside measured ROC-AUC of three nights.",
        ),
        "model": (
            _paint_model,
            [("untouched", untouched), ("feed dead in one region", outage), ("columns mixed up", joint)],
            3,
            "Model drift of three nights, with the limit of chance.",
        ),
        "segments": (_paint_segments, outage, 3, "PSI of a dead feed in one region and in all rows."),
        "stale": (
            _paint_stale,
            _stopped_feed(bundle, random),
            5,
            "The newest row of five nights' batches, two of which are stale.",
        ),
        "effects": (_paint_effects, costs, 3, "Moved features: what they do to approvals, and PSI."),
    }
    with report_style():
        for name, (paint, found, rows, says) in pictures.items():
            figure = Figure(figsize=(WIDTH / 72, (rows * ROW + 62) / 72))
            paint(figure, found)
            drawing = draw(figure, name)
            path = FOLDER / f"night-{name}.svg"
            path.write_bytes(Picture(drawing.width, drawing.height, drawing.body, says).standalone)
            print(f"{path}: {path.stat().st_size:,} bytes")


def _exchanged(rows: pd.DataFrame, part: float, random: np.random.Generator) -> pd.DataFrame:
    """The outcomes of this part of the rows belong to others of them."""
    return rows.assign(**{TARGET: outcomes_shuffled(rows[TARGET].to_numpy(), part, random)})


def _more_brokers(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """More applications by brokers, about which the model hardly asks, and a little more debt, about which it does."""
    sent = random.random(len(rows)) < 0.15
    return rows.assign(
        application_channel=rows["application_channel"].mask(sent, "broker"),
        debt_to_income=rows["debt_to_income"] * 1.15,
    )


def _decision_log(digest: str, random: np.random.Generator) -> pd.DataFrame:
    """Months of decisions; from April on outcomes are exchanged, and of young decisions half of the defaults alone are known."""
    months = []
    for number in range(1, 9):
        rows = generate_applicants(1_500, SEED + number)
        rows = _exchanged(rows, 0.6 if number >= 4 else 0.0, random)
        days = pd.to_timedelta(np.sort(random.integers(0, 28, len(rows))), unit="D")
        made = pd.Timestamp(2026, number, 1, tz="UTC") + days
        unknown = (number > 5) & ((rows[TARGET] == 0) | (random.random(len(rows)) < 0.5))
        log = dict(zip(DECISION_COLUMNS, (made, digest, FAVOURABLE), strict=True))
        months.append(rows.assign(**log, **{TARGET: rows[TARGET].astype("Int8").mask(unknown)}))
    return pd.concat(months, ignore_index=True)


def _stopped_feed(bundle: Bundle, random: np.random.Generator) -> list[NightlyRun]:
    """Five nights that read the applications of a month: the feed stops for two of them, once with an unchanged file."""
    rows = generate_applicants(ROWS, SEED)
    days = pd.to_timedelta(np.sort(random.integers(0, 33, len(rows))), unit="D")
    rows = rows.drop(columns=TARGET).assign(**{LOG_TIME: pd.Timestamp(2026, 8, 13) + days})

    def until(day: int, first: int = 0) -> pd.DataFrame:
        return rows[rows[LOG_TIME].between(pd.Timestamp(2026, 8, 13 + first), pd.Timestamp(2026, 9, day))]

    runs = []
    for night, batch in enumerate((until(9), until(10), until(10), until(10, first=4), until(13)), 10):
        found = msgspec.structs.replace(
            measure_drift(bundle, batch.drop(columns=LOG_TIME)),
            batch=sha256_bytes(batch.to_csv().encode()),
            newest=batch[LOG_TIME].max().date(),
        )
        runs.append(nightly_run(found, night, 1, datetime(2026, 9, night, 3, tzinfo=UTC)))
    return runs


def _rows(axes: Axes, names: Sequence[str]) -> None:
    """A row a name, the first on top."""
    frame(axes, NAMES, right=NUMBERS, top=26)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _beside(axes: Axes, row: int, text: str) -> None:
    """Text at the right edge of a row."""
    axes.annotate(
        text, (1, row), (NUMBERS, 0), ha="right", va="center", fontsize=10,
        xycoords=axes.get_yaxis_transform(), textcoords="offset points",
    )  # fmt: skip


def _interval(
    axes: Axes, row: float, value: float, low: float, high: float, colour: str, label: str | None = None
) -> None:
    axes.plot([low, high], [row, row], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot([value], [row], color=colour, marker="o", markersize=6, linestyle="none", label=label)


def _paint_psi(figure: Figure, night: DriftResult) -> None:
    paint_psi(figure.add_subplot(), sorted(night.features, key=lambda one: -one.psi)[:6], night)


def _paint_missing(figure: Figure, night: DriftResult) -> None:
    axes = figure.add_subplot()
    shown = [one for one in night.features if one.name in FEED]
    _rows(axes, [one.name for one in shown])
    for row, one in enumerate(shown):
        axes.barh(row - 0.2, one.missing_reference, 0.34, color=MUTED, label="training rows" if not row else None)
        axes.barh(row + 0.2, one.missing_current, 0.34, color=FIRST, label="this night" if not row else None)
        beside(axes, one.missing_current, row + 0.2, format_share(one.missing_current))
        _beside(axes, row, f"{one.status}, PSI {format_psi(one.psi)}")
    axes.xaxis.set_major_formatter(PercentFormatter(1, 1))
    legend_above(axes)


def _paint_label(figure: Figure, nights: Sequence[Night]) -> None:
    axes = figure.add_subplot()
    _rows(axes, [name for name, _ in nights])
    for row, (_, night) in enumerate(nights):
        label, before, now = _there(night.label), _there(_there(night.label).reference), _there(night.label).current
        axes.axvline(_there(before.rate), color=MUTED, linestyle=DASHED, label=None if row else "training rows")
        _interval(axes, row, _there(now.rate), now.low, now.high, COLOURS.get(label.status, FIRST))
        _beside(axes, row, label.status)
    axes.xaxis.set_major_formatter(PercentFormatter(1, 0))
    legend_above(axes)


def _paint_performance(figure: Figure, nights: Sequence[Night]) -> None:
    axes = figure.add_subplot()
    _rows(axes, [name for name, _ in nights])
    for row, (_, night) in enumerate(nights):
        found = _there(_there(night.performance).metric("roc_auc"))
        if not row:
            axes.axvline(_there(found.threshold), color=BAD, linestyle=DASHED, label="the gate's floor")
            axes.axvline(_there(found.reference), color=MUTED, linestyle=DASHED, label="at registration")
        _interval(
            axes, row, _there(found.value), _there(found.low), _there(found.high), COLOURS.get(found.status, FIRST)
        )
        _beside(axes, row, found.status)
    axes.set_xlabel("ROC-AUC of 5,071 known outcomes")
    legend_above(axes)


def _paint_vintages(figure: Figure, night: DriftResult) -> None:
    axes = figure.add_subplot()
    _rows(axes, [one.month for one in night.vintages])
    axes.axvline(
        _there(_there(_there(night.performance).metric("roc_auc")).threshold),
        color=BAD,
        linestyle=DASHED,
        label="the gate's floor",
    )
    for row, one in enumerate(night.vintages):
        found = one.roc_auc
        if found.value is not None:
            _interval(axes, row, found.value, _there(found.low), _there(found.high), COLOURS.get(one.status, FIRST))
        _beside(
            axes,
            row,
            f"{one.status.replace('insufficient-data', 'too few')}, {one.known:,} known"
            if one.known
            else f"not before {one.mature_on}",
        )
    axes.set_xlabel("ROC-AUC of known outcomes, by the month of the decision")
    legend_above(axes)


def _paint_estimate(figure: Figure, nights: Sequence[Night]) -> None:
    axes = figure.add_subplot()
    _rows(axes, [name for name, _ in nights])
    for row, (_, night) in enumerate(nights):
        estimate, measured = _there(night.estimated).roc_auc, _there(_there(night.performance).metric("roc_auc"))
        first = row == 0
        _interval(
            axes, row - 0.17, _there(estimate.value), _there(estimate.low), _there(estimate.high), SECOND,
            "estimated without labels" if first else None,
        )  # fmt: skip
        _interval(
            axes, row + 0.17, _there(measured.value), _there(measured.low), _there(measured.high), FIRST,
            "measured, once labels are known" if first else None,
        )  # fmt: skip
        _beside(axes, row, "refuted" if _there(night.estimated).refuted else "not refuted")
    axes.set_xlabel("ROC-AUC")
    legend_above(axes)


def _paint_model(figure: Figure, nights: Sequence[Night]) -> None:
    axes = figure.add_subplot()
    _rows(axes, [name for name, _ in nights])
    for row, (_, night) in enumerate(nights):
        found = _there(night.model_drift)
        axes.barh(row, found.statistic, 0.5, color=COLOURS.get(found.status, FIRST))
        axes.plot(
            [found.limit] * 2,
            [row - 0.4, row + 0.4],
            color=INK,
            linewidth=1.6,
            label=None if row else "limit of chance",
        )
        moved = sum(one.moved for one in night.features if one.kind != SCORE)
        _beside(axes, row, f"{found.status}, {moved or 'no'} feature moved")
    axes.set_xlabel("Model drift")
    legend_above(axes)


def _paint_segments(figure: Figure, night: DriftResult) -> None:
    axes = figure.add_subplot()
    whole = {one.name: one for one in night.features}
    shown = [one for one in night.segments if one.feature in FEED]
    _rows(axes, [f"{one.feature} in {one.value}" for one in shown])
    for row, one in enumerate(shown):
        label = f"the {one.share:.1%} of rows of {one.column} {one.value}"
        axes.barh(row - 0.2, one.psi, 0.34, color=COLOURS.get(one.status, FIRST), label=None if row else label)
        axes.barh(row + 0.2, whole[one.feature].psi, 0.34, color=MUTED, label=None if row else "all rows")
        beside(axes, one.psi, row - 0.2, format_psi(one.psi))
        beside(axes, whole[one.feature].psi, row + 0.2, format_psi(whole[one.feature].psi))
        _beside(axes, row, f"{whole[one.feature].status} as a whole")
    axes.set_xlabel("Population stability index")
    legend_above(axes)


def _paint_stale(figure: Figure, nights: Sequence[NightlyRun]) -> None:
    axes = figure.add_subplot()
    _rows(axes, [f"night of {run.time:%d %b}" for run in nights])
    for row, run in enumerate(nights):
        stale = stale_batch(nights[: row + 1], stale_days=1)
        newest = _there(run.newest)
        days = [newest, run.time.date()]
        axes.plot(days, [row, row], color=MUTED, linewidth=1.4)
        axes.plot(
            days[1:],
            [row],
            color=MUTED,
            marker="|",
            markersize=12,
            linestyle="none",
            label=None if row else "the night",
        )
        axes.plot(
            days[:1],
            [row],
            color=WARN if stale else FIRST,
            marker="o",
            linestyle="none",
            label=None if row else "newest row of its batch",
        )
        words = {"earlier-batch": "stale: unchanged", "no-newer-day": "stale: nothing newer"}
        _beside(axes, row, f"{run.status}, {words[stale[0].kind] if stale else 'new'}")
    axes.set_xlabel("Day of the newest row, and of the night")
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))
    legend_above(axes)


def _paint_effects(figure: Figure, night: DriftResult) -> None:
    moved = sorted(night.moved, key=lambda one: -abs(_there(one.effect).favourable or 0.0))
    axes = figure.add_subplot()
    _rows(axes, [one.name for one in moved])
    for row, one in enumerate(moved):
        effect = _there(one.effect)
        change, noise = _there(effect.favourable), NOISE * _there(effect.favourable_error)
        axes.barh(row, change, 0.5, color=MUTED if effect.is_nil else FIRST)
        axes.plot([change - noise, change + noise], [row, row], color=INK, linewidth=1.4, solid_capstyle="butt")
        found = "may be none" if effect.is_nil else f"{change:+.1%} approved"
        _beside(axes, row, f"{found}, PSI {format_psi(one.psi)}")
    axes.axvline(0.0, color=INK, linewidth=1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, 1))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Change of the share of approvals")


def _there(value: Thing | None) -> Thing:
    """What these nights all have."""
    if value is None:
        sys.exit("error: a night lacks what its picture shows")
    return value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
