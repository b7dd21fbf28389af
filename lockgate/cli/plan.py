"""`lockgate plan`: how many test rows a comparison needs, before anyone collects data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli.command import Command, Decorated, params_option, say
from lockgate.config.errors import InputError
from lockgate.config.params import Params, read_params
from lockgate.gate.error_rates import STEP, Assumptions, floor_rate, rates_of, rows_needed
from lockgate.metrics.power import auc_error

if TYPE_CHECKING:
    from lockgate.gate.error_rates import Assumptions


def _share(name: str, default: float, help_text: str) -> Callable[[Decorated], Decorated]:
    kind = click.FloatRange(0, 1, min_open=True, max_open=True)
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


@click.command(cls=Command)
@params_option
@click.option(
    "--margin",
    type=click.FloatRange(0, 0.5, min_open=True),
    help="Of ROC-AUC.  [default: gate.champion.margins.roc_auc]",
)
@click.option(
    "--auc",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.77,
    show_default=True,
    help="The ROC-AUC that the models have.",
)
@_share("--prevalence", 0.22, "The share of positives among the test rows.")
@_share("--correlation", 0.95, "Spearman's correlation of challenger's and champion's scores.")
@_share("--block-equal", 0.02, "How often an equally good model may be blocked.")
@_share("--pass-worse", 0.05, "How often a model worse by the margin may pass.")
@click.option("--rows", type=click.IntRange(min=10), help="Show the error rates that so many rows give instead.")
def plan(
    params_path: Path,
    margin: float | None,
    auc: float,
    prevalence: float,
    correlation: float,
    block_equal: float,
    pass_worse: float,
    rows: int | None,
) -> None:
    """Compute how many test rows a margin and two error rates need, or the error rates of a number of rows.

    \b
    Examples:
        lockgate plan --margin 0.01 --prevalence 0.22 --correlation 0.95
        lockgate plan --rows 6000
    """
    params = read_params(params_path) if params_path.exists() else Params()
    margin = margin or params.gate.champion.margins.get("roc_auc")
    if not margin:
        raise InputError("no margin of ROC-AUC is configured; give one with --margin, such as 0.01")
    assumed = Assumptions(auc, prevalence, correlation, margin)
    say(
        f"two models of ROC-AUC {auc:g}, {prevalence:.1%} positives, score correlation {correlation:g}, "
        f"margin {margin:g} (binormal, normal approximation)"
    )
    if rows is None:
        needed = rows_needed(assumed, block_equal, pass_worse)
        say(
            f"{needed.rows:,} test rows ({needed.positives:,} positives): blocks an equally good model in "
            f"{block_equal:.1%}, passes one {margin:g} worse in {pass_worse:.1%}"
        )
        say(f"set gate.champion.confidence to {1 - 2 * pass_worse:.4g}")
        rows = needed.rows
    else:
        confidence = params.gate.champion.confidence
        blocks, passes = rates_of(assumed, rows, confidence)
        say(
            f"{rows:,} test rows at gate.champion.confidence {confidence:g}: blocks an equally good model in {blocks:.1%}, "
            f"passes one {margin:g} worse in {passes:.1%}"
        )
    say(_floors(assumed, rows))


def _floors(assumed: Assumptions, rows: int) -> str:
    error = auc_error(assumed.auc, assumed.prevalence, rows)
    return (
        f"a floor decided on the estimate then blocks a model {STEP:g} above it in {floor_rate(assumed, rows):.1%}; "
        f"the 95 % interval of ROC-AUC is {assumed.auc:g} ± {1.96 * error:.4f}"
    )


if __name__ == "__main__":
    plan()
