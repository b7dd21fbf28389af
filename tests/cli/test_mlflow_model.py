"""A registered model for somebody who knows only MLflow: raw rows in, the same probabilities and refusals as /predict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import copy_project
from mlflow.exceptions import MlflowException
from support import invoke, succeed, write_params

from lockgate.config.version import __version__
from lockgate.model.bundle import verify_bundle

NAME = "credit-default-classifier"
MODEL = f"models:/{NAME}@challenger"


@pytest.fixture(scope="module")
def registered(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is registered with its report; not to be changed."""
    project = copy_project(trained_project, tmp_path_factory.mktemp("registered") / "project")
    for command in ("report", "register"):
        succeed(invoke(project, command))
    return project


@pytest.fixture(scope="module")
def model(registered: Path) -> Iterator[Any]:
    """The version as MLflow loads it."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{registered / 'mlflow.db'}")
    yield mlflow.pyfunc.load_model(MODEL)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def rows(registered: Path) -> pd.DataFrame:
    return pd.read_parquet(registered / "data/test.parquet").head(300)


@pytest.fixture
def scores(registered: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    return pd.read_parquet(registered / "reports/predictions.parquet")["y_score"].to_numpy()[:300]


def files(project: Path) -> dict[str, Path]:
    """What is stored of the version, by name."""
    ((root,),) = [
        [path.parent] for path in (project / "mlartifacts").rglob("MLmodel") if (path.parent / "evidence").is_dir()
    ]
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}


TABLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as read from Parquet": lambda rows: rows,
    "objects with None": lambda rows: rows.astype(object).where(rows.notna(), None),
    "pandas' own types with NA": lambda rows: rows.convert_dtypes(),
    "float64 for whole numbers": lambda rows: rows.astype(dict.fromkeys(rows.select_dtypes("int64"), "float64")),
    "columns in another order": lambda rows: rows[sorted(rows)],
    "other labels of the rows": lambda rows: rows.set_index(rows.index[::-1] * 7),
}


@pytest.mark.parametrize("table", TABLES)
def test_raw_rows_get_the_probabilities_that_were_judged(
    model: Any, rows: pd.DataFrame, scores: np.ndarray[Any, np.dtype[np.float64]], table: str
) -> None:
    given = TABLES[table](rows)
    answers = model.predict(given)
    assert list(answers.columns) == ["probability", "decision"]
    assert answers.index.equals(given.index)
    assert np.array_equal(answers["probability"], scores)
    assert set(answers["decision"]) == {"favourable", "unfavourable"}


def test_whole_numbers_are_taken_for_any(model: Any, rows: pd.DataFrame) -> None:
    """Where a row has no missing value and no fraction, pandas infers int64."""
    whole = rows.dropna().head(5).assign(interest_rate=12, regional_unemployment=7)
    assert whole[["interest_rate", "savings"]].convert_dtypes().dtypes.astype(str).eq("Int64").all()
    as_integers = whole.astype(
        {name: "int64" for name in whole.select_dtypes("number") if (whole[name] % 1 == 0).all()}
    )
    assert model.predict(as_integers).equals(model.predict(whole))


def test_a_column_that_may_be_missing_may_be_left_out_and_other_columns_are_ignored(
    model: Any, rows: pd.DataFrame
) -> None:
    emptied = rows.assign(income=np.nan)
    assert model.predict(rows.drop(columns="income")).equals(model.predict(emptied))
    assert model.predict(rows.assign(customer="C-1")).equals(model.predict(rows))
    assert model.predict(rows.head(0)).empty


def test_more_rows_than_a_request_to_the_service_may_have_are_scored(model: Any, rows: pd.DataFrame) -> None:
    many = pd.concat([rows] * 4, ignore_index=True)
    assert np.array_equal(model.predict(many)["probability"], np.tile(model.predict(rows)["probability"], 4))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("term_months", None, "must not be null: the training rows had no missing values here"),
        ("term_months", 3.5, "expected a whole number"),
        ("term_months", True, "expected a whole number"),
        ("income", "much", "expected a whole number"),
        ("interest_rate", np.inf, "expected a number from"),
        ("interest_rate", -np.float32(np.inf), "expected a number from"),
        ("interest_rate", pd.Timestamp("2026-11-27"), "expected a number"),
        ("housing", "castle", "not one of the categories of the training rows"),
        ("housing", 3, "expected a text"),
    ],
)
def test_what_predict_refuses_is_refused_with_its_row_and_column(
    model: Any, rows: pd.DataFrame, column: str, value: object, reason: str
) -> None:
    spoilt = pd.concat([rows] * 4, ignore_index=True).astype({column: object})
    spoilt.loc[1005, column] = value
    with pytest.raises(MlflowException, match=rf"^row 1005 `{column}`: {reason}") as refused:
        model.predict(spoilt)
    assert refused.value.get_http_status_code() == 400


def test_a_column_that_must_be_there_is_named_by_mlflow(model: Any, rows: pd.DataFrame) -> None:
    with pytest.raises(MlflowException, match=r"Model is missing inputs \['term_months'\]"):
        model.predict(rows.drop(columns="term_months"))


def test_the_signature_names_kinds_and_what_may_be_missing(model: Any, registered: Path) -> None:
    schema = json.loads((registered / "models/schema.json").read_text())
    assert [(one["name"], one["type"], one["required"]) for one in model.metadata.signature.inputs.to_dict()] == [
        (one["name"], "any" if one["kind"] == "numeric" else "string", not one["nullable"])
        for one in schema["features"]
    ]
    assert {one["required"] for one in model.metadata.signature.inputs.to_dict()} == {True, False}
    assert model.metadata.signature.outputs.to_dict() == [
        {"name": "probability", "type": "double", "required": True},
        {"name": "decision", "type": "string", "required": True},
    ]


def test_the_example_is_of_made_up_raw_rows_that_the_model_takes(model: Any, registered: Path) -> None:
    assert set(model.input_example["housing"]) <= {"mortgage", "own", "rent", "with_family"}
    answers = model.predict(model.input_example)["probability"]
    assert len(answers) == 3
    assert answers.between(0, 1).all()
    request = json.loads(files(registered)["serving_input_example.json"].read_text())
    assert request["dataframe_split"]["columns"] == list(model.input_example.columns)


def test_the_version_says_what_it_is_and_its_verdict_and_report_lie_beside_it(registered: Path) -> None:
    version = mlflow.MlflowClient(f"sqlite:///{registered / 'mlflow.db'}").get_model_version(NAME, "1")
    assert "The probability that `default` happens" in version.description
    assert f'load_model("{version.source}")' in version.description
    assert verify_bundle(registered / "models").digest in version.description
    assert version.tags["lockgate.verdict"] == "pass"
    for name in ("gate.json", "report.md", "report.html"):
        assert files(registered)[f"evidence/{name}"].read_bytes() == (registered / "reports" / name).read_bytes()


def test_nothing_that_is_stored_runs_or_is_a_pickle_and_the_kit_is_what_it_requires(registered: Path) -> None:
    stored = files(registered)
    assert not [name for name in stored if Path(name).suffix in (".pkl", ".pickle", ".py", ".so")]
    described = yaml.safe_load(stored["MLmodel"].read_text())
    assert list(described["flavors"]) == ["python_function"]
    assert described["flavors"]["python_function"]["loader_module"] == "lockgate.mlflow_model"
    assert stored["requirements.txt"].read_text().split() == [
        f"mlflow=={mlflow.__version__}",
        f"lockgate[service]=={__version__}",
    ]


def test_codes_may_come_as_the_numbers_that_pandas_reads(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    rows = 800
    table = pd.DataFrame(
        {
            "loan": range(rows),
            "region": random.choice([1, 2, 3], rows),
            "branch": random.choice(["01", "02"], rows),
            "is_new": random.choice(["True", "False"], rows),
            "grade": random.choice(["A", "B"], rows),
            "defaulted": random.integers(0, 2, rows),
        }
    )
    table.loc[:9, "region"] = None
    table["region"] = table["region"].map("{:.0f}".format).replace("nan", "")
    table.to_csv(tmp_path / "loans.csv", index=False)
    kinds = {"region": "categorical", "branch": "categorical"}
    prepare = {"source": "loans.csv", "target": "defaulted", "id_columns": ["loan"], "kinds": kinds}
    write_params(tmp_path, {"prepare": prepare, "train": {"num_boost_round": 5}})
    for command in ("prepare", "train"):
        succeed(invoke(tmp_path, command))
    (stored,) = (tmp_path / "mlartifacts").rglob("MLmodel")
    model = mlflow.pyfunc.load_model(str(stored.parent))
    types = {one["name"]: one["type"] for one in model.metadata.signature.inputs.to_dict()}
    assert types == {"region": "any", "branch": "any", "is_new": "any", "grade": "string"}

    typed = pd.read_csv(tmp_path / "loans.csv")
    texts = pd.read_csv(tmp_path / "loans.csv", dtype=str)
    assert typed.dtypes.astype(str)[["region", "branch", "is_new"]].tolist() == ["float64", "int64", "bool"]
    assert model.predict(typed).equals(model.predict(texts))
    whole = typed.iloc[10:].astype({"region": "int64"})
    assert model.predict(whole).equals(model.predict(texts.iloc[10:]))
    with pytest.raises(MlflowException, match=r"^row 0 `region`: not one of the categories of the training rows"):
        model.predict(whole.assign(region=4))


def test_a_damaged_bundle_is_not_loaded(registered: Path, tmp_path: Path) -> None:
    project = copy_project(registered, tmp_path / "project")
    path = files(project)["bundle/model.onnx"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Exception, match=r"model\.onnx .*corrupted"):
        mlflow.pyfunc.load_model(str(path.parents[1]))
