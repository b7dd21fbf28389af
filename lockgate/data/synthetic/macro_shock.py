"""The macro shock of the current batch: what a downturn moves, and by how much."""

from __future__ import annotations

import math

import numpy as np

from lockgate.config.errors import InputError

# The only columns that a shock may move; every other one keeps its values bit for bit.
SHOCKED_FEATURES = ("regional_unemployment", "interest_rate", "utilisation")

# What a shock of 1.0, the default downturn, adds.
UNEMPLOYMENT = 2.2  # percentage points
INTEREST_RATE = 1.8  # percentage points
UTILISATION_LOGIT = 1.1  # units of the logit


def check_shock(shock: object) -> None:
    """Raises InputError unless `shock` is a finite number of at least 0."""
    number = isinstance(shock, int | float | np.integer | np.floating) and not isinstance(shock, bool)
    if not number or not math.isfinite(float(shock)) or float(shock) < 0:  # type: ignore[arg-type]
        raise InputError(
            f"prepare.shock is {shock!r}; give a finite number of at least 0 (1.0 is the default downturn)"
        )
