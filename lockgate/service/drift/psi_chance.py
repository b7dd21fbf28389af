"""The PSI that chance reaches, by feature: the threshold of the alerts on live drift.

It takes longer the more features there are, and no answer needs it: it is computed on a thread once the worker is ready,
and is NaN until then.
"""

from __future__ import annotations

from threading import Thread

from lockgate.documents.profile_json import Profile
from lockgate.drift.drift_rule import null_distribution
from lockgate.drift.family_error import psi_error
from lockgate.service.log import log_event
from lockgate.service.scoring.predictor import Predictor

CHANCE_ROWS = 1_000  # current rows that the chance's share is computed for; it is nearly the same for any number


def start(predictor: Predictor) -> None:
    """Start to compute it for `predictor`; a failure is logged, and live drift then has no threshold."""
    Thread(target=_compute, args=(predictor,), name="psi-chance", daemon=True).start()


def _compute(predictor: Predictor) -> None:
    try:
        predictor.psi_chance = psi_chance(predictor.bundle.profile)
    except Exception as error:
        log_event("psi-chance-failed", level="error", error=error, model=predictor.bundle.digest)


def psi_chance(profile: Profile) -> tuple[float, ...]:
    """By feature, the PSI that chance reaches on a night without drift, times n*m/(n+m): it hardly depends on m then.

    The threshold of the bundle's own drift rule, without its effect floor, for `CHANCE_ROWS` current rows.
    """
    error = psi_error(profile.rule.family_error, len(profile.features))
    return tuple(
        null_distribution(one.counts, CHANCE_ROWS).threshold(error) * one.n * CHANCE_ROWS / (one.n + CHANCE_ROWS)
        if one.n
        else float("nan")
        for one in profile.features
    )
