"""One way to count the rows of a folder of Parquet files in the bins of a frozen profile, in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from lockgate.config.params import Read
from lockgate.data.dataset import conform_rows, counted_texts
from lockgate.data.partitions import Partition, open_partitions
from lockgate.documents.profile_json import SCORE, FeatureProfile, Profile
from lockgate.documents.schema_json import Schema
from lockgate.drift.batch_counts import CountedColumns, count_batch, merged_counts
from lockgate.engine.engine import LocalEngine

THREADS = 2
BATCH_ROWS = 65_536
Counts = dict[str, list[int]]
Way = Callable[[], Counts]


def reading(folder: Path, _: Sequence[FeatureProfile]) -> Way:
    """The same columns in the same batches, and nothing done with them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(THREADS)

    def read() -> Counts:
        for path in sorted((folder / "current").iterdir()):
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches(BATCH_ROWS):
                    pass
        return {}

    return read


def by_duckdb(folder: Path, features: Sequence[FeatureProfile]) -> Way:
    """One aggregate: a histogram of each column, of numbers with the edges as the upper ends of its bins."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    wanted = []
    for one in features:
        edges = f", {list(one.edges)!r}::DOUBLE[]" if one.kind == "numeric" else ""
        wanted += [f'histogram("{one.name}"{edges})', f'count(*) - count("{one.name}")']
    table = connection.read_parquet(f"{folder}/current/*.parquet")

    def count() -> Counts:
        [answer] = table.aggregate(", ".join(wanted)).fetchall()
        counts = {}
        for one, found, missing in zip(features, answer[::2], answer[1::2], strict=True):
            bins = [*one.edges, float("inf")] if one.kind == "numeric" else one.categories
            counts[one.name] = [*(found.get(key, 0) for key in bins), missing]
        return counts

    return count


def by_polars(folder: Path, features: Sequence[FeatureProfile]) -> Way:
    """Sums of comparisons on the streaming engine: several times as fast here as `cut` and `group_by`."""
    import polars as pl

    wanted = [pl.len().alias("rows")]
    for place, one in enumerate(features):
        column = pl.col(one.name)
        if one.kind == "numeric":
            cuts = [column > edge for edge in one.edges]
        else:
            cuts = [column == category for category in one.categories]
        wanted += [cut.sum().cast(pl.Int64).alias(f"{place} {number}") for number, cut in enumerate(cuts)]
        wanted.append(column.count().cast(pl.Int64).alias(f"{place} there"))

    def count() -> Counts:
        found = (
            pl.scan_parquet(f"{folder}/current/*.parquet").select(wanted).collect(engine="streaming").row(0, named=True)
        )
        counts = {}
        for place, one in enumerate(features):
            there = found[f"{place} there"]
            sums = [found[f"{place} {number}"] for number in range(len(one.edges or one.categories))]
            if one.kind == "numeric":
                above = [there, *sums, 0]
                sums = [over - further for over, further in pairwise(above)]
            counts[one.name] = [*sums, found["rows"] - there]
        return counts

    return count


def by_lockgate(folder: Path, features: Sequence[FeatureProfile]) -> Way:
    """As `lockgate drift` reads and counts the features, without scores."""
    schema = Schema.read_file(folder / "models/schema.json")
    engine = LocalEngine(THREADS)

    def count() -> Counts:
        sums = {one.name: np.zeros(len(one.counts), np.int64) for one in features}
        with open_partitions(str(folder / "current"), "current", Read()) as table:
            for part in engine.map(partial(_count_part, schema, features), table.partitions):
                for one, counts in zip(features, part, strict=True):
                    sums[one.name] += counts
        return {name: found.tolist() for name, found in sums.items()}

    return count


def _count_part(schema: Schema, features: Sequence[FeatureProfile], partition: Partition) -> list[np.ndarray]:
    columns = CountedColumns(tuple(features))
    batches = partition.batches(counted_texts(schema))
    counted = merged_counts(count_batch(columns, conform_rows(batch, schema), None) for batch in batches)
    return [one.found.counts for one in counted.features] if counted else []


WAYS = {"read": reading, "lockgate": by_lockgate, "duckdb": by_duckdb, "polars": by_polars}


def main() -> None:
    """Count by the way of the first argument in the folder of the second; print the seconds that took, and the counts, as JSON."""
    folder = Path(sys.argv[2]).absolute()
    profile = Profile.read_file(folder / "models/profile.json")
    way = WAYS[sys.argv[1]](folder, [one for one in profile.features if one.kind != SCORE])
    started, processor = time.perf_counter(), time.process_time()
    counts = way()
    clock, processor = time.perf_counter() - started, time.process_time() - processor
    print(json.dumps({"clock": clock, "processor": processor, "counts": json.dumps(counts)}))


if __name__ == "__main__":
    main()
