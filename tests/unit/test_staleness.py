"""Which difference between a bundle and what is there now makes it stale, and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Params, Read
from lockgate.data.origin import make_origin, source_name
from lockgate.data.sources import read_source_table, source_sha256
from lockgate.documents.manifest_json import Manifest
from lockgate.model.bundle import make_manifest
from lockgate.model.staleness import staleness

SOURCE, OTHER = "a" * 64, "b" * 64
ROWS = "c" * 64
LOANS: dict[str, Any] = {"source": "loans.csv", "current": "batch.csv", "target": "late"}


def params(train: dict[str, Any] | None = None, **prepare: Any) -> Params:
    return Params.model_validate({"prepare": LOANS | prepare, "train": train or {}})


TRAINED = make_manifest({"model.onnx": b""}, ROWS, make_origin(params().prepare, SOURCE), params())


def reasons(now: Params, source: str | None = SOURCE, **found: Any) -> list[str]:
    return staleness(TRAINED, now, source, **{"prepared": None, "training_data": None} | found)


def test_nothing_differs_between_a_bundle_and_what_it_was_made_from() -> None:
    assert reasons(params(), prepared=TRAINED.origin, training_data=ROWS) == []


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (params({"max_depth": 9}), "train.max_depth is 9 in params.yaml, the bundle was trained with 4"),
        (params({"monotone": {"age": 1}}), "train.monotone.age is 1 in params.yaml, the bundle was trained with not set"),
        (params(seed=7), "prepare.seed is 7 in params.yaml, the bundle has rows prepared with 42"),
        (params(kinds={"age": "drop"}), "prepare.kinds.age is drop in params.yaml, the bundle has rows prepared with not set"),
        (params(source="b.csv"), "prepare.source is b.csv, the bundle was trained on loans.csv"),
        (Params.model_validate({"prepare": LOANS, "decision": {"threshold": 0.5}}), "decision.threshold is 0.5"),
        (Params.model_validate({"prepare": LOANS, "drift": {"warn": 0.2}}), "drift.warn is 0.2 in params.yaml"),
    ],
)  # fmt: skip
def test_each_setting_that_shapes_the_bundle_is_named(now: Params, reason: str) -> None:
    assert [found.startswith(reason) for found in reasons(now)] == [True]


@pytest.mark.parametrize(
    "now",
    [
        params(current=None),
        params(current="later.csv", current_rows=9, shock=0.0),
        params(rows=900),
        params({"nthread": 3}),
        Params.model_validate(
            {"prepare": LOANS, "evaluate": {"floors": {"roc_auc": 0.9}}, "drift": {"history": {"k": 1}}}
        ),
    ],
)
def test_what_is_no_part_of_the_model_makes_nothing_stale(now: Params) -> None:
    """The current batch above all; `rows` is of synthetic data alone."""
    assert reasons(now) == []
    again = make_manifest({"model.onnx": b""}, ROWS, make_origin(now.prepare, SOURCE), now)
    assert again.to_bytes() == TRAINED.to_bytes(), "the digest is another"


def test_another_content_of_the_source_is_named() -> None:
    assert reasons(params(), OTHER) == ["prepare.source (loans.csv) has other content than the bundle was trained on"]


def test_the_prepared_data_decide_where_the_source_cannot_be_read() -> None:
    assert reasons(params(), None, prepared=TRAINED.origin, training_data=ROWS) == []
    replaced = make_origin(params().prepare, OTHER)
    assert reasons(params(), None, prepared=replaced)[0].startswith("data/ was prepared from another source")
    assert reasons(params(), None, prepared=TRAINED.origin, training_data=OTHER) == [
        "data/train.parquet is not what the bundle was trained on"
    ]


def test_synthetic_data_are_of_their_settings() -> None:
    made = Params.model_validate({"prepare": {"rows": 900}})
    manifest = make_manifest({}, ROWS, make_origin(made.prepare, None), made)
    assert staleness(manifest, made, None, None, None) == []
    fewer = Params.model_validate({"prepare": {"rows": 800}})
    assert staleness(manifest, fewer, None, None, None)[0].startswith("prepare.rows is 800")
    assert staleness(manifest, params(), SOURCE, None, None)[-1] == (
        "prepare.source is loans.csv, the bundle was trained on synthetic"
    )


def test_a_bundle_of_rows_from_nowhere_is_never_up_to_date() -> None:
    manifest = make_manifest({}, ROWS, None, params())
    assert len(staleness(manifest, params(), SOURCE, None, None)) == 1


def test_a_manifest_read_again_differs_in_nothing() -> None:
    """Numbers, lists and nulls come back as they were written."""
    now = params({"learning_rate": 0.1, "monotone": {"age": -1}}, bounds={"age": [18, None]}, id_columns=["id"])
    written = make_manifest({"model.onnx": b""}, ROWS, make_origin(now.prepare, SOURCE), now)
    assert staleness(Manifest.read(written.to_bytes(), "manifest.json"), now, SOURCE, None, None) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": {"../model.onnx": SOURCE}}, "files"),
        ({"files": {"model.onnx": "1"}}, "files"),
        ({"training_data": "Z"}, "training_data"),
        ({"origin": {"source": {"name": "a"}, "prepare": {}}}, "origin"),
        ({"extra": 1}, "unknown key `extra`"),
    ],
)
def test_a_manifest_that_is_none_is_refused(change: dict[str, Any], words: str) -> None:
    content = json.loads(TRAINED.to_bytes()) | change
    with pytest.raises(InputError) as refused:
        Manifest.read(json.dumps(content).encode(), "models/manifest.json")
    assert words in str(refused.value)
    assert "dvc checkout" in str(refused.value)


def test_a_manifest_of_an_older_kit_says_so() -> None:
    content = json.loads(TRAINED.to_bytes()) | {"schema": 1}
    with pytest.raises(InputError, match=r"has `schema` 1, .* an older Lockgate wrote it: make it again"):
        Manifest.read(json.dumps(content).encode(), "models/manifest.json")


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("raw/loans.csv", "raw/loans.csv"),
        ("https://user:secret@data.example:8443/loans.csv?token=secret#secret", "https://data.example:8443/loans.csv"),
    ],
)
def test_no_secret_of_a_url_is_in_its_name(location: str, name: str) -> None:
    assert source_name(location) == name


class TestSourceHash:
    def test_it_is_of_a_files_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("x\n1\n")
        before = source_sha256("a.csv", tmp_path)
        assert before == read_source_table(str(tmp_path / "a.csv"), "prepare.source", Read()).sha256
        (tmp_path / "a.csv").write_text("x\n2\n")
        assert source_sha256("a.csv", tmp_path) not in (None, before)

    def test_it_is_of_the_files_that_are_read_in_a_folder(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            pd.DataFrame({"x": [1]}).to_parquet(tmp_path / f"{name}.parquet")
        before = source_sha256(".", tmp_path)
        assert before == read_source_table(str(tmp_path), "prepare.source", Read()).sha256
        (tmp_path / ".c.parquet").write_text("half")
        (tmp_path / "notes.txt").write_text("read me")
        assert source_sha256(".", tmp_path) == before
        (tmp_path / "b.parquet").rename(tmp_path / "c.parquet")
        assert source_sha256(".", tmp_path) not in (None, before)

    @pytest.mark.parametrize("location", ["absent.csv", "https://data.example/loans.csv"])
    def test_what_cannot_be_read_here_has_none(self, tmp_path: Path, location: str) -> None:
        assert source_sha256(location, tmp_path) is None
