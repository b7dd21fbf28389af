"""The pictures of the nights, as SVG written here: performance over time, and PSI by feature and night.

Written by hand and not by matplotlib, which the jobs that publish do not have. Colours are properties of the page's style sheet;
a picture that stands alone brings them with it. A unit of a view box is about a pixel, so each picture is drawn once for a
telephone and once for a desk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from lockgate.config.visible_text import visible_text
from lockgate.documents.nightly_json import NightFeature, NightlyRun, NightMetric
from lockgate.documents.text import clean_text, cut_middle, format_metric, format_psi

NARROW, WIDE = 336, 1040
NARROW_NIGHTS, MAX_ROWS = 45, 30
_LETTER = 6.2  # the width of a small letter at the size that the pictures use
_TOP, _BOTTOM, _RIGHT = 8.0, 38.0, 44.0
_CHART, _ROW, _MARKS = 170.0, 17.0, 32.0
_STANDALONE = """<style>
:root { --ink: #16202c; --muted: #566373; --rule: #dde2e8; --card: #ffffff; --series-1: #1f6fb8; --series-2: #b0620e;
  --warn-mark: #b7791f; --bad-mark: #c53030; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --muted: #a3b0be; --rule: #303b47; --card: #0d1117;
  --series-1: #63a9e8; --series-2: #e3a35b; --warn-mark: #d9a441; --bad-mark: #ef6b6b; } }
text { font-family: system-ui, sans-serif; }
</style>"""


@dataclass(frozen=True)
class Picture:
    """The inside of an SVG element of this size; `says` describes it for whoever cannot see it."""

    width: float
    height: float
    body: Markup
    says: str

    @property
    def standalone(self) -> bytes:
        """The picture as a file of its own, in light and dark; on a ground of its own, since whose page it is on it cannot know."""
        box = f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" height="{self.height:g}"'
        title = f"<title>{escape(self.says)}</title>"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img">{title}{_STANDALONE}{self.body}</svg>\n'.encode()
        )


def performance_picture(runs: Sequence[NightlyRun], width: float) -> Picture | None:
    """ROC-AUC by night: measured with intervals, estimated as a band, the gate's floor; alarms, retrains and new models.

    None where no night knows any.
    """
    found = [value for run in runs for metric in _roc_aucs(run) for value in (metric.value, metric.low, metric.high)]
    floors = [metric.threshold for run in runs for metric in _roc_aucs(run) if metric.threshold is not None]
    values = [value for value in found if value is not None]
    if not values:
        return None
    low, high = min(*values, *floors), max(*values, *floors)
    space = max(0.01, 0.08 * (high - low))
    low, high = max(0.0, low - space), min(1.0, high + space)
    legend, top = _legend(_PERFORMANCE_LEGEND, width)
    across = _Across(len(runs), 4.0, width - _RIGHT)

    def y(value: float) -> float:
        return top + _CHART * (high - value) / (high - low)

    bottom = top + _CHART
    parts = [
        *legend,
        *_levels(low, high, y, width),
        *_model_changes(runs, across, top, bottom),
        *_bands(runs, across, y),
        *_floor(runs, across, y),
        *_points(runs, across, y),
        *_marks(runs, across, bottom + 9),
        *_dates(runs, across, bottom + _MARKS + 14, width),
    ]
    return Picture(width, bottom + _MARKS + 22, Markup("").join(parts), _performance_words(runs))


def psi_picture(runs: Sequence[NightlyRun], width: float) -> Picture | None:
    """A row a feature and a column a night: the taller and redder, the worse. None where no night has a feature."""
    named: dict[str, list[NightFeature | None]] = {}
    for at, run in enumerate(runs):
        for feature in run.features:
            named.setdefault(feature.name, [None] * len(runs))[at] = feature
    if not named:
        return None
    rows = sorted(named.items(), key=lambda pair: (-_worst(pair[1]), pair[0]))[:MAX_ROWS]
    letters = 15 if width == NARROW else 30
    left = 12 + _LETTER * min(letters, max(len(cut_middle(_shown(name), letters)) for name, _ in rows))
    legend, top = _legend(_PSI_LEGEND, width)
    across = _Across(len(runs), left, width - 4.0)
    parts = list(legend)
    for row, (name, cells) in enumerate(rows):
        base = top + row * _ROW
        parts.append(_text(0, base + 12, cut_middle(_shown(name), letters), "var(--ink)"))
        parts.append(_line(left, base + _ROW - 1, width - 4, base + _ROW - 1, "var(--rule)", 0.6))
        parts += _cells(across, base + _ROW - 2, cells, [f"{_shown(name)}, {_day(run)}" for run in runs])
    bottom = top + len(rows) * _ROW
    parts += [*_marks(runs, across, bottom + 9), *_dates(runs, across, bottom + _MARKS + 14, width)]
    says = f"PSI by feature and night, {len(runs)} nights: " + "; ".join(
        f"{_shown(name)} at most {format_psi(max(cell.psi for cell in cells if cell))}" for name, cells in rows[:8]
    )
    return Picture(width, bottom + _MARKS + 22, Markup("").join(parts), says)


@dataclass(frozen=True)
class _Across:
    """Where each of `nights` stands between `left` and `right`: evenly, the last at the right."""

    nights: int
    left: float
    right: float

    @property
    def step(self) -> float:
        return min(28.0, (self.right - self.left) / self.nights)

    def middle(self, at: int) -> float:
        return self.left + (at + 0.5) * self.step


_PERFORMANCE_LEGEND = (
    ("measured, with interval", "dot"),
    ("estimated without labels", "band"),
    ("the gate's floor", "dashes"),
    ("alarm", "alarm"),
    ("retrain", "retrain"),
    ("new model", "model"),
)
_PSI_LEGEND = (("stable", "stable"), ("warn", "warn"), ("alert", "alert"), ("alarm", "alarm"), ("retrain", "retrain"))
_CELLS = {"alert": ("var(--bad-mark)", 14.0), "warn": ("var(--warn-mark)", 10.0)}


def _roc_aucs(run: NightlyRun) -> Iterator[NightMetric]:
    for found in (run.measured, run.estimated):
        if found is not None:
            yield found.roc_auc


def _legend(entries: Sequence[tuple[str, str]], width: float) -> tuple[list[Markup], float]:
    """The entries in as many lines as they need, and where the picture may begin below them."""
    parts, x, y = [], 0.0, _TOP + 4
    for words, kind in entries:
        needed = 20 + _LETTER * len(words) + 12
        if x and x + needed > width:
            x, y = 0.0, y + 17
        parts += [_symbol(kind, x + 7, y), _text(x + 18, y + 4, words, "var(--muted)")]
        x += needed
    return parts, y + 16


def _symbol(kind: str, x: float, y: float) -> Markup:
    if kind == "dot":
        return _line(x, y - 6, x, y + 6, "var(--series-1)", 1.4) + _circle(x, y, 3, "var(--series-1)")
    if kind == "band":
        return _rectangle(x - 6, y - 5, 12, 10, "var(--series-2)", 0.2) + _line(
            x - 6, y, x + 6, y, "var(--series-2)", 1.6
        )
    if kind == "dashes":
        return _line(x - 6, y, x + 6, y, "var(--ink)", 1.2, "3 3")
    if kind == "model":
        return _line(x, y - 6, x, y + 6, "var(--muted)", 1, "1 2")
    if kind == "alarm":
        return _path(f"M{x - 5:.1f} {y - 4:.1f}h10l-5 9z", "var(--bad-mark)")
    if kind == "retrain":
        return _path(f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5-5z", "var(--series-1)")
    colour, height = _CELLS.get(kind, ("var(--series-1)", 5.0))
    return _rectangle(x - 4, y + 5 - height, 8, height, colour, 0.55 if kind == "stable" else 1)


def _levels(low: float, high: float, y: Callable[[float], float], width: float) -> Iterator[Markup]:
    """Lines at round values, named at the right, where the newest night is."""
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 6)
    for count in range(int(low / step) + 1, int(high / step) + 1):
        level = count * step
        yield _line(0, y(level), width - _RIGHT, y(level), "var(--rule)", 0.8)
        yield _text(width - _RIGHT + 6, y(level) + 4, f"{level:.2f}", "var(--muted)")


def _bands(runs: Sequence[NightlyRun], across: _Across, y: Callable[[float], float]) -> Iterator[Markup]:
    """The estimate: a band between its ends, and a line through nights that follow each other."""
    known = [
        (at, metric.value, metric.low, metric.high)
        for at, run in enumerate(runs)
        if run.estimated is not None and (metric := run.estimated.roc_auc).value is not None
    ]
    for _, group in groupby(enumerate(known), key=lambda pair: pair[0] - pair[1][0]):
        stretch = [entry for _, entry in group]
        upper = [(across.middle(at), y(value if high is None else high)) for at, value, _, high in stretch]
        lower = [(across.middle(at), y(value if low is None else low)) for at, value, low, _ in stretch]
        if len(stretch) == 1:  # one night has no width: a bar of its own
            (x, top), (_, bottom) = upper[0], lower[0]
            yield _rectangle(x - 3, top, 6, bottom - top, "var(--series-2)", 0.2)
        else:
            yield _path(_through([*upper, *reversed(lower)]) + "z", "var(--series-2)", opacity=0.2)
        middle = [(across.middle(at), y(value)) for at, value, _, _ in stretch]
        line = _through(middle) if len(middle) > 1 else f"M{middle[0][0] - 3:.1f} {middle[0][1]:.1f}h6"
        yield _path(line, "none", stroke="var(--series-2)")


def _floor(runs: Sequence[NightlyRun], across: _Across, y: Callable[[float], float]) -> Iterator[Markup]:
    """The gate's floor of each night; of a night that names none, that of the night before."""
    floors: list[float | None] = []
    for run in runs:
        own = next((metric.threshold for metric in _roc_aucs(run) if metric.threshold is not None), None)
        floors.append(own if own is not None else floors[-1] if floors else None)
    for floor, group in groupby(range(len(runs)), key=floors.__getitem__):
        if floor is not None:
            nights = list(group)
            left, right = across.middle(nights[0]) - across.step / 2, across.middle(nights[-1]) + across.step / 2
            yield _line(left, y(floor), right, y(floor), "var(--ink)", 1.2, "4 3")


def _points(runs: Sequence[NightlyRun], across: _Across, y: Callable[[float], float]) -> Iterator[Markup]:
    """What labels showed, in the colour of its status."""
    colours = {"alert": "var(--bad-mark)", "warn": "var(--warn-mark)"}
    for at, run in enumerate(runs):
        if run.measured is None or run.measured.roc_auc.value is None:
            continue
        metric, x = run.measured.roc_auc, across.middle(at)
        colour = colours.get(run.measured.status, "var(--series-1)")
        if metric.low is not None and metric.high is not None:
            yield _line(x, y(metric.low), x, y(metric.high), colour, 1.4)
        says = f"{_day(run)}: measured {_with_interval(metric)} on {run.measured.n:,} labels, {run.measured.status}"
        yield _circle(x, y(run.measured.roc_auc.value), min(3.2, max(1.4, across.step / 2)), colour, says)


def _model_changes(runs: Sequence[NightlyRun], across: _Across, top: float, bottom: float) -> Iterator[Markup]:
    for at in range(1, len(runs)):
        if runs[at].model != runs[at - 1].model:
            x = across.middle(at) - across.step / 2
            yield _line(
                x, top, x, bottom, "var(--muted)", 1, "1 2", f"{_day(runs[at])}: new model {runs[at].model[:12]}"
            )


def _marks(runs: Sequence[NightlyRun], across: _Across, y: float) -> Iterator[Markup]:
    """The nights of an alarm, and below them those before which a retrain was started."""
    for at, run in enumerate(runs):
        x, half = across.middle(at), min(5.0, max(1.5, across.step / 2))
        if run.state == "alarm":
            yield _path(
                f"M{x - half:.1f} {y - 4:.1f}h{2 * half:.1f}l{-half:.1f} 9z",
                "var(--bad-mark)",
                says=f"{_day(run)}: alarm",
            )
        if run.retrains:
            yield _path(f"M{x:.1f} {y + 9:.1f}l5 5l-5 5l-5-5z", "var(--series-1)", says=f"{_day(run)}: retrain")


def _dates(runs: Sequence[NightlyRun], across: _Across, y: float, width: float) -> Iterator[Markup]:
    """The days of a few nights, the newest always among them, none over another."""
    half = _LETTER * 5
    free = width + 14.0
    for at in range(len(runs) - 1, -1, -1):
        x = min(across.middle(at), width - half)
        if x + half + 14 <= free and x >= half:
            yield _text(x, y, _day(runs[at]), "var(--muted)", "middle")
            free = x - half


def _cells(
    across: _Across, floor: float, cells: Sequence[NightFeature | None], places: Sequence[str]
) -> Iterator[Markup]:
    """A feature's row: what moved in cells that a pointer names, the rest in one path, because there are thousands of them."""
    width = max(1.0, across.step - (1.5 if across.step > 5 else 0.4))
    calm = []
    for at, cell in enumerate(cells):
        if cell is None:
            continue
        left = across.middle(at) - width / 2
        if cell.status in _CELLS:
            colour, height = _CELLS[cell.status]
            says = f"{places[at]}: PSI {format_psi(cell.psi)}, {cell.status}"
            yield _rectangle(left, floor - height, width, height, colour, 1, says)
        else:
            height = 2.0 + min(4.0, 40.0 * cell.psi)
            calm.append(f"M{left:.1f} {floor:.1f}v{-height:.1f}h{width:.1f}v{height:.1f}z")
    if calm:
        yield _path("".join(calm), "var(--series-1)", opacity=0.55)


def _worst(cells: Sequence[NightFeature | None]) -> float:
    return max(cell.psi for cell in cells if cell is not None)


def _shown(name: str) -> str:
    return clean_text(name) or "unnamed"


def _day(run: NightlyRun) -> str:
    return run.time.strftime("%Y-%m-%d")


def _with_interval(metric: NightMetric) -> str:
    if metric.low is None or metric.high is None:
        return format_metric(metric.value)
    return f"{format_metric(metric.value)} [{format_metric(metric.low)}, {format_metric(metric.high)}]"


def _performance_words(runs: Sequence[NightlyRun]) -> str:
    measured = [run for run in runs if run.measured is not None and run.measured.roc_auc.value is not None]
    words = f"ROC-AUC over {len(runs)} nights, measured in {len(measured)} of them"
    if measured and (newest := measured[-1].measured):
        words += f", last {_with_interval(newest.roc_auc)} on {_day(measured[-1])}, {newest.status}"
    return words


# Numbers are rounded, texts escaped: nothing else stands in a picture.


def _text(x: float, y: float, words: str, colour: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{}" y="{}" font-size="11" fill="{}" text-anchor="{}">{}</text>').format(
        f"{x:.1f}", f"{y:.1f}", colour, anchor, visible_text(words)
    )


def _line(
    x: float, y: float, to_x: float, to_y: float, colour: str, width: float, dashes: str = "", says: str = ""
) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="{}" stroke-width="{:g}"{}>{}</line>').format(
        *(f"{value:.1f}" for value in (x, y, to_x, to_y)), colour, width, _dashes(dashes), _title(says)
    )


def _dashes(dashes: str) -> Markup:
    return Markup(' stroke-dasharray="{}"').format(dashes) if dashes else Markup()


def _circle(x: float, y: float, radius: float, colour: str, says: str = "") -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="{:g}" fill="{}">{}</circle>').format(
        f"{x:.1f}", f"{y:.1f}", radius, colour, _title(says)
    )


def _rectangle(
    x: float, y: float, width: float, height: float, colour: str, opacity: float = 1, says: str = ""
) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}" opacity="{:g}">{}</rect>').format(
        *(f"{value:.1f}" for value in (x, y, width, height)), colour, opacity, _title(says)
    )


def _path(points: str, fill: str, stroke: str = "none", opacity: float = 1, says: str = "") -> Markup:
    return Markup('<path d="{}" fill="{}" stroke="{}" stroke-width="1.6" opacity="{:g}">{}</path>').format(
        points, fill, stroke, opacity, _title(says)
    )


def _through(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _title(says: str) -> Markup:
    """What a pointer over it shows, without any script."""
    return Markup("<title>{}</title>").format(visible_text(says)) if says else Markup()
