"""Drift of a table that comes in parts is drift of the table: whatever it is cut into, and whoever counts the parts."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exported_models import exported_pipeline, fitted_pipeline
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

import lockgate
from lockgate.config.errors import InputError
from lockgate.config.params import Drift, Evaluate, Params, Prepare, Read
from lockgate.data import partitions
from lockgate.data.dataset import Dataset, conform_rows, prepare
from lockgate.data.outcomes import LabelledPartition
from lockgate.data.partitions import PartitionedTable, open_partitions
from lockgate.data.source_table import source_of_frame
from lockgate.data.synthetic import AUDIT_COLUMNS, SYNTHETIC_KINDS, TARGET, generate_applicants
from lockgate.documents.drift_json import DriftResult
from lockgate.drift.batch_counts import BatchCounts, count_batch, merged_counts
from lockgate.drift.cells import KEPT_ROWS, RowSample, row_keys, sample_rows
from lockgate.drift.measurement import profile_columns
from lockgate.engine.engine import Engine, LocalEngine
from lockgate.model.bundle import Bundle
from lockgate.model.drift import measure_drift
from lockgate.model.features import code_matrix, model_frame, text_frame
from lockgate.model.leaves import bundle_leaves
from lockgate.model.onnx_standard_form import standard_form
from lockgate.model.scoring import score_bundle
from lockgate.model.training import train

ROWS = 6_400
READ = Read()
Layout = Callable[[Path, pd.DataFrame], str]


def parquet_files(count: int, folder: Path, rows: pd.DataFrame) -> str:
    """The rows in so many files, in their order; the files are not of one size."""
    ends = np.linspace(0, 1, count + 1) ** 1.3 * len(rows)
    folder.mkdir()
    for place, (first, end) in enumerate(pairwise(ends)):
        part = pa.Table.from_pandas(rows.iloc[int(first) : int(end)], preserve_index=False)
        pq.write_table(part, folder / f"part-{place:03}.parquet", row_group_size=500)
    return str(folder)


def csv_files(folder: Path, rows: pd.DataFrame) -> str:
    folder.mkdir()
    for place, part in enumerate(np.array_split(np.arange(len(rows)), 3)):
        rows.iloc[part].to_csv(folder / f"part-{place}.csv", index=False)
    return str(folder)


LAYOUTS: Mapping[str, Layout] = {
    "one file": partial(parquet_files, 1),
    "7 files": partial(parquet_files, 7),
    "64 files": partial(parquet_files, 64),
    "CSV": csv_files,
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    settings = Prepare(kinds=SYNTHETIC_KINDS, audit_columns=list(AUDIT_COLUMNS))
    return prepare(generate_applicants(8_000, settings.seed), settings)


@pytest.fixture(scope="module")
def settings() -> Params:
    return Params.model_validate(
        {
            "prepare": Prepare(kinds=SYNTHETIC_KINDS, audit_columns=list(AUDIT_COLUMNS)),
            "train": {"nthread": 1, "num_boost_round": 40},
            "evaluate": {"slices": ["region", "age_band"]},
        }
    )


@pytest.fixture(scope="module")
def leaves(dataset: Dataset, settings: Params) -> Bundle:
    return train(dataset.train, dataset.schema, settings).bundle


@pytest.fixture(scope="module")
def pairs(dataset: Dataset, settings: Params) -> Bundle:
    rows = text_frame(model_frame(dataset.train, dataset.schema))
    fitted = fitted_pipeline(LogisticRegression(), rows, dataset.train[TARGET].to_numpy())
    content = standard_form(exported_pipeline(fitted, rows, zipmap=True), dataset.schema, "model.onnx").content
    own = settings.model_copy(update={"train": Params.model_validate({"train": {"model": "own"}}).train})
    return lockgate.import_model(content, dataset.train, dataset.schema, own).trained.bundle


@cache
def moved(rows: int = ROWS) -> pd.DataFrame:
    """Applicants of whom much has changed: a feed that is dead in one region, numbers that no longer belong together, a category
    of later, outcomes that are known of most and say less."""
    random = np.random.default_rng(5)
    batch = generate_applicants(rows, 7, 0.3, "current")
    numbers = [name for name in ("income", "utilisation") if name in batch]
    for name in numbers:
        batch[name] = random.permutation(batch[name].to_numpy())
    batch.loc[batch["region"] == "west", numbers[0]] = 0
    batch["application_channel"] = (
        batch["application_channel"].astype(object).where(random.random(rows) > 0.03, "telepathy")
    )
    labels = batch[TARGET].astype("Int64")
    return batch.assign(**{TARGET: labels.where(random.random(rows) > 0.2)})


def decisions(bundle: Bundle) -> pd.DataFrame:
    """The same as the decisions of half a year, some of them by another model, with their outcomes."""
    rows, random = moved(), np.random.default_rng(6)
    scores = score_bundle(bundle, conform_rows(source_of_frame(rows, "rows"), bundle.schema))
    days = pd.to_timedelta(random.uniform(0, 180, len(rows)), unit="D")
    logged = {
        "time": (pd.Timestamp("2026-01-01", tz="UTC") + days).astype("datetime64[us, UTC]"),
        "digest": np.where(random.random(len(rows)) < 0.9, bundle.digest, "b" * 64),
        "request_id": [f"r{at}" for at in range(len(rows))],
        "row": 0,
        "score": scores,
        "decision": np.where(scores < 0.25, "favourable", "unfavourable"),
    }
    return rows.assign(**{f"lockgate_{name}": values for name, values in logged.items()})


def measured(bundle: Bundle, batch: pd.DataFrame | PartitionedTable, engine: Engine | None = None) -> DriftResult:
    drift = Drift.model_validate({"performance": {"maturity_days": 30}, "log_days": 90})
    return measure_drift(bundle, batch, settings=drift, evaluate=Evaluate(), engine=engine)


def assert_same(one: DriftResult, other: DriftResult) -> None:
    """Numbers to 1e-12, everything else as it is; what the rows were read from is another thing."""
    assert_equal(*(msgspec.to_builtins(msgspec.structs.replace(result, current=None)) for result in (one, other)))


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-12)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key, value in one.items():
            assert_equal(value, other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for value, another in zip(one, other, strict=True):
            assert_equal(value, another)
    else:
        assert one == other


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("workers", [1, 2])
def test_parts_are_measured_as_the_whole(leaves: Bundle, tmp_path: Path, layout: str, workers: int) -> None:
    rows = moved()
    whole = measured(leaves, rows)
    assert whole.model_drift is not None
    assert (whole.model_drift.method, whole.model_drift.status, whole.n_current) == ("leaves", "warn", ROWS)
    assert whole.segments
    assert whole.label is not None
    assert whole.performance is not None
    with open_partitions(LAYOUTS[layout](tmp_path / "batch", rows), "--current", READ) as table:
        assert len(table.partitions) == {"one file": 1, "7 files": 7, "64 files": 64, "CSV": 3}[layout]
        assert_same(measured(leaves, table, LocalEngine(workers)), whole)


def test_a_file_is_cut_between_its_groups_of_rows(
    leaves: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = moved()
    monkeypatch.setattr(partitions, "PARTITION_ROWS", 1_300)
    monkeypatch.setattr(partitions, "BATCH_ROWS", 170)
    with open_partitions(parquet_files(1, tmp_path / "batch", rows), "--current", READ) as table:
        assert len(table.partitions) == 5
        assert_same(measured(leaves, table), measured(leaves, rows))


def test_shuffled_rows_are_the_same_batch(leaves: Bundle, pairs: Bundle) -> None:
    rows = moved()
    for bundle in (leaves, pairs):
        assert_same(measured(bundle, rows.sample(frac=1, random_state=3)), measured(bundle, rows))


@pytest.mark.parametrize("count", [1, 7])
def test_a_model_without_trees_is_measured_by_pairs_in_parts_too(pairs: Bundle, tmp_path: Path, count: int) -> None:
    rows = moved()
    whole = measured(pairs, rows)
    assert whole.model_drift is not None
    assert (whole.model_drift.method, whole.model_drift.status) == ("pairs", "warn")
    with open_partitions(parquet_files(count, tmp_path / "batch", rows), "--current", READ) as table:
        assert_same(measured(pairs, table, LocalEngine(2)), whole)


@pytest.mark.parametrize("count", [1, 7])
def test_a_decision_log_has_its_months_however_it_is_cut(leaves: Bundle, tmp_path: Path, count: int) -> None:
    """What is recent is so by the newest decision of the whole log, in whichever file that stands."""
    log = decisions(leaves)
    whole = measured(leaves, log)
    assert len(whole.vintages) >= 5
    assert 0 < whole.n_current < ROWS
    assert whole.performance is not None
    with open_partitions(parquet_files(count, tmp_path / "log", log), "--current", READ) as table:
        assert_same(measured(leaves, table, LocalEngine(2)), whole)


def test_two_tables_are_compared_in_parts_too(leaves: Bundle, tmp_path: Path) -> None:
    before, now = generate_applicants(4_000, 3), moved().copy()
    for rows in (before, now):
        rows["y_score"] = score_bundle(leaves, conform_rows(source_of_frame(rows, "rows"), leaves.schema))
        rows["y_true"] = rows.pop(TARGET)
    whole = measure_drift(before, now)
    assert whole.performance is not None
    with open_partitions(parquet_files(7, tmp_path / "now", now), "--current", READ) as table:
        assert_same(measure_drift(before, table, engine=LocalEngine(2)), whole)


def test_outcomes_of_a_log_are_joined_part_by_part(leaves: Bundle, tmp_path: Path) -> None:
    log = decisions(leaves)
    key = ["lockgate_request_id", "lockgate_row", "lockgate_time", "lockgate_digest"]
    known = log[log[TARGET].notna()]
    stored = pa.Table.from_pandas(known[key].assign(lockgate_label=known[TARGET].astype("int8")), preserve_index=False)
    whole = measured(leaves, log)
    with open_partitions(parquet_files(7, tmp_path / "log", log.drop(columns=TARGET)), "--current", READ) as table:
        parts = tuple(LabelledPartition(one, stored) for one in table.partitions)
        assert_same(measured(leaves, replace(table, partitions=parts)), whole)
    log.drop(columns=TARGET).head(100).to_parquet(tmp_path / "log/part-9.parquet")
    with open_partitions(str(tmp_path / "log"), "--current", READ) as table:
        parts = tuple(LabelledPartition(one, stored) for one in table.partitions)
        with pytest.raises(InputError, match="outcomes are stored for decisions that the log has more than once"):
            measured(leaves, replace(table, partitions=parts))


def test_a_part_with_another_schema_is_named(leaves: Bundle, tmp_path: Path) -> None:
    rows = moved()
    parquet_files(3, tmp_path / "batch", rows)
    changed = rows.head(50).assign(income="much")
    changed.to_parquet(tmp_path / "batch/part-001.parquet")
    with (
        open_partitions(str(tmp_path / "batch"), "--current", READ) as table,
        pytest.raises(InputError, match=r"part-001\.parquet\): column `income` is numeric"),
    ):
        measured(leaves, table)
    rows.head(50).drop(columns="income").to_csv(tmp_path / "batch/part-002.csv", index=False)
    (tmp_path / "batch/part-001.parquet").unlink()
    (tmp_path / "batch/part-002.parquet").unlink()
    with (
        open_partitions(str(tmp_path / "batch"), "--current", READ) as table,
        pytest.raises(InputError, match=r"part-002\.csv\): column `income` is missing"),
    ):
        measured(leaves, table)


def test_a_log_and_another_table_are_no_one_batch(leaves: Bundle, tmp_path: Path) -> None:
    log = decisions(leaves)
    plain = log[[name for name in log if not name.startswith("lockgate_")]]
    for first, second, what in ((log, plain, "is no decision log"), (plain, log, "is a decision log")):
        first.to_parquet(tmp_path / "a.parquet")
        second.to_csv(tmp_path / "b.csv", index=False) if second is plain else second.to_parquet(tmp_path / "b.parquet")
        with (
            open_partitions(str(tmp_path), "--current", READ) as table,
            pytest.raises(InputError, match=what),
        ):
            measured(leaves, table)
        for path in tmp_path.iterdir():
            path.unlink()


@given(cuts=st.lists(st.integers(0, 3_000), max_size=6), columns=st.sampled_from(["leaves", "pairs"]))
def test_counts_of_a_random_cut_add_up(leaves: Bundle, pairs: Bundle, cuts: list[int], columns: str) -> None:
    bundle = leaves if columns == "leaves" else pairs
    rows = conform_rows(source_of_frame(moved(3_000), "rows"), bundle.schema)
    scores, trees = score_bundle(bundle, rows), bundle_leaves(bundle)
    matrix = code_matrix(model_frame(rows, bundle.schema))

    def counted(first: int, end: int) -> BatchCounts:
        columns = profile_columns(bundle.profile, TARGET)
        cells = trees.cells(matrix[first:end]) if trees else None
        return count_batch(columns, rows.iloc[first:end], scores[first:end], cells)

    ends = sorted({0, 3_000, *cuts})
    parts = [counted(first, end) for first, end in pairwise(ends)]
    together, whole = merged_counts(pickle.loads(pickle.dumps(parts))), counted(0, 3_000)  # noqa: S301
    assert together is not None
    assert together.cells is not None
    assert whole.cells is not None
    assert together.rows == whole.rows
    for one, other in zip(together.features, whole.features, strict=True):
        assert one.found.counts.tolist() == other.found.counts.tolist()
        assert (list(one.found.unseen.items()), one.ends) == (list(other.found.unseen.items()), other.ends)
    for segment, another in zip(together.segments, whole.segments, strict=True):
        assert segment is not None
        assert another is not None
        assert segment.rows.tolist() == another.rows.tolist()
        assert all((one == two).all() for one, two in zip(segment.bins, another.bins, strict=True))
    assert (together.cells.counts == whole.cells.counts).all()
    assert_same_sample(together.cells.sample, whole.cells.sample)
    assert np.array_equal(np.asarray(together.scores), np.asarray(whole.scores))
    assert np.array_equal(np.asarray(together.labels), np.asarray(whole.labels), equal_nan=True)


def assert_same_sample(one: RowSample, other: RowSample) -> None:
    assert (one.keys == other.keys).all()
    assert (one.counts == other.counts).all()
    assert np.array_equal(one.values, other.values, equal_nan=True)


@given(seed=st.integers(0, 1_000), different=st.sampled_from([1, 50, KEPT_ROWS, 3 * KEPT_ROWS]))
def test_a_sample_is_of_the_different_rows_with_the_smallest_keys(seed: int, different: int) -> None:
    """Against a dictionary of all rows, for few different rows and for many, and for rows of which most are alike."""
    random = np.random.default_rng(seed)
    values = np.minimum(random.integers(different, size=30_000), random.integers(different, size=30_000))[:, None]
    keys = row_keys([values])
    counts: dict[int, int] = {}
    for key in keys.tolist():
        counts[key] = counts.get(key, 0) + 1
    smallest = sorted(counts)[:KEPT_ROWS]
    found = sample_rows(keys, values)
    assert found.keys.tolist() == smallest
    assert found.counts.tolist() == [counts[key] for key in smallest]
    assert (row_keys([found.values]) == found.keys).all()
