"""The frame every plot shares: style, margins, axes of shares, rows of bars with their labels."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lockgate.documents.text import cut_middle
from lockgate.report.svg import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABEL_LIMIT, LABEL_WIDTH = 22, 142
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lockgate",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "xtick.major.pad": 5,
    "ytick.major.pad": 5,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
}


@contextmanager
def report_style() -> Iterator[None]:
    """Our settings over matplotlib's defaults, whatever the user's own settings are, and back afterwards."""
    import matplotlib.style

    with matplotlib.style.context(["default", _STYLE], after_reset=True), warnings.catch_warnings():
        # Names in scripts that the bundled font lacks: the page's font draws them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def bars(axes: Axes, labels: Sequence[str], highest: float, right: float = 8, top: float = 6) -> None:
    """Rows from the top down with a label each, from nothing to the highest value across."""
    frame(axes, LABEL_WIDTH, right + 4, top=top, bottom=6 if top > 6 else 38)
    axes.set_yticks(range(len(labels)), [_fitting(label) for label in labels])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlim=(0, highest))
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    axes.locator_params(axis="x", nbins=4)


def _fitting(label: str) -> str:
    """The label cut to the room beside the bars, in the widths of small letters."""
    limit = _LABEL_LIMIT
    while limit > 1 and sum(map(_width, cut_middle(label, limit))) > _LABEL_LIMIT:
        limit -= 1
    return cut_middle(label, limit)


def _width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 2.0
    return 1.4 if character.isupper() or character in "mw@%" else 1.0


def beside(axes: Axes, value: float, row: float, text: str) -> None:
    """The value as text, just behind the end of its bar."""
    axes.annotate(text, (value, row), (4, 0), textcoords="offset points", va="center", fontsize=10)


def legend_above(axes: Axes) -> None:
    """A legend in one line over the axes, where no curve can run into it."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def frame(axes: Axes, left: float, right: float = 8, bottom: float = 38, top: float = 8) -> None:
    """Margins in points, fixed: the page's font is not the one that matplotlib measures."""
    figure = axes.get_figure(root=True)
    if figure is not None:
        width, height = 72 * figure.get_size_inches()
        figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)


def unit_axes(axes: Axes, x: str, y: str, top: float = 8) -> None:
    """Both axes from 0 to 1, read as percentages."""
    from matplotlib.ticker import PercentFormatter

    frame(axes, 56, right=16, top=top)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=x, ylabel=y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
    axes.locator_params(nbins=5)
