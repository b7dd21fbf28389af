"""The one sentence that leads: of several facts the gravest, and of equally grave ones the one that says most of the model."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from drift_results import drift_result, feature_drift, with_every_part
from msgspec.structs import replace

from lockgate.ci.nightly.gravest_fact import gravest_fact
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import MAX_FACT, StaleBatch

STALE = StaleBatch("earlier-batch", 7, date(2026, 11, 1), "the batch is that of the night of 2026-11-01")


def everything(**statuses: Any) -> DriftResult:
    """A result with every part, each stable unless it is named."""
    full = with_every_part(
        drift_result(feature_drift("income", 0.4, statuses.get("feature", "stable"), reason="moved"))
    )
    assert full.performance
    assert full.estimated
    assert full.model_drift
    return replace(
        full,
        performance=replace(
            full.performance, status=statuses.get("performance", "stable"), reason="it no longer ranks"
        ),
        estimated=replace(full.estimated, status=statuses.get("estimated", "stable"), reason="below the floor"),
        model_drift=replace(full.model_drift, status=statuses.get("model", "stable"), reason="rows go otherwise"),
        segments=tuple(
            replace(one, status=statuses.get("segment", "stable"), reason="only in the west") for one in full.segments
        ),
    )


@pytest.mark.parametrize(
    ("statuses", "stale", "fact"),
    [
        ({}, (), ""),
        ({"feature": "warn"}, (), "The feature income has moved: moved"),
        ({"feature": "warn", "segment": "warn"}, (), "only in the west"),
        ({"segment": "warn", "model": "warn"}, (), "rows go otherwise"),
        ({"model": "warn"}, (STALE,), "The batch is stale: the batch is that of the night of 2026-11-01"),
        ({"estimated": "warn"}, (STALE,), "below the floor"),
        ({"estimated": "warn", "performance": "warn"}, (), "it no longer ranks"),
        ({"performance": "warn", "feature": "alert"}, (), "The feature income has moved: moved"),
        ({"performance": "alert", "feature": "alert"}, (STALE,), "it no longer ranks"),
        ({"performance": "insufficient-data"}, (), ""),
    ],
)
def test_the_gravest_leads(statuses: dict[str, str], stale: tuple[StaleBatch, ...], fact: str) -> None:
    assert gravest_fact(everything(**statuses), stale) == fact


def test_it_is_one_line_of_a_limited_length() -> None:
    fact = gravest_fact(drift_result(feature_drift("income\nx", 0.4, reason="long " * 500)))

    assert "\n" not in fact
    assert len(fact) <= MAX_FACT
