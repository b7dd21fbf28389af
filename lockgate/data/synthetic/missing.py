"""What the applicants' forms and the credit bureau leave out: missing at random, given other columns.

A value is missing with a probability that depends on columns shown elsewhere in the row (never on the value itself,
on the label or on a shocked column), so the gap carries a little information about who applied and how.
Whoever has no job has no time in it: there the gap is structural.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockgate.data.synthetic.draws import Draws
from lockgate.data.synthetic.population_tables import WITHOUT_JOB

# column: (share missing at the base, {(other column, value): times as often})
MISSING: dict[str, tuple[float, dict[tuple[str, str], float]]] = {
    "income": (0.012, {("employment_type", "self_employed"): 5.0, ("application_channel", "broker"): 1.6}),
    "months_employed": (0.015, {("employment_type", "temporary"): 2.5, ("application_channel", "online"): 1.5}),
    "savings": (0.055, {("application_channel", "online"): 1.8, ("housing", "with_family"): 1.8}),
    "debt_to_income": (0.015, {("employment_type", "self_employed"): 2.0, ("application_channel", "phone"): 2.0}),
    "utilisation": (0.012, {("housing", "with_family"): 3.0, ("age_band", "18-24"): 3.0}),
    "credit_limit": (0.010, {("housing", "with_family"): 2.5, ("age_band", "18-24"): 2.0}),
    "months_at_address": (0.008, {("housing", "with_family"): 3.0, ("application_channel", "phone"): 1.5}),
    "employment_type": (0.012, {("application_channel", "online"): 1.7}),
    "housing": (0.006, {("application_channel", "phone"): 2.5}),
}


def with_gaps(complete: pd.DataFrame, draws: Draws) -> pd.DataFrame:
    """A copy with the gaps of `MISSING`: numbers become float64 with NaN, categories stay categoricals."""
    table = complete.copy()
    for name, (base, multipliers) in MISSING.items():
        share = np.full(len(complete), base)
        for (other, value), times in multipliers.items():
            share = share * np.where(complete[other] == value, times, 1.0)
        gap = draws.uniform(f"missing {name}") < share
        if name == "months_employed":
            gap |= complete["employment_type"].isin(WITHOUT_JOB).to_numpy()
        table[name] = complete[name].mask(gap)
    return table
