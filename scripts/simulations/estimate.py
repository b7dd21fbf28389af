"""How right the estimate of ROC-AUC and Brier without labels is: synthetic models, batches, and what their labels show."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from lockgate.config.params import Params, Prepare
from lockgate.data.dataset import conform_current, prepare
from lockgate.data.synthetic import AUDIT_COLUMNS, SYNTHETIC_KINDS, generate_applicants
from lockgate.drift.estimated_performance import estimated_performance
from lockgate.drift.measured_performance import actual_performance
from lockgate.model.scoring import score_bundle
from lockgate.model.training import train

MODELS: dict[str, dict[str, Any]] = {
    "stopped early": {"max_depth": 4, "learning_rate": 0.1, "early_stopping_rounds": 40},
    "overfitted": {"max_depth": 12, "learning_rate": 0.1, "early_stopping_rounds": None, "num_boost_round": 60},
}
SHOCKS = (0.0, 1.0)
METRICS = {"roc_auc": "ROC-AUC", "brier": "Brier"}
FIRST_BATCH_SEED = 1_000_000


def batches(settings: dict[str, Any], arguments: argparse.Namespace) -> Iterator[tuple[float, tuple[Any, Any, Any]]]:
    """Shock, and estimate, estimate without the bundle's calibration and actual performance, batch after batch."""
    for model in range(arguments.models):
        seed = arguments.seed + model
        params = Params.model_validate(
            {
                "prepare": Prepare(seed=seed, kinds=SYNTHETIC_KINDS, audit_columns=list(AUDIT_COLUMNS)),
                "train": {"seed": seed, "nthread": 1, **settings},
            }
        )
        dataset = prepare(generate_applicants(arguments.rows, seed), params.prepare)
        bundle = train(dataset.train, dataset.schema, params).bundle
        for shock, number in product(SHOCKS, range(arguments.batches)):
            batch_seed = FIRST_BATCH_SEED + seed * arguments.batches + number
            applicants = generate_applicants(arguments.current_rows, batch_seed, shock, "current")
            batch = conform_current(applicants, dataset.schema, "the synthetic batch")
            scores = score_bundle(bundle, batch)
            calibrated, raw = (estimated_performance(scores, one) for one in (bundle.profile.calibration, None))
            yield shock, (calibrated, raw, actual_performance(batch[dataset.schema.target], scores))


def row(metric: str, found: list[tuple[Any, Any, Any]]) -> str:
    """Means, and how often the intervals held what the labels showed."""
    estimate, raw, actual = ([getattr(one[side], metric) for one in found] for side in range(3))
    shown = np.array([one.value for one in actual])
    means = [np.mean([one.value for one in side]) for side in (actual, estimate, raw)]
    inside = [
        np.mean([one.low <= value <= one.high for one, value in zip(side, shown, strict=True)])
        for side in (estimate, raw)
    ]
    width = np.mean([one.high - one.low for one in estimate])
    numbers = f"{means[0]:.4f} | {means[1]:.4f} | {width:.4f} | {100 * inside[0]:.0f} %"
    return f"{METRICS[metric]} | {numbers} | {means[2]:.4f} | {100 * inside[1]:.0f} %"


def main() -> None:
    """Parse, train, score, print Markdown."""
    parser = argparse.ArgumentParser(prog="scripts/simulate estimate", description=__doc__)
    parser.add_argument("--models", type=int, default=10, help="trained of each kind (default: %(default)s)")
    parser.add_argument("--batches", type=int, default=5, help="of each model and shock (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=20_000, help="of train and test together (default: %(default)s)")
    parser.add_argument("--current-rows", type=int, default=5_000, help="of a batch (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=500, help="(default: %(default)s)")
    arguments = parser.parse_args()
    if min(arguments.models, arguments.batches) < 1:
        parser.error("--models and --batches must be at least 1")
    print(
        "| Model | Shock | Metric | Labels show | Estimate | Width of its interval | holds what labels show |", end=""
    )
    print(" Scores as they are | hold it |\n|:--|--:|:--|--:|--:|--:|--:|--:|--:|")
    for name, settings in MODELS.items():
        found = list(batches(settings, arguments))
        for shock, metric in product(SHOCKS, METRICS):
            line = row(metric, [one for at, one in found if at == shock])
            print(f"| {name} | {shock:g} | {line} |", flush=True)


if __name__ == "__main__":
    main()
