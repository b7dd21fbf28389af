"""Decisions as a Parquet file whose feature columns the next drift run takes as its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.row_reader import Row
from pipeline.core.data.schema import Schema

if TYPE_CHECKING:
    import arro3.core

PREFIX = "lockgate_"  # of the columns that are no features


@dataclass(frozen=True)
class Decided:
    """The rows of one request, as they were given, with their scores and decisions; `time` in seconds since 1970."""

    request_id: str
    time: float
    rows: Sequence[Row]
    scores: Sequence[float]
    decisions: Sequence[str]


def write_decisions(decided: Sequence[Decided], schema: Schema, digest: str, path: Path) -> None:
    """Write the rows to `path`, by way of a file beside it whose name begins with a dot, so that no half file is read."""
    import arro3.io

    beside = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            arro3.io.write_parquet(_table(decided, schema, digest), stream, compression="zstd(1)")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _table(decided: Sequence[Decided], schema: Schema, digest: str) -> arro3.core.Table:
    from arro3.core import Array, DataType, Table

    text, number = DataType.utf8(), DataType.float64()
    time = DataType.timestamp("us", tz="UTC")
    rows = [row for one in decided for row in one.rows]
    columns: dict[str, Any] = {
        "request_id": Array([one.request_id for one in decided for _ in one.rows], text),
        "time": Array([int(one.time * 1e6) for one in decided for _ in one.rows], DataType.int64()).cast(time),
        "digest": Array([digest] * len(rows), text),
        "score": Array([score for one in decided for score in one.scores], number),
        "decision": Array([decision for one in decided for decision in one.decisions], text),
    }
    table = {PREFIX + name: column for name, column in columns.items()}
    for feature, values in zip(schema.features, zip(*rows, strict=True), strict=True):
        table[feature.name] = Array(list(values), number if feature.kind == "numeric" else text)
    return Table(table)
