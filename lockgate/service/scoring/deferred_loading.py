"""What is loaded on a thread once the worker is ready: the model that explains, and the PSI that chance reaches.

Importing XGBoost takes seconds where scikit-learn and pandas are installed; no first prediction waits for it.
"""

from __future__ import annotations

import logging
from threading import Thread

import numpy as np

from lockgate.documents.profile_json import Profile
from lockgate.model.flavours.table import native_model
from lockgate.service.scoring.explainer import Explainer
from lockgate.service.scoring.predictor import Predictor
from lockgate.service.worker_state import WorkerState

logger = logging.getLogger("lockgate")

CHANCE_ROWS = 1_000  # current rows that the chance's share is computed for; it is nearly the same for any number


def start(predictor: Predictor, state: WorkerState) -> None:
    """Start to load. A failure is logged; batches then stay slower, /explain answers 503, or live drift has no threshold."""
    Thread(target=_load, args=(predictor, state), name="deferred-loading", daemon=True).start()


def _load(predictor: Predictor, state: WorkerState) -> None:
    try:
        load_native_model(predictor, state)
        state.psi_chance = psi_chance(predictor.bundle.profile)
    except Exception:
        logger.exception("the explainer or the chance of PSI could not be loaded")


def load_native_model(predictor: Predictor, state: WorkerState) -> None:
    """Load the trained model itself, where bundle and installation have it, for explanations and faster batches."""
    bundle = predictor.bundle
    model = native_model(bundle.contents, threads=1)
    if model is None:
        return
    if model.SCORES_BATCHES_FASTER:
        predictor.scorer.use_for_batches(model, predictor.golden_values(), np.array(bundle.golden.probabilities))
    state.explainer = Explainer(model, bundle.schema, bundle.decision)


def psi_chance(profile: Profile) -> tuple[float, ...]:
    """By feature, the PSI that chance reaches on a night without drift, times n*m/(n+m): it hardly depends on m then.

    The threshold of the bundle's own drift rule, without its effect floor, for `CHANCE_ROWS` current rows.
    """
    from lockgate.drift.drift_rule import null_distribution

    error = profile.rule.family_error / len(profile.features)
    return tuple(
        null_distribution(one.counts, CHANCE_ROWS).threshold(error) * one.n * CHANCE_ROWS / (one.n + CHANCE_ROWS)
        if one.n
        else float("nan")
        for one in profile.features
    )
