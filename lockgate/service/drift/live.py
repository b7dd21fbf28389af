"""PSI of everything counted since this model began to serve, by the arithmetic of the nightly run."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.documents.profile_json import Profile
from lockgate.drift.psi import psi


class LiveFeature(msgspec.Struct, frozen=True):
    """A feature's PSI over `rows` rows; None where there are none. The score is one of them."""

    name: str
    psi: float | None
    rows: int
    unseen: int


class Live(msgspec.Struct, frozen=True):
    """All features, the score last, since this model began to serve."""

    features: list[LiveFeature]


def live_drift(profile: Profile, bin_rows: NDArray[np.float64], unseen: NDArray[np.float64]) -> Live:
    """From the rows in each bin, in the profile's order, and the unseen categories of each feature but the score."""
    found, start = [], 0
    for place, one in enumerate(profile.features):
        counts = bin_rows[start : start + len(one.counts)]
        start += len(one.counts)
        rows = int(counts.sum())
        value = psi(one.counts, counts) if rows else None
        found.append(LiveFeature(one.name, value, rows, int(unseen[place]) if place < len(unseen) else 0))
    return Live(found)
