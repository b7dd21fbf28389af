"""What the checks have to know of the training rows, from sums over their parts: the rows themselves are never kept.

They are counted in this process, whatever engine the settings name: who judges believes no other machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.data.stage_rows import FramePartition, StageRows, frames_of, partitions_of
from lockgate.documents.schema_json import Schema

MISSING = "\0"  # a category that no text is

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class TrainingSums:
    """Counts of the training rows.

    `shared` counts the test rows whose features all equal those of a training row, by a 64-bit hash of their content.
    `categories` has, by feature, the share of events of each category, `MISSING` where it is missing; `event_rate` is that of all.
    """

    shared: int
    event_rate: float
    categories: dict[str, pd.Series]


@dataclass(frozen=True)
class _PartSums:
    hashes: Hashes
    rows: int
    events: int
    categories: dict[str, pd.DataFrame]


def event_counts(rows: pd.DataFrame | StageRows, target: str) -> tuple[int, int]:
    """How many rows are events, and how many there are."""
    events, count = 0, 0
    for frame in frames_of(rows, [target]):
        events += int(frame[target].sum())
        count += len(frame)
    return events, count


def training_sums(schema: Schema, test: pd.DataFrame | StageRows, train: pd.DataFrame | StageRows) -> TrainingSums:
    """The sums of the training rows, a part at a time; of a test row 9 bytes are kept, of a training row none."""
    of_parts = map(partial(_hashes, schema.feature_names), partitions_of(test))
    hashes: Hashes = np.concatenate([np.empty(0, np.uint64), *of_parts])
    distinct, counts = np.unique(hashes, return_counts=True)
    del hashes
    is_shared = np.zeros(len(distinct), dtype=bool)
    rows, events, categories = 0, 0, dict[str, pd.DataFrame]()
    for part in map(partial(_part_sums, schema), partitions_of(train)):
        place = np.minimum(np.searchsorted(distinct, part.hashes), len(distinct) - 1)
        is_shared[place[distinct[place] == part.hashes]] = True
        rows, events = rows + part.rows, events + part.events
        categories |= {name: _added(categories.get(name), found) for name, found in part.categories.items()}
    rates = {name: found["sum"] / found["count"] for name, found in categories.items()}
    return TrainingSums(int(counts[is_shared].sum()), events / rows if rows else np.nan, rates)


def _hashes(columns: Sequence[str], part: FramePartition) -> Hashes:
    return np.concatenate([np.empty(0, np.uint64), *(_hashed(frame, columns) for frame in part.frames())])


def _hashed(frame: pd.DataFrame, columns: Sequence[str]) -> Hashes:
    return np.asarray(pd.util.hash_pandas_object(frame[list(columns)], index=False), dtype=np.uint64)


def _part_sums(schema: Schema, part: FramePartition) -> _PartSums:
    hashes: list[Hashes] = [np.empty(0, np.uint64)]
    rows, events, categories = 0, 0, dict[str, pd.DataFrame]()
    named = [feature.name for feature in schema.features if feature.kind == "categorical"]
    for frame in part.frames():
        label = frame[schema.target].astype("int64")
        hashes.append(np.unique(_hashed(frame, schema.feature_names)))
        rows, events = rows + len(frame), events + int(label.sum())
        for name in named:
            found = label.groupby(frame[name].fillna(MISSING)).agg(["sum", "count"])
            categories[name] = _added(categories.get(name), found)
    return _PartSums(np.concatenate(hashes), rows, events, categories)


def _added(before: pd.DataFrame | None, found: pd.DataFrame) -> pd.DataFrame:
    return found if before is None else before.add(found, fill_value=0).astype("int64")
