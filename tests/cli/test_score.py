"""`lockgate score`: the bits and the refusals of `/predict`, for a table in any form and of any size."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Run
from serving import Client, applicants, change_bundle
from support import assert_refused, succeed, tree

from lockgate.data import sources
from lockgate.data.parquet_file import parquet_batches
from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

BATCH = "data/current.parquet"


def write(project: Path, rows: pd.DataFrame, name: str) -> str:
    """The rows as a file of this name, each with a key that text alone keeps."""
    table = rows.drop(columns=["row_key", "default"], errors="ignore")
    table.insert(0, "application", [f"{place:05d}" for place in range(len(table))])
    if name.endswith(".csv"):
        table.to_csv(project / name, index=False)
    elif name.endswith(".jsonl"):
        lines = table.astype(object).where(table.notna(), None).to_dict("records")
        (project / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    elif name.endswith(".feather"):
        table.to_feather(project / name)
    else:
        table.to_parquet(project / name, row_group_size=101)
    return name


def scores(project: Path, name: str = "scores.csv") -> pd.DataFrame:
    if name.endswith(".parquet"):
        return pd.read_parquet(project / name)
    return pd.read_csv(project / name, dtype={"application": str}, float_precision="round_trip")


def service(project: Path, **settings: Any) -> Client:
    return Client(Worker(read_bundle(project / "models"), "pass", Settings(**settings)))


@pytest.fixture
def rows(project: Path) -> pd.DataFrame:
    return pd.read_parquet(project / BATCH).head(300)


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl", "feather"])
def test_a_row_gets_the_bits_of_predict_whatever_file_it_stands_in(
    project: Path, run: Run, rows: pd.DataFrame, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.data.parquet_file.STREAMED_ROWS", 64)
    monkeypatch.setattr("lockgate.data.arrow_file.STREAMED_ROWS", 64)
    monkeypatch.setattr("lockgate.data.json_lines_file.BATCH_ROWS", 64)
    rows.loc[rows.index[7], ["income", "housing"]] = None
    succeed(run("score", write(project, rows, f"in.{form}"), "--output", "scores.csv", "--keep", "application"))
    found = scores(project)
    assert list(found.columns) == ["application", "probability", "decision", "model"]
    assert list(found["application"]) == [f"{place:05d}" for place in range(300)]
    client = service(project)
    rows.to_parquet(project / "rows.parquet")
    asked = applicants(project / "rows.parquet", client.worker.state.predictor.bundle.schema)
    answers = [client.ask("/predict", row).json for row in asked]
    for column in ("probability", "decision", "model"):
        assert found[column].tolist() == [answer[column] for answer in answers]


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_a_key_that_only_later_lines_have_is_missing_before(
    project: Path, run: Run, rows: pd.DataFrame, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.data.json_lines_file.BATCH_ROWS", 64)
    rows.loc[rows.index[:200], ["income", "housing"]] = None
    succeed(run("score", write(project, rows, "all.csv"), "--output", "all-scores.csv"))
    lines = [json.loads(line) for line in (project / write(project, rows, "all.jsonl")).read_text().splitlines()]
    text = "".join(
        json.dumps({key: value for key, value in line.items() if value is not None}) + "\n" for line in lines
    )
    (project / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    succeed(run("score", name, "--output", "scores.csv"))
    assert (project / "scores.csv").read_bytes() == (project / "all-scores.csv").read_bytes()


def test_a_key_that_no_line_has_is_refused(project: Path, run: Run, rows: pd.DataFrame) -> None:
    write(project, rows.drop(columns="income"), "in.jsonl")
    assert_refused(run("score", "in.jsonl", "--output", "scores.csv"), "`income`")


def test_files_of_a_folder_are_one_table_and_parquet_holds_the_same_as_csv(
    project: Path, run: Run, rows: pd.DataFrame
) -> None:
    (project / "june").mkdir()
    write(project, rows.iloc[:100], "june/1.csv")
    write(project, rows.iloc[100:], "june/2.parquet")
    succeed(run("score", "june", "--output", "out/scores.parquet"))
    succeed(run("score", write(project, rows, "all.csv"), "--output", "scores.csv"))
    together = scores(project, "out/scores.parquet")
    pd.testing.assert_frame_equal(together, scores(project), check_dtype=False)
    assert together["probability"].dtype == "float64"


def test_identifiers_are_carried_along_as_they_stand_there(project: Path, run: Run, rows: pd.DataFrame) -> None:
    change_bundle(project, "schema.json", lambda schema: schema.update(id_columns=["application", "branch"]))
    write(project, rows, "in.csv")
    succeed(run("score", "in.csv", "--output", "scores.csv"))
    assert list(scores(project).columns) == ["application", "probability", "decision", "model"]
    assert scores(project)["application"][7] == "00007"
    rows.assign(branch=np.arange(len(rows)) + 2**60).drop(columns="default").to_parquet(project / "in.parquet")
    succeed(run("score", "in.parquet", "--output", "scores.parquet"))
    assert scores(project, "scores.parquet")["branch"].tolist()[:2] == [2**60, 2**60 + 1]


def write_branches(project: Path, rows: pd.DataFrame, *branches: Any) -> None:
    """A folder `june` of Parquet files with 20 rows each, the column `branch` of each as given, None where it lacks it."""
    (project / "june").mkdir(exist_ok=True)
    for place, branch in enumerate(branches):
        part = rows.iloc[20 * place : 20 * place + 20].drop(columns="default")
        part = part if branch is None else part.assign(branch=branch)
        part.to_parquet(project / f"june/{place}.parquet")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_whole_numbers_of_another_width_are_the_same_identifiers(
    project: Path, run: Run, rows: pd.DataFrame, form: str
) -> None:
    large = np.arange(20, dtype="int64") + 2**60
    write_branches(project, rows, np.arange(20, dtype="int32"), large)
    succeed(run("score", "june", "--output", f"scores.{form}", "--keep", "branch"))
    assert scores(project, f"scores.{form}")["branch"].tolist() == [*range(20), *large.tolist()]


def test_texts_after_whole_numbers_are_texts_in_csv_and_refused_for_parquet(
    project: Path, run: Run, rows: pd.DataFrame
) -> None:
    texts = [f"0{place},b" for place in range(20)]
    write_branches(project, rows, np.arange(20), texts)
    succeed(run("score", "june", "--output", "scores.csv", "--keep", "branch"))
    assert scores(project)["branch"].tolist() == [*map(str, range(20)), *texts]
    refused = run("score", "june", "--output", "scores.parquet", "--keep", "branch")
    assert_refused(refused, "column `branch` is string in some rows and int64 in those before", ".csv")
    write_branches(project, rows, texts, np.arange(20))
    succeed(run("score", "june", "--output", "scores.parquet", "--keep", "branch"))
    assert scores(project, "scores.parquet")["branch"].tolist() == [*texts, *map(str, range(20))]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_identifiers_that_some_files_lack_are_refused(project: Path, run: Run, rows: pd.DataFrame, form: str) -> None:
    change_bundle(project, "schema.json", lambda schema: schema.update(id_columns=["branch"]))
    for branches, words in (
        ((np.arange(20), None), "1.parquet): column `branch` is not there, and earlier rows have it"),
        ((None, np.arange(20)), "1.parquet): column `branch` is there, and earlier rows lack it"),
    ):
        write_branches(project, rows, *branches)
        assert_refused(run("score", "june", "--output", f"scores.{form}"), words)
        assert not (project / f"scores.{form}").exists()


def test_a_table_is_not_overwritten_by_its_scores(project: Path, run: Run, rows: pd.DataFrame) -> None:
    before = (project / write(project, rows, "in.csv")).read_bytes()
    assert_refused(run("score", "in.csv", "--output", str(project / "in.csv")), "--output", "FILE itself")
    assert (project / "in.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words"), [("decision", "the scores have a column of that name"), ("aplication", "application")]
)
def test_a_column_that_cannot_be_carried_along_is_refused(
    project: Path, run: Run, rows: pd.DataFrame, name: str, words: str
) -> None:
    write(project, rows.assign(decision="granted"), "in.csv")
    assert_refused(run("score", "in.csv", "--output", "scores.csv", "--keep", name), f"`{name}`", words)
    assert not (project / "scores.csv").exists()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("dependants", 1.5, "`dependants` is 1.5, and it must be a whole number"),
        ("dependants", 1e17, "`dependants` is 1e+17, and it must be from -9.0072e+15 to 9.0072e+15"),
        ("housing", "houseboat", "`housing` is 'houseboat', and no training row had that"),
        ("region", None, "`region` is missing, and no training row lacked it"),
    ],
)
def test_a_row_that_predict_refuses_is_named_and_nothing_is_written(
    project: Path, run: Run, column: str, value: Any, words: str, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.data.parquet_file.STREAMED_ROWS", 64)
    kind = "float64" if isinstance(value, float) else "string"
    rows[column] = rows[column].astype(object).where(~np.isin(np.arange(len(rows)), [130, 131]), value).astype(kind)
    rows.to_parquet(project / "rows.parquet")
    client = service(project)
    asked = applicants(project / "rows.parquet", client.worker.state.predictor.bundle.schema)
    assert client.ask("/predict", asked[130]).status == 422
    write(project, rows, "in.parquet")
    before = tree(project)
    refused = run("score", "in.parquet", "--output", "scores.csv", "--log", "decisions")
    assert_refused(refused, "would refuse 2 of these rows; in row 131 ", words)
    assert tree(project) == before


def test_a_category_that_no_training_row_had_is_missing_where_that_is_asked_for(
    project: Path, run: Run, rows: pd.DataFrame
) -> None:
    rows.loc[rows.index[3], "housing"] = "houseboat"
    write(project, rows, "in.csv")
    succeed(run("score", "in.csv", "--output", "scores.csv", "--unseen-categories", "missing"))
    client = service(project, unseen_categories="missing")
    rows.to_parquet(project / "rows.parquet")
    asked = applicants(project / "rows.parquet", client.worker.state.predictor.bundle.schema)[3]
    assert scores(project)["probability"][3] == client.ask("/predict", asked).json["probability"]


def test_decisions_go_into_the_log_of_the_service(
    project: Path, run: Run, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.cli.score.LOG_ROWS", 128)
    write(project, rows, "in.csv")
    succeed(run("score", "in.csv", "--output", "scores.csv", "--log", "decisions"))
    files = sorted((project / "decisions").iterdir())
    assert [pq.read_metadata(path).num_rows for path in files] == [128, 128, 44]
    logged, found = pd.read_parquet(project / "decisions"), scores(project)
    assert found["lockgate_request_id"].is_unique
    joined = found.merge(logged, on="lockgate_request_id")
    assert joined["probability"].tolist() == joined["lockgate_score"].tolist()
    assert len(joined) == len(logged) == 300
    client = service(project, decision_log=project / "served")
    assert client.worker.log is not None
    client.worker.log.start()
    client.ask("/predict", applicants(project / BATCH, client.worker.state.predictor.bundle.schema)[0])
    client.worker.log.stop()
    (served,) = (project / "served").iterdir()
    assert pq.read_schema(served) == pq.read_schema(files[0])
    succeed(run("drift", "--current", "decisions"))
    by_log = json.loads((project / "reports/drift.json").read_text())["features"]
    succeed(run("drift", "--current", "in.csv"))
    assert by_log == json.loads((project / "reports/drift.json").read_text())["features"]


def test_only_a_bundle_that_passed_scores(project: Path, run: Run, rows: pd.DataFrame) -> None:
    write(project, rows, "in.csv")
    (project / "reports/gate.json").unlink()
    refused = run("score", "in.csv", "--output", "scores.csv")
    assert_refused(refused, "gate.json", "--allow-ungated")
    assert not (project / "scores.csv").exists()
    succeed(run("score", "in.csv", "--output", "scores.csv", "--allow-ungated"))
    assert_refused(run("score", "in.csv", "--output", "scores.csv", "--require-signed"), "--verify-key")


def test_any_other_graph_than_the_kits_own_is_asked_row_by_row(
    project: Path, run: Run, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = project / "models"
    manifest = json.loads((models / "manifest.json").read_text())
    del manifest["files"]["model.json"]
    (models / "model.json").unlink()
    (models / "manifest.json").write_text(json.dumps(manifest))
    asked = applicants(project / BATCH, read_bundle(models).schema)[:20]
    client = service(project)
    answers = [client.ask("/predict", row).json["probability"] for row in asked]
    write(project, rows.head(20), "in.csv")
    monkeypatch.setattr("lockgate.model.onnx_runtime.OnnxModel.many", None)
    succeed(run("score", "in.csv", "--output", "scores.csv", "--allow-ungated"))
    assert scores(project)["probability"].tolist() == answers


@pytest.mark.parametrize(
    ("file", "output", "words"),
    [
        ("in.csv", "scores.xlsx", ("--output", ".csv or .parquet")),
        ("nowhere.csv", "scores.csv", ("FILE: nowhere.csv", "does not exist")),
        ("empty.csv", "scores.csv", ("a header and no rows",)),
        ("few.csv", "scores.csv", ("column `income` is missing",)),
    ],
)
def test_what_cannot_be_scored_is_said(
    project: Path, run: Run, rows: pd.DataFrame, file: str, output: str, words: tuple[str, ...]
) -> None:
    write(project, rows, "in.csv")
    write(project, rows.head(0), "empty.csv")
    write(project, rows.drop(columns="income"), "few.csv")
    assert_refused(run("score", file, "--output", output), *words)
    assert not (project / output).exists()


def test_a_damaged_end_of_a_file_leaves_what_was_there(project: Path, run: Run, rows: pd.DataFrame) -> None:
    write(project, rows, "in.csv")
    (project / "in.csv").write_text((project / "in.csv").read_text() + '"unclosed\n')
    (project / "scores.csv").write_text("earlier")
    assert_refused(run("score", "in.csv", "--output", "scores.csv"), "FILE: in.csv")
    assert (project / "scores.csv").read_text() == "earlier"


def test_no_more_than_a_batch_is_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"x": range(50_000)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=20_000)
    monkeypatch.setenv("LOCKGATE_MAX_TABLE_BYTES", "200000")  # a group of rows fits, the table does not
    with (tmp_path / "t.parquet").open("rb") as stream:
        sizes = [batch.num_rows for batch in parquet_batches(stream, "t")]
    assert sum(sizes) == 50_000
    assert max(sizes) <= 16_384
    found = list(sources.read_source_batches(str(tmp_path / "t.parquet"), "FILE", sources.Read()))
    assert [batch.place(0) for batch in found][:2] == ["row 1", f"row {sizes[0] + 1:,}"]
