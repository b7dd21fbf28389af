"""A folder of Parquet files as the service's decision log writes them is a current batch like any other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from arro3.core import Table
from arro3.io import write_parquet
from conftest import Run
from support import assert_refused, assert_shown, edit_params, invoke, succeed

from lockgate.documents.schema_json import Schema

# What the log adds to a row's features; the names cannot be a feature's or the label's.
BOOKKEEPING: dict[str, Any] = {
    "lockgate_request_id": "0b6f",
    "lockgate_time": datetime(2026, 11, 25, 3, tzinfo=UTC),
    "lockgate_digest": "0" * 64,
    "lockgate_row": 0,
    "lockgate_score": 0.2,
    "lockgate_decision": "favourable",
}


def write_log(project: Path, batch: pd.DataFrame, files: int = 3, folder: str = "decisions") -> None:
    """`batch` as rotated files, written by the Parquet writer that the service has."""
    (project / folder).mkdir()
    for number in range(files):
        part = batch.iloc[number::files].assign(**BOOKKEEPING)
        table = Table.from_arrow(pa.Table.from_pandas(part, preserve_index=False).replace_schema_metadata(None))
        write_parquet(table, project / folder / f"2026-11-25T03-00-0{number}.parquet")


def features_of(project: Path, batch: str = "data/current.parquet") -> pd.DataFrame:
    names = Schema.read_file(project / "models/schema.json").feature_names
    return pd.read_parquet(project / batch)[names]


def measured(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "reports/drift.json").read_text())
    return found


def test_a_log_gives_the_drift_of_the_rows_in_it(project: Path, run: Run) -> None:
    succeed(run("drift"))
    expected = measured(project)
    write_log(project, features_of(project))
    succeed(run("drift", "--current", "decisions"))
    found = measured(project)
    assert (found["status"], found["n_current"]) == ("alert", 1500)
    # Of a log no outcomes are known, so that one judgement less shares the error: thresholds differ a little.
    for one, other in zip(found["features"], expected["features"], strict=True):
        assert {**one, "threshold": 0, "reason": ""} == {**other, "threshold": 0, "reason": ""}
    assert found["performance"] is None


def test_a_log_is_a_current_batch_of_prepare(project: Path, run: Run) -> None:
    history = pd.concat([pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test")])
    history.drop(columns="row_key").to_parquet(project / "history.parquet", index=False)
    write_log(project, features_of(project))
    edit_params(
        project,
        prepare={"source": "history.parquet", "current": "decisions", "audit_columns": ["sex", "age_band"]},
    )
    for command in ("prepare", "train", "drift"):
        succeed(run(command))
    assert measured(project)["n_current"] == 1500


def test_unfinished_files_are_left_alone(project: Path, run: Run) -> None:
    write_log(project, features_of(project))
    whole = next((project / "decisions").iterdir())
    (project / "decisions/.2026-11-25T03-00-09.parquet").write_bytes(whole.read_bytes()[:100])
    (project / "decisions/.part").mkdir()
    (project / "decisions/.part/1.parquet").write_bytes(whole.read_bytes()[:100])
    (project / "decisions/notes.txt").write_text("mine")
    succeed(run("drift", "--current", "decisions"))
    assert measured(project)["n_current"] == 1500


def test_a_torn_file_is_named(project: Path, run: Run) -> None:
    write_log(project, features_of(project))
    torn = sorted((project / "decisions").iterdir())[1]
    torn.write_bytes(torn.read_bytes()[:-30])
    assert_refused(run("drift", "--current", "decisions"), "--current", "decisions", torn.name)


def test_an_empty_log_is_refused(project: Path, run: Run) -> None:
    (project / "decisions").mkdir()
    assert_refused(run("drift", "--current", "decisions"), "decisions", "no file of a table")


def test_files_in_which_a_feature_is_missing_everywhere_go_with_the_others(project: Path, run: Run) -> None:
    batch = features_of(project)
    batch.loc[batch.index[::3], ["savings", "housing"]] = None
    write_log(project, batch)
    succeed(run("drift", "--current", "decisions"))
    shares = {one["name"]: one["missing_current"] for one in measured(project)["features"]}
    assert shares["savings"] > 1 / 3
    assert shares["housing"] > 1 / 3


def test_features_and_a_label_called_like_what_a_log_keeps(project: Path) -> None:
    """None of them is taken for the log's own column."""
    history = pd.concat([pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test")])
    names = {"utilisation": "time", "income": "row", "housing": "digest", "region": "request_id", "default": "decision"}
    history.drop(columns="row_key").rename(columns=names).to_parquet(project / "history.parquet", index=False)
    settings = {
        "source": "history.parquet",
        "current": None,
        "target": "decision",
        "audit_columns": ["sex", "age_band"],
    }
    edit_params(project, prepare=settings)
    for command in ("prepare", "train"):
        succeed(invoke(project, command))
    write_log(project, features_of(project))
    succeed(invoke(project, "drift", "--current", "decisions"))
    found = measured(project)
    assert (found["status"] in ("stable", "warn"), found["performance"], found["label"]) == (True, None, None)
    assert found["n_current"] == len(pd.read_parquet(project / "data/current.parquet"))


class Elements(HTMLParser):
    """What a browser would make of a page: its elements with the names of their attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page.read_text())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


@pytest.mark.full  # tests/unit/test_evidently_report.py draws a hostile page in a quick run
@pytest.mark.evidently
def test_a_category_that_anybody_sent_is_no_script_for_whoever_looks_at_the_drift(project: Path, run: Run) -> None:
    """The service logs what a request said, the nightly run reads the log, and an analyst opens the page."""
    batch = features_of(project)
    write_log(project, batch, folder="before")
    succeed(run("drift", "--current", "before"))
    ordinary = Elements(project / "reports/drift.html").found

    categorical = next(one.name for one in Schema.read_file(project / "models/schema.json").features if one.categories)
    sent = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\n::error::x"
    batch[categorical] = batch[categorical].astype(object)
    batch.loc[batch.index[::3], categorical] = sent
    write_log(project, batch)
    result = succeed(run("drift", "--current", "decisions"))
    succeed(run("report"))

    page = (project / "reports/drift.html").read_text()
    assert Elements(project / "reports/drift.html").found == ordinary
    assert "\u2039script\u203aalert(1)" in page or "\\u2039script\\u203aalert(1)" in page
    assert "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-" in page
    assert not {"script", "img"} & {tag for tag, _ in Elements(project / "reports/report.html").found}
    assert "<script" not in (project / "reports/report.md").read_text()
    for line in result.output.split("\n"):
        assert_shown(line)
