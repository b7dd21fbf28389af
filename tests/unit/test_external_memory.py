"""`train.external_memory`: rows stay on disk, and the model depends on them alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from tabular import feature, schema_of, table_of

import lockgate
from lockgate.config.params import Params, XGBoostTrain
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import as_table
from lockgate.documents.schema_json import ROW_KEY
from lockgate.model.bundle import effective_params
from lockgate.model.flavours import xgboost_blocks
from lockgate.model.scoring import score_bundle

SCHEMA = replace(
    schema_of(*(feature(f"n{place}", 0) for place in range(5)), feature("b", 40), feature("c", 3)), weight_column="w"
)
ROWS = 4_000


def rows(seed: int = 1) -> pd.DataFrame:
    frame: pd.DataFrame = table_of(SCHEMA, ROWS, seed, 0.1)
    frame["w"] = np.random.default_rng(seed).choice([0.5, 1.0, 3.0], ROWS)
    frame[ROW_KEY] = [f"{place:032x}" for place in range(ROWS)]
    return frame


def params(**train: Any) -> Params:
    settings = {"num_boost_round": 30, "learning_rate": 0.2, "nthread": 1, "external_memory": True, **train}
    return Params.model_validate({"train": settings})


def stage_rows(folder: Path, frame: pd.DataFrame, group: int = ROWS) -> StageRows:
    path = folder / f"train-{group}.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=group)
    return StageRows(path, SCHEMA, "train")


def model_of(trained: lockgate.Trained) -> dict[str, bytes]:
    """The bundle but for its manifest, which also names the file of the training rows."""
    return {name: content for name, content in trained.files.items() if name != "manifest.json"}


def test_few_rows_give_the_model_that_they_give_in_memory(tmp_path: Path) -> None:
    frame = rows()
    in_memory = lockgate.train(as_table(frame, "rows"), SCHEMA, params(external_memory=False))
    from_disk = lockgate.train(stage_rows(tmp_path, frame), SCHEMA, params())
    assert model_of(from_disk) == model_of(in_memory)
    assert from_disk.report.validation == in_memory.report.validation
    assert from_disk.report.rows == in_memory.report.rows
    assert from_disk.report.history == in_memory.report.history


def test_class_weights_and_monotone_features_are_those_in_memory(tmp_path: Path) -> None:
    frame = rows()
    settings = {"scale_pos_weight": "balanced", "monotone": {"n0": 1}, "max_cat_to_onehot": 2}
    in_memory = lockgate.train(as_table(frame, "rows"), SCHEMA, params(external_memory=False, **settings))
    from_disk = lockgate.train(stage_rows(tmp_path, frame), SCHEMA, params(**settings))
    assert from_disk.report.scale_pos_weight == pytest.approx(in_memory.report.scale_pos_weight, rel=1e-12)
    expected, found = (score_bundle(one.bundle, frame) for one in (in_memory, from_disk))
    assert np.abs(found - expected).max() < 1e-6
    assert np.average(found, weights=frame["w"]) == pytest.approx(np.average(frame["y"], weights=frame["w"]), abs=0.01)


def test_neither_groups_of_rows_nor_threads_change_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        xgboost_blocks, "BLOCK_CELLS", 700 * len(SCHEMA.features)
    )  # several blocks, the last one smaller
    monkeypatch.setattr(xgboost_blocks, "ROWS_AT_ONCE", 333)
    frame = rows()
    found = [
        model_of(lockgate.train(stage_rows(tmp_path, frame, group), SCHEMA, params(nthread=threads, subsample=0.8)))
        for group, threads in ((ROWS, 1), (611, 3))
    ]
    assert found[0] == found[1]


def test_only_a_project_that_chooses_it_has_it_among_its_settings() -> None:
    assert "external_memory" not in effective_params(params(external_memory=False))["train"]
    assert effective_params(params())["train"]["external_memory"] is True
    assert XGBoostTrain().external_memory is False


def test_nothing_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = stage_rows(tmp_path, rows())
    seen = []

    def interrupted(done: int, _loss: float) -> None:
        seen.append([path.name for path in temporary.rglob("*")])
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lockgate.train(data, SCHEMA, params(), interrupted)
    assert any("gradient_index" in name for name in seen[0])
    assert list(temporary.iterdir()) == []
    lockgate.train(data, SCHEMA, params(num_boost_round=2))
    assert list(temporary.iterdir()) == []


def test_rows_of_one_class_are_refused(tmp_path: Path) -> None:
    frame = rows().assign(y=np.int8(1))
    with pytest.raises(lockgate.InputError, match=r"rows of one class; change train\.validation_size"):
        lockgate.train(stage_rows(tmp_path, frame), SCHEMA, params())


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(lockgate.InputError, match=r"No space left on device\); make room there, or set TMPDIR"):
        lockgate.train(stage_rows(tmp_path, rows()), SCHEMA, params())
