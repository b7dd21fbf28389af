"""Fisher's exact test (1935): whether two shares of rows are the same, from counts, however few."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

TAIL = 40.0  # standard deviations beyond which a hypergeometric probability is 0 in a float64


def exact_tails(hits: int, rows: int, other_hits: int, other_rows: int) -> tuple[float, float]:
    """The chances of at most, and of at least, `other_hits` of the `other_rows`, given the hits of both sides together.

    Both are 1 where a side has no rows, or all rows are alike.
    """
    total_hits, total = hits + other_hits, rows + other_rows
    if min(rows, other_rows) == 0 or total_hits in (0, total):
        return 1.0, 1.0
    mean = other_rows * total_hits / total
    spread = TAIL * sqrt(mean * (1 - total_hits / total) * rows / max(total - 1, 1)) + TAIL
    first = max(0, total_hits - rows, int(mean - spread))
    last = min(total_hits, other_rows, int(mean + spread) + 1)
    found = np.arange(first, last + 1, dtype=np.float64)
    gammaln = scipy_special().gammaln
    # The chance of `found` hits among the other's rows, up to a factor.
    logs = -(
        gammaln(found + 1)
        + gammaln(total_hits - found + 1)
        + gammaln(other_rows - found + 1)
        + gammaln(rows - total_hits + found + 1)
    )
    chance = np.exp(logs - logs.max())
    whole = float(chance.sum())
    at_most, at_least = float(chance[found <= other_hits].sum()), float(chance[found >= other_hits].sum())
    return min(1.0, at_most / whole), min(1.0, at_least / whole)


def scipy_special() -> Any:
    """Imported when it is needed: the service has no SciPy, and most commands that know drift measure none."""
    import scipy.special

    return scipy.special
