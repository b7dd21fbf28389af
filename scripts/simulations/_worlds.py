"""Two worlds that rows come from, and models that the kit trains in them: one with dependent features, one without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from lockgate.config.params import Params
from lockgate.data.dataset import conform_current, prepare
from lockgate.data.synthetic import AUDIT_COLUMNS, MONOTONE, SYNTHETIC_KINDS, TARGET, generate_applicants
from lockgate.model.bundle import Bundle
from lockgate.model.scoring import score_bundle
from lockgate.model.training import train

# Categories and how steeply their shares fall, as 1 / rank^steepness; the last has values that any reference lacks.
CATEGORIES = {"four": (4, 1.0), "eight": (8, 1.0), "twelve": (12, 2.0), "thirty": (30, 1.5), "rare": (30, 3.0)}
CATEGORIES |= {"long_tail": (200, 2.0)}
MISSING = {"missing_some": 0.05, "missing_many": 0.3, "missing_few": 2e-4}
FIRST_NIGHT = 1_000_000  # seeds from here on are nights', those below are training rows'


@dataclass(frozen=True)
class World:
    """Where rows come from: `draw(rows, seed)` has features and the label `default`, and nothing of it ever changes."""

    name: str
    draw: Callable[[int, int], pd.DataFrame]
    settings: dict[str, Any]

    def bundle(self, rows: int, seed: int, rounds: int = 600) -> Bundle:
        """A model that the kit trains, with the defaults of `params.yaml`, on three quarters of so many rows."""
        training = {"seed": seed, "nthread": 1, "num_boost_round": rounds, "monotone": self.settings["monotone"]}
        params = Params.model_validate({"prepare": {"seed": seed, **self.settings["prepare"]}, "train": training})
        dataset = prepare(self.draw(rows, seed), params.prepare)
        return train(dataset.train, dataset.schema, params).bundle

    def night(self, rows: int, *key: int) -> pd.DataFrame:
        """Rows of the same world that no model has seen, other ones for each key."""
        return self.draw(rows, FIRST_NIGHT + int(np.random.SeedSequence(key).generate_state(1)[0]))


def scored(bundle: Bundle, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of labelled rows, in one order."""
    batch = conform_current(rows, bundle.schema)
    return batch[TARGET].to_numpy(), score_bundle(bundle, batch)


def independent_rows(rows: int, seed: int) -> pd.DataFrame:
    """24 features of many shapes, none of which says anything of another; the label depends on six of them."""
    random = np.random.Generator(np.random.PCG64([seed, 24]))
    columns: dict[str, Any] = {"normal": random.normal(size=rows)}
    columns |= {f"log_normal_{at}": random.lognormal(sigma=1.0 + at / 2, size=rows) for at in range(4)}
    columns |= {f"uniform_{at}": random.random(rows) for at in range(2)}
    columns |= {f"count_{mean:g}": random.poisson(mean, rows) for mean in (0.05, 0.2, 1.0, 4.0)}
    columns["amount"] = np.round(random.lognormal(8.0, 0.6, rows), -2)
    columns["zero_inflated"] = np.where(random.random(rows) < 0.8, 0.0, random.lognormal(size=rows))
    columns |= {f"flag_{share:g}": (random.random(rows) < share).astype(np.int64) for share in (0.5, 0.05)}
    for name, share in MISSING.items():
        columns[name] = np.where(random.random(rows) < share, np.nan, random.normal(size=rows))
    for name, (values, steepness) in CATEGORIES.items():
        weights = 1.0 / np.arange(1, values + 1) ** steepness
        codes = np.searchsorted(np.cumsum(weights / weights.sum()), random.random(rows)).clip(max=values - 1)
        columns[name] = np.char.add("v", codes.astype(str))
    steps = 0.8 * columns["normal"] + 0.5 * np.log(columns["log_normal_0"]) + 2.0 * (columns["uniform_0"] - 0.5)
    steps += 0.5 * columns["flag_0.5"] + 0.4 * columns["count_1"] + 0.6 * (columns["four"] == "v1")
    columns[TARGET] = (random.random(rows) < expit(steps - 2.6)).astype(np.int8)
    return pd.DataFrame(columns)


def _applicants(rows: int, seed: int) -> pd.DataFrame:
    return generate_applicants(rows, seed)


APPLICANTS = World(
    "the worked example's applicants",
    _applicants,
    {"prepare": {"kinds": SYNTHETIC_KINDS, "audit_columns": list(AUDIT_COLUMNS)}, "monotone": MONOTONE},
)
INDEPENDENT = World(
    "24 independent features",
    independent_rows,
    {"prepare": {"kinds": dict.fromkeys(CATEGORIES, "categorical")}, "monotone": {}},
)
WORLDS = (APPLICANTS, INDEPENDENT)
