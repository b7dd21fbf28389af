"""What a night's `drift.json` says, in short, and a share of nights with how exactly it is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.documents.drift_json import MOVED, DriftResult
from lockgate.documents.profile_json import SCORE, LabelCounts
from lockgate.drift.label_drift import wilson

# What may warn, in the order of the tables.
RULES = ("PSI", "new values", "missing", "score", "label", "performance", "estimate", "model", "segments")
LABELLED = ("label", "performance")  # those that need outcomes
RULE_OF_THUMB = 0.1  # "a PSI of 0.1 is drift", whatever the number of rows
BY_FEATURE = {"psi": "PSI", "unseen": "new values", "missing": "missing", "constant": "missing"}


def fired(result: DriftResult) -> set[str]:
    """The rules by which the night warns or alerts; of several parts of a feature's rule the gravest."""
    found = {"score" if one.kind == SCORE else BY_FEATURE[str(one.rule)] for one in result.moved}
    parts = {
        "label": result.label,
        "performance": result.performance,
        "estimate": result.estimated,
        "model": result.model_drift,
    }
    found |= {name for name, part in parts.items() if part is not None and part.status in MOVED}
    return found | {"segments" for one in result.segments if one.status in MOVED}


def share(counts: Sequence[int], each: int) -> str:
    """A percentage with its 95 % interval: of `each` nights of every bundle so many counted.

    Nights of one bundle share its profile and are no independent ones. So Wilson's interval is that of as many independent nights
    as would make the bundles' shares vary as they do.
    """
    rates = np.asarray(counts) / each
    nights, rate = each * len(rates), float(rates.mean())
    alone = rate * (1.0 - rate) / each
    inflation = max(1.0, float(rates.var(ddof=1)) / alone) if len(rates) > 1 and alone > 0.0 else 1.0
    effective = max(1, round(nights / inflation))
    low, high = wilson(LabelCounts(effective, round(rate * effective)))
    return f"{100 * rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
