"""Predictions, metrics and verdict do not depend on how the test rows are cut, nor on who scores them."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.config import params as config
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Params
from lockgate.data.dataset import Dataset, prepare
from lockgate.data.row_keys import key_digests, order_of, places_in, repeated_row, shared_rows
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import Table, write_frames
from lockgate.documents.schema_json import ROW_KEY
from lockgate.engine.dask_engine import started_engine
from lockgate.engine.engine import Engine, LocalEngine
from lockgate.gate.evaluation import evaluate
from lockgate.gate.evidence import Features, Policy, bundle_features
from lockgate.gate.judge import judge
from lockgate.gate.test_set_reuse import identity_of_test_set
from lockgate.gate.training_rows import training_sums
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import (
    Predictions,
    predictions_metadata,
    read_evaluated_predictions,
    read_predictions_table,
)
from lockgate.model.training import train

PARAMS = Params.model_validate(
    {
        "prepare": {"source": "rows.csv", "target": "bad", "weight_column": "exposure", "audit_columns": ["sex"]},
        "train": {"num_boost_round": 8, "early_stopping_rounds": 4},
        "evaluate": {"slices": ["region", "income", "sex"], "slice_minimum": 5},
        "gate": {"champion": {"source": "file", "margins": {"roc_auc": 0.05, "brier": 0.05}}},
    }
)
ROWS = 300


def applicants() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    income = rng.lognormal(10, 0.5, ROWS).round()
    logit = 1.5 * (11 - np.log(income)) + rng.standard_normal(ROWS) - 2.5
    return pd.DataFrame(
        {
            "income": np.where(rng.random(ROWS) < 0.1, np.nan, income),
            "region": pd.Series(rng.choice(["north", "south", "east"], ROWS), dtype="str"),
            "sex": pd.Series(rng.choice(["f", "m"], ROWS), dtype="str"),
            "exposure": rng.uniform(0.5, 2, ROWS).round(2),
            "bad": (rng.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(int),
        }
    )


class Case:
    """A model with its rows in files that are cut into groups of so many rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset: Dataset = prepare(applicants(), PARAMS.prepare)
        self.bundle: Bundle = train(self.dataset.train, self.dataset.schema, PARAMS).bundle

    def rows(self, role: Any, group_rows: int) -> StageRows:
        table = {"train": self.dataset.train_table, "test": self.dataset.test_table}[role]
        path = self.folder / f"{role}-{group_rows}.parquet"
        if not path.exists():
            table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
            pq.write_table(table, path, row_group_size=group_rows)
        schema = self.bundle.schema if role == "test" else self.dataset.schema
        return StageRows(path, schema, role)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("evaluate"))


def documents(case: Case, test: Table | StageRows, train: Table | StageRows, engine: Engine) -> tuple[bytes, ...]:
    """predictions.parquet, metrics and verdict; what names the file is that of the whole one."""
    found = evaluate(case.bundle, test, PARAMS, engine)
    written = case.folder / f"predictions-{os.urandom(4).hex()}.parquet"
    metadata = predictions_metadata(found.predictions) | {"lockgate.data": "7e" * 32}
    write_frames(written, found.rows(), metadata)
    champion = champion_of(written)
    features = bundle_features(case.bundle, test, None, PARAMS.prepare)
    held = train.rows if isinstance(train, Table) else train
    seen = Features(features.schema, features.test, held)  # type: ignore[arg-type]
    verdict = judge(
        read_evaluated_predictions(written), Policy(PARAMS.evaluate, PARAMS.gate), champion=champion, features=seen
    )
    return written.read_bytes(), repr(found.metrics).encode(), repr(found.curves).encode(), verdict.to_bytes()


def champion_of(path: Path) -> Predictions:
    """The rows in another order, with other scores, of another model."""
    rows = read_predictions_table(path, "--champion", "exposure").table.sample(frac=1, random_state=3)
    scores = np.clip(rows["y_score"] + 0.05 * np.sin(np.arange(len(rows))), 0, 1)
    return Predictions(rows.assign(y_score=scores).reset_index(drop=True), "0d" * 32, "7e" * 32, "exposure")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.full)])
def test_every_cut_gives_the_bytes_of_the_rows_in_memory(case: Case, workers: int) -> None:
    test, train_rows = (Table(rows, "rows", "7e" * 32) for rows in (case.dataset.test, case.dataset.train))
    wanted = documents(case, test, train_rows, LocalEngine(1))
    for group_rows in (1, 7, 64):
        cut = case.rows("test", group_rows), case.rows("train", group_rows)
        assert documents(case, *cut, LocalEngine(workers)) == wanted
    assert b'"roc_auc champion"' in wanted[-1]
    assert b"sex = f" in wanted[-1]
    assert b"test rows have the features of a training row" in wanted[-1]


@pytest.mark.full
def test_dask_gives_the_same_bytes(case: Case) -> None:
    test, train_rows = (Table(rows, "rows", "7e" * 32) for rows in (case.dataset.test, case.dataset.train))
    wanted = documents(case, test, train_rows, LocalEngine(1))
    with started_engine(config.Engine(name="dask", workers=1), lambda _address: None) as engine:
        assert documents(case, case.rows("test", 64), case.rows("train", 64), engine) == wanted


def test_a_key_that_two_parts_have_is_refused_by_its_name(case: Case, tmp_path: Path) -> None:
    rows = case.dataset.test
    twice = pd.concat([rows, rows.iloc[[3]]], ignore_index=True)
    path = tmp_path / "test.parquet"
    pq.write_table(pa.Table.from_pandas(twice, preserve_index=False), path, row_group_size=64)
    with pytest.raises(
        InputError, match=rf"`row_key` \(2 rows, the first with {rows[ROW_KEY].iloc[3]}\) must be there once"
    ):
        evaluate(case.bundle, StageRows(path, case.bundle.schema, "test"), PARAMS)


def test_a_row_that_breaks_the_schema_is_refused_in_whatever_part_it_is(case: Case, tmp_path: Path) -> None:
    rows = case.dataset.test.assign(bad=lambda frame: frame["bad"].where(frame.index != 70, 2))
    path = tmp_path / "test.parquet"
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path, row_group_size=64)
    with pytest.raises(
        InputError, match=r"column `bad` \(1 rows, the first with 2\) has a value that the schema does not know"
    ):
        evaluate(case.bundle, StageRows(path, case.bundle.schema, "test"), PARAMS)


KEYS = st.lists(st.text(min_size=1, max_size=4), max_size=30)


@given(st.lists(st.text(max_size=4), unique=True, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_digests_join_as_the_texts_do(keys: list[str], random: Any) -> None:
    other = random.sample(keys, len(keys))
    own_digests, other_digests = (key_digests(pd.Series(one, dtype="object")) for one in (keys, other))
    assert [other[place] for place in places_in(other_digests, own_digests)] == keys
    half = other[: len(other) // 2]
    in_own, in_half = shared_rows(own_digests, key_digests(pd.Series(half, dtype="object")))
    assert [keys[place] for place in in_own] == [half[place] for place in in_half]
    assert {keys[place] for place in in_own} == {*half}


@given(KEYS)
@settings(max_examples=50, deadline=None)
def test_a_repeated_key_is_found_where_there_is_one(keys: list[str]) -> None:
    digests = key_digests(pd.Series(keys, dtype="object"))
    found = repeated_row(digests)
    assert (found is None) == (len({*keys}) == len(keys))
    assert found is None or keys[found] in keys[:found]
    assert sorted(order_of(digests)) == [*range(len(keys))]


@given(
    st.lists(st.tuples(st.text(max_size=3), st.integers(0, 1)), max_size=20, unique_by=lambda row: row[0]),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_the_identity_of_a_table_is_that_of_its_sorted_rows(rows: list[tuple[str, int]], has_keys: bool) -> None:
    """As it was made of Python's own objects: a test set keeps its history."""
    table = pd.DataFrame(
        {"row_key": pd.Series([key for key, _ in rows], dtype="str"), "y_true": [label for _, label in rows]}
    )
    found = Predictions(table if has_keys else table[["y_true"]], None, None)
    plain = sorted(rows) if has_keys else [label for _, label in rows]
    assert identity_of_test_set(found, is_project_data=False) == sha256_bytes(repr(plain).encode())


def test_training_sums_are_those_of_all_rows_at_once(case: Case) -> None:
    test, train_rows = case.dataset.test, case.dataset.train
    copied = pd.concat([train_rows, test.iloc[:11]], ignore_index=True)
    schema = case.dataset.schema
    found = training_sums(schema, test, copied)
    columns = schema.feature_names
    there = {*map(repr, copied[columns].itertuples(index=False))}
    assert found.shared == sum(repr(row) in there for row in test[columns].itertuples(index=False))
    assert found.event_rate == copied["bad"].mean()
    rates = copied["bad"].groupby(copied["region"]).mean()
    assert found.categories["region"].to_dict() == rates.to_dict()


@pytest.mark.parametrize("cut", [1, 7, 100, 10_000])
def test_frames_are_written_as_the_bytes_of_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """With groups of 100 rows in the place of a million."""
    monkeypatch.setattr("lockgate.data.tables.GROUP_ROWS", 100)
    rows = applicants().iloc[:290]
    stream = BytesIO()
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata({"who": "me"})
    pq.write_table(table, stream, compression="zstd", row_group_size=100)
    frames = (rows.iloc[start : start + cut] for start in range(0, len(rows), cut))
    write_frames(tmp_path / "rows.parquet", frames, {"who": "me"})
    assert (tmp_path / "rows.parquet").read_bytes() == stream.getvalue()


def test_frames_of_two_types_are_refused(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1.5]})]
    with pytest.raises(InputError, match=r"column `x` is int64 in some rows and double in others"):
        write_frames(tmp_path / "rows.parquet", frames)
