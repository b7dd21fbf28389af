"""Which leaf of each tree a million rows fall into, and what chance does, beside scoring the same rows.

    scripts/bench model_drift            # the worked example's model; exit 1 where it takes more than three times as long

The model is trained first, which takes a few seconds.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from benchmarks._timing import timed

from lockgate.config.params import Drift, Params, Prepare
from lockgate.data.dataset import prepare
from lockgate.data.synthetic import AUDIT_COLUMNS, SYNTHETIC_KINDS, generate_applicants
from lockgate.documents.drift_json import ModelDrift
from lockgate.drift.model_drift import model_drift
from lockgate.drift.profile import drift_rule
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.leaves import bundle_leaves
from lockgate.model.scoring import score_frame
from lockgate.model.training import train

MOST_TIMES_SCORING = 3.0


def main() -> None:
    """Train, score, judge, print both times."""
    parser = argparse.ArgumentParser(prog="scripts/bench model_drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="current rows (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=1, help="of which the median counts (default: %(default)s)")
    arguments = parser.parse_args()
    params = Params.model_validate(
        {"prepare": Prepare(kinds=SYNTHETIC_KINDS, audit_columns=list(AUDIT_COLUMNS)), "train": {"nthread": 1}}
    )
    dataset = prepare(generate_applicants(20_000, params.prepare.seed), params.prepare)
    bundle = train(dataset.train, dataset.schema, params).bundle
    features = model_frame(generate_applicants(arguments.rows, 1, 0.0, "current"), dataset.schema)

    def judged() -> ModelDrift:
        trees, counted = bundle_leaves(bundle), bundle.profile.leaves
        if trees is None or counted is None:
            raise AssertionError("the worked example's model has trees")
        reference = np.concatenate([np.asarray(tree, np.int64) for tree in counted.trees])
        cells = trees.cells(code_matrix(features))
        batch = trees.batch(len(features), cells, dataset.schema.feature_names)
        return model_drift(reference, counted.n, batch, drift_rule(Drift()))

    scored = timed("scoring", lambda: score_frame(bundle, features), arguments.repetitions)
    watched = timed("model drift", judged, arguments.repetitions)
    times = watched.processor / scored.processor
    print(
        f"{arguments.rows:,} rows by {features.shape[1]} columns, of processors: scoring {scored.processor / 1_000:.1f} s, model "
        f"drift {watched.processor / 1_000:.1f} s ({times:.1f} times); {watched.result.reason}"
    )
    sys.exit(1 if times > MOST_TIMES_SCORING else 0)


if __name__ == "__main__":
    main()
