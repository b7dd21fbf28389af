"""Synthetic credit applicants with a known truth, for the worked example, the tests and the demonstration.

`draws` makes random numbers, `population` the applicants (numbers in `population_tables`), `macro_shock` what a downturn
moves, `risk` their odds of default (numbers in `risk_tables`), `missing` the gaps; `columns` says what the columns are. No
row depends on another.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.data.synthetic.columns import (
    AUDIT_COLUMNS,
    FEATURE_TEXTS,
    MONOTONE,
    SYNTHETIC_KINDS,
    TARGET,
)
from lockgate.data.synthetic.draws import Draws
from lockgate.data.synthetic.macro_shock import SHOCKED_FEATURES, check_shock
from lockgate.data.synthetic.missing import with_gaps
from lockgate.data.synthetic.population import applicants
from lockgate.data.synthetic.risk import default_probability

__all__ = [
    "AUDIT_COLUMNS",
    "FEATURE_TEXTS",
    "MONOTONE",
    "SHOCKED_FEATURES",
    "STREAMS",
    "SYNTHETIC_KINDS",
    "TARGET",
    "generate_applicants",
    "with_synthetic_roles",
]

STREAMS = ("history", "current")


def generate_applicants(rows: int, seed: int, shock: float = 0.0, stream: str = "history") -> pd.DataFrame:
    """Applicants with their features, audit columns and outcome `default` (int8, about 22 % are 1 without a shock).

    The same arguments give the same values on every machine. `stream` ("history" or "current") chooses independent
    applicants for the same seed. `shock` (0 or more; 1.0 is the default downturn) raises regional unemployment,
    interest rates and utilisation, and defaults through them; every other feature keeps its values for the same seed.
    Unemployment and rates stop at the limits in `population_tables`, utilisation at 1.

    Raises InputError where `rows` is not a whole number of at least 1, `seed` not one of at least 0, or `shock` is
    negative, NaN or infinite; ValueError on an unknown stream.
    """
    _check_whole("prepare.rows", rows, least=1)
    _check_whole("prepare.seed", seed, least=0)
    check_shock(shock)
    if stream not in STREAMS:
        raise ValueError(f"stream is {stream!r}, not one of {', '.join(STREAMS)}")
    draws = Draws(rows=int(rows), seed=int(seed), stream=stream)
    complete = applicants(draws, float(shock))
    table = with_gaps(complete, draws)[[*SYNTHETIC_KINDS, *AUDIT_COLUMNS]]
    categories = table.select_dtypes("category").columns
    table = table.astype(dict.fromkeys(categories, "str"))
    table[TARGET] = (draws.uniform(TARGET) < default_probability(complete)).astype(np.int8)
    return table


def with_synthetic_roles(settings: Prepare) -> Prepare:
    """`settings` with what the generator knows of its columns; what the user said of them goes first."""
    return settings.model_copy(
        update={
            "kinds": {**SYNTHETIC_KINDS, **settings.kinds},
            "texts": {**FEATURE_TEXTS, **settings.texts},
            "audit_columns": list(dict.fromkeys([*settings.audit_columns, *AUDIT_COLUMNS])),
        }
    )


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} is {value!r}; give a whole number of at least {least}")
