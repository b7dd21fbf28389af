"""A training whose last round was its best one: nothing shows that more would not have been better."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from verdicts import training

from lockgate.documents.train_json import Round, TrainingReport


def report(*losses: float | None, rounds: int | None = None, best: int | None = None) -> TrainingReport:
    history = tuple(Round(at, 0.5, loss) for at, loss in enumerate(losses, start=1))
    known = [loss if loss is not None else 9.0 for loss in losses]
    found = known.index(min(known)) if known else 0
    rounds = len(losses) if rounds is None else rounds
    return replace(training(), history=history, rounds=rounds, best_iteration=found if best is None else best)


@pytest.mark.parametrize(
    ("made", "is_too_early"),
    [
        (report(0.6, 0.5, 0.4), True),
        (report(0.6, 0.4, 0.5), False),  # stopped early
        (report(0.6, 0.4, 0.5, best=2), False),  # the last one is kept, as nothing may end the training early
        (report(0.6, 0.4, 0.4, best=2), True),
        (report(0.6, 0.5, 0.4, rounds=300, best=299), True),  # of a long training the history has each tenth round
        (report(0.4), False),  # a model of one step, such as a scorecard
        (report(), False),  # a model of one's own
        (report(None, None), False),
    ],
)
def test_is_where_the_last_round_of_several_was_the_best(made: TrainingReport, is_too_early: bool) -> None:
    assert made.ended_too_early is is_too_early
