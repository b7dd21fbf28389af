"""A bundle that is not of the settings, the source and the data that are there now is neither evaluated, passed nor registered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support import SMALL, assert_refused, edit_params, invoke, succeed, write_params

Break = Callable[[Path], object]


@pytest.fixture(scope="session")
def passed_on_a_file(tmp_path_factory: pytest.TempPathFactory, trained_project: Path) -> Path:
    """A project on a file of its own that passed its gate; not to be changed."""
    folder = tmp_path_factory.mktemp("loans")
    rows = pd.concat([pd.read_parquet(trained_project / f"data/{part}.parquet") for part in ("train", "test")])
    rows.drop(columns="row_key").to_csv(folder / "loans.csv", index=False)
    settings = {
        "prepare": {"source": "loans.csv", "current": None, "audit_columns": ["sex", "age_band"]},
        "train": SMALL["train"],
        "evaluate": {"floors": {"roc_auc": 0.5}, "ceilings": {}},
    }
    write_params(folder, settings)
    for command in ("prepare", "train", "evaluate", "gate"):
        succeed(invoke(folder, command))
    return folder


@pytest.fixture
def loans(passed_on_a_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(passed_on_a_file, tmp_path / "loans"))


def replace_source(folder: Path) -> None:
    table = pd.read_csv(folder / "loans.csv")
    table.iloc[1:].to_csv(folder / "loans.csv", index=False)


def prepare_again(folder: Path) -> None:
    replace_source(folder)
    succeed(invoke(folder, "prepare"))


STALE: dict[str, tuple[Break, str]] = {
    "a parameter of the training": (
        lambda folder: edit_params(folder, train={"max_depth": 9}),
        "train.max_depth is 9 in params.yaml, the bundle was trained with 3",
    ),
    "a parameter of the rows": (
        lambda folder: edit_params(folder, prepare={"test_size": 0.3}),
        "prepare.test_size is 0.3 in params.yaml, the bundle has rows prepared with 0.25",
    ),
    "another source": (
        lambda folder: edit_params(folder, prepare={"source": "nosuchfile.csv"}),
        "prepare.source is nosuchfile.csv, the bundle was trained on loans.csv",
    ),
    "the decision": (lambda folder: edit_params(folder, decision={"threshold": 0.5}), "decision.threshold is 0.5"),
    "a replaced source": (replace_source, "prepare.source (loans.csv) has other content"),
    "data of a replaced source": (prepare_again, "data/ was prepared from another source"),
    "other training rows": (
        lambda folder: shutil.copy(folder / "data/test.parquet", folder / "data/train.parquet"),
        "data/train.parquet is not what the bundle was trained on",
    ),
}


@pytest.mark.parametrize(("make", "words"), STALE.values(), ids=STALE)
def test_each_stale_thing_blocks_by_name(loans: Path, make: Break, words: str) -> None:
    make(loans)
    assert_refused(invoke(loans, "evaluate"), words, "lockgate reproduce", code=2)
    assert_refused(invoke(loans, "register"), words, "lockgate reproduce", code=2)
    assert_refused(invoke(loans, "gate"), words, "lockgate reproduce", code=3)
    result = json.loads((loans / "reports/gate.json").read_text())
    assert result["verdict"] == "block"
    assert any(words in reason for reason in result["stale"])


def test_drift_asks_only_that_the_schema_fits(loans: Path) -> None:
    edit_params(loans, train={"max_depth": 9}, prepare={"source": "nosuchfile.csv", "current": None})
    succeed(invoke(loans, "drift"))


def test_another_current_batch_leaves_the_model_and_its_pass_as_they_were(loans: Path) -> None:
    before = (loans / "models/manifest.json").read_bytes()
    pd.read_csv(loans / "loans.csv").head(900).to_csv(loans / "march.csv", index=False)
    edit_params(loans, prepare={"current": "march.csv"})
    succeed(invoke(loans, "prepare"))
    succeed(invoke(loans, "gate"))
    succeed(invoke(loans, "train"))
    assert (loans / "models/manifest.json").read_bytes() == before


def test_where_the_source_cannot_be_read_the_data_decide_and_the_verdict_says_so(loans: Path) -> None:
    def gate() -> tuple[str, str]:
        verdict = json.loads((loans / "reports/gate.json").read_text())
        return verdict["verdict"], verdict["source"]

    assert gate() == ("pass", "compared")
    (loans / "loans.csv").unlink()
    assert "loans.csv cannot be read here" in succeed(invoke(loans, "gate")).stderr
    assert gate() == ("pass", "unreadable")
    for name in ("data/train.parquet", "data/schema.json"):
        (loans / name).unlink()
    assert_refused(invoke(loans, "gate"), "leakage cannot be ruled out", "data/train.parquet is not there", code=3)
    assert gate() == ("block", "unreadable")


def test_synthetic_data_are_compared_by_their_settings(project: Path) -> None:
    assert json.loads((project / "reports/gate.json").read_text())["source"] == "synthetic"
    edit_params(project, prepare={"rows": 3000})
    assert_refused(invoke(project, "gate"), "prepare.rows is 3000 in params.yaml", code=3)


def test_a_table_of_predictions_has_no_source(project: Path) -> None:
    pd.read_parquet(project / "reports/predictions.parquet")[["y_true", "y_score"]].to_csv(
        project / "scores.csv", index=False
    )
    edit_params(project, train={"max_depth": 9})
    succeed(invoke(project, "gate", "--predictions", "scores.csv"))
    assert json.loads((project / "reports/gate.json").read_text())["source"] is None
