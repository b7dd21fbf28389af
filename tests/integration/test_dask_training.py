"""XGBoost on Dask's workers: one model of several ranges of rows, the same whenever there are as many workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tabular import feature, schema_of, table_of

import lockgate
from lockgate.config.params import Engine, Params, XGBoostTrain
from lockgate.data.stage_rows import StageRows
from lockgate.documents.manifest_json import Partitioning
from lockgate.documents.schema_json import ROW_KEY
from lockgate.engine.dask_engine import DaskEngine, started_engine
from lockgate.model.flavours import xgboost_dask

pytestmark = pytest.mark.full

SCHEMA = schema_of(*(feature(f"n{place}", 0) for place in range(5)), feature("b", 40), feature("c", 3))
ROWS = 9_000


def params(**train: Any) -> Params:
    return Params.model_validate({"train": {"num_boost_round": 40, "learning_rate": 0.2, "nthread": 1, **train}})


def stage_rows(folder: Path, group: int = ROWS) -> StageRows:
    frame = table_of(SCHEMA, ROWS, 1, 0.1)
    frame["y"] = np.where(np.random.default_rng(2).random(ROWS) < 0.2, 1 - frame["y"], frame["y"]).astype("int8")
    frame[ROW_KEY] = [f"{place:032x}" for place in range(ROWS)]
    path = folder / f"train-{group}.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=group)
    return StageRows(path, SCHEMA, "train")


@contextmanager
def two_workers() -> Iterator[DaskEngine]:
    """As processes of their own."""
    with started_engine(Engine(workers=2), lambda _: None) as found:
        yield found


@pytest.fixture(scope="module")
def engine() -> Iterator[DaskEngine]:
    with two_workers() as found:
        yield found


def model_of(trained: lockgate.Trained) -> dict[str, bytes]:
    return {name: content for name, content in trained.files.items() if name != "manifest.json"}


def test_as_many_workers_give_the_same_digest_and_the_manifest_names_them(tmp_path: Path, engine: DaskEngine) -> None:
    rows, settings = stage_rows(tmp_path), params(scale_pos_weight="balanced")
    first, again = (lockgate.train(rows, SCHEMA, settings, engine=engine) for _ in range(2))
    assert first.report.model == again.report.model
    assert first.bundle.manifest.partitioning == Partitioning("dask", 2)
    assert b'"partitioning"' in first.files["manifest.json"]
    # Other groups of rows are another file, and the same model.
    assert model_of(lockgate.train(stage_rows(tmp_path, 700), SCHEMA, settings, engine=engine)) == model_of(first)


def test_the_model_is_as_good_as_the_local_one(tmp_path: Path, engine: DaskEngine) -> None:
    rows = stage_rows(tmp_path)
    frame = pd.concat(rows.frames(), ignore_index=True)
    local = lockgate.train(frame, SCHEMA, params())
    spread = lockgate.train(rows, SCHEMA, params(), engine=engine)
    assert b'"partitioning"' not in local.files["manifest.json"]
    assert spread.report.rows == local.report.rows
    assert spread.report.validation["roc_auc"] == pytest.approx(local.report.validation["roc_auc"], abs=0.002)


def test_a_worker_that_is_lost_ends_the_training_with_one_line(tmp_path: Path) -> None:
    rows, settings = stage_rows(tmp_path), params(num_boost_round=100_000, early_stopping_rounds=None)
    assert isinstance(settings.train, XGBoostTrain)
    with two_workers() as engine:
        processes = engine.client.run(os.getpid)

        def kill(_done: int, _loss: float) -> None:
            if processes:
                os.kill(processes.popitem()[1], signal.SIGKILL)
            processes.clear()

        with pytest.raises(lockgate.InputError, match=r"^the Dask worker .* was lost during the training, and .*$"):
            xgboost_dask.fit_on_workers(engine.client, rows, settings.train, SCHEMA, kill)
