"""What the training rows looked like, bin by bin: the content of `models/profile.json` and the names of its bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lockgate.config.files import readable_json
from lockgate.drift.outcomes import Calibration, LabelCounts, calibration_to_json
from lockgate.drift.psi import just_below

PROFILE_VERSION = 1
SCORE = "score"
MISSING = "missing"


@dataclass(frozen=True)
class FeatureProfile:
    """One feature's bins, and the rows in each; the last bin counts the missing values.

    `edges` are the inner edges of right-closed bins (kinds numeric and score), `categories` the known values.
    """

    name: str
    kind: str
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def n(self) -> int:
        """Rows counted, missing ones included."""
        return sum(self.counts)

    @property
    def labels(self) -> tuple[str, ...]:
        """What to call each bin, in the order of `counts`; no two are called the same."""
        named = self.categories if self.kind == "categorical" else interval_labels(self.edges)
        missing = MISSING
        while missing in named:  # somebody's category
            missing = f"({missing})"
        return (*named, missing)


@dataclass(frozen=True)
class Profile:
    """The training rows' number and every feature in the schema's order, the score last.

    `labels` counts the training rows' outcomes, `calibration` is that of the held-out scores; None where not known.
    """

    n: int
    features: tuple[FeatureProfile, ...]
    labels: LabelCounts | None = None
    calibration: Calibration | None = None

    def to_bytes(self) -> bytes:
        """The content of `profile.json`; what is not known has no key."""
        outcomes: dict[str, Any] = {}
        if self.labels is not None:
            outcomes["labels"] = {"n": self.labels.n, "positives": self.labels.positives}
        if self.calibration is not None:
            outcomes["calibration"] = calibration_to_json(self.calibration)
        features = list(map(_to_json, self.features))
        return readable_json({"schema": PROFILE_VERSION, "n": self.n, **outcomes, "features": features})


def interval_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """`(-inf, a]`, `(a, b]`, ..., `(z, inf)`; a bin that holds the single value v is `[v, v]`.

    Numbers have six significant digits, and more where two edges would read the same.
    """
    isolating = [here == just_below(after) for here, after in pairwise(edges)] + [False]
    shown = [edge for edge, isolates in zip(edges, isolating, strict=False) if not isolates]
    for digits in (6, 9, 12, 17):
        rounded = [float(f"{edge:.{digits}g}") for edge in shown]
        if len(set(rounded)) == len(rounded):
            break
    names = dict(zip(shown, map(repr, rounded), strict=True))
    labels, left = [], "(-inf"
    for position, edge in enumerate(edges):
        if isolating[position]:
            value = names[edges[position + 1]]
            labels.append(f"{left}, {value})")
            left = f"[{value}"
        else:
            labels.append(f"{left}, {names[edge]}]")
            left = f"({names[edge]}"
    return (*labels, f"{left}, inf)")


def _to_json(feature: FeatureProfile) -> dict[str, Any]:
    if feature.kind == "categorical":
        bins: dict[str, Any] = {"categories": list(feature.categories)}
    else:
        bins = {"edges": list(feature.edges)}
    return {"name": feature.name, "kind": feature.kind, **bins, "counts": list(feature.counts), "n": feature.n}
