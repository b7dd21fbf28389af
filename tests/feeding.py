"""A batch sent to replicas of the service as clients send it, and what numpy says of the same rows."""

from __future__ import annotations

import time
from typing import Any

import httpx
import numpy as np
import pandas as pd
from watched import wait_for

from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import Schema
from lockgate.drift.profile import count_rows
from lockgate.drift.psi import psi

BATCH = 500
SINGLE = 20


def rows_of(batch: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    """The bodies of /predict, one a row of the batch."""

    def value(feature: Any, cell: Any) -> Any:
        if pd.isna(cell):
            return None
        return cell if feature.kind == "categorical" else int(cell) if feature.integer else float(cell)

    return [
        {feature.name: value(feature, record[feature.name]) for feature in schema.features}
        for record in batch.to_dict("records")
    ]


def send(replicas: list[str], rows: list[dict[str, Any]]) -> list[float]:
    """Score every row on one of the replicas: batches in turn, the last few one by one."""
    scores: list[float] = []
    with httpx.Client(timeout=30) as client:
        for number, start in enumerate(range(0, len(rows) - SINGLE, BATCH)):
            part = rows[start : min(start + BATCH, len(rows) - SINGLE)]
            address = f"http://{replicas[number % len(replicas)]}/predict/batch"
            answer = wait_for(
                "a batch to be answered", lambda a=address, p=part: _accepted(client.post(a, json={"rows": p}))
            )
            scores += [row["probability"] for row in answer["rows"]]
        for row in rows[-SINGLE:]:
            scores.append(
                client.post(f"http://{replicas[1]}/predict", json=row).raise_for_status().json()["probability"]
            )
            time.sleep(0.05)  # over several scrapes, so that a rate sees them
    return scores


def _accepted(answer: httpx.Response) -> Any:
    """The body; None while the service loads what batches need."""
    return None if answer.status_code == 503 else answer.raise_for_status().json()


def numpy_psi(profile: Profile, batch: pd.DataFrame, scores: list[float]) -> dict[str, float]:
    """PSI by feature, the score last, as the nightly run measures it."""
    counted = count_rows(profile.features, batch, np.asarray(scores))
    return {
        feature.name: psi(feature.counts, found.counts)
        for feature, found in zip(profile.features, counted, strict=True)
    }
