"""What `lockgate prepare` makes of good data."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import assert_refused, edit_params, invoke, succeed, tree, write_params


def loans(rows: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(2)
    income = random.lognormal(10, 0.5, rows).round()
    return pd.DataFrame(
        {
            "income": np.where(random.random(rows) < 0.1, np.nan, income),
            "grade": random.integers(1, 4, rows),
            "owner": random.random(rows) < 0.4,
            "sex": random.choice(["f", "m"], rows),
            "applied": pd.date_range("2021-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
            "outcome": np.where(random.random(rows) < 0.3, "bad", "good"),
        }
    )


PREPARE: dict[str, Any] = {
    "source": "loans.csv",
    "target": "outcome",
    "positive": "bad",
    "kinds": {"grade": "categorical", "applied": "drop"},
    "audit_columns": ["sex"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    loans().to_csv(tmp_path / "loans.csv", index=False)
    write_params(tmp_path, {"prepare": dict(PREPARE)})
    return tmp_path


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "data" / f"{name}.parquet")


def schema(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "data/schema.json").read_text())
    return found


def test_kinds_roles_and_labels(folder: Path) -> None:
    succeed(invoke(folder, "prepare"))
    features = {feature["name"]: feature for feature in schema(folder)["features"]}
    assert {name: feature["kind"] for name, feature in features.items()} == {
        "income": "numeric",
        "grade": "categorical",
        "owner": "categorical",
    }
    assert features["grade"]["categories"] == ["1", "2", "3"]
    assert features["owner"]["categories"] == ["False", "True"]
    assert features["income"]["nullable"]
    train, test = read(folder, "train"), read(folder, "test")
    assert len(train) + len(test) == 600
    assert (train.outcome.sum() + test.outcome.sum()) == (loans().outcome == "bad").sum()
    assert "sex" in train.columns
    assert "applied" not in train.columns
    assert not set(train.row_key) & set(test.row_key)


def prepared(folder: Path) -> dict[str, bytes]:
    """The prepared rows and what was learnt of them, wherever they came from."""
    files = tree(folder / "data")
    schema = json.loads(files.pop("schema.json"))
    assert schema.pop("origin")["source"]["sha256"] is not None
    return {**files, "schema.json": json.dumps(schema).encode()}


def test_shuffled_rows_columns_and_format_give_the_same_bytes(folder: Path) -> None:
    succeed(invoke(folder, "prepare"))
    before = prepared(folder)
    loans().sample(frac=1, random_state=3).to_csv(folder / "loans.csv", index=False, sep=";")
    succeed(invoke(folder, "prepare"))
    assert prepared(folder) == before


def test_copies_of_a_row_have_keys_of_their_own(folder: Path) -> None:
    pd.concat([loans(), loans().head(50)]).to_csv(folder / "loans.csv", index=False)
    succeed(invoke(folder, "prepare"))
    keys = pd.concat([read(folder, "train"), read(folder, "test")]).row_key
    assert len(keys) == 650
    assert keys.is_unique


def test_new_rows_leave_old_ones_on_their_side_of_the_split(folder: Path) -> None:
    table = loans().assign(customer=[f"c{number}" for number in range(600)])
    edit_params(folder, prepare={"id_columns": ["customer"]})
    table.head(400).to_csv(folder / "loans.csv", index=False)
    succeed(invoke(folder, "prepare"))
    test_before = set(read(folder, "test").row_key)
    train_before = set(read(folder, "train").row_key)
    table.to_csv(folder / "loans.csv", index=False)
    succeed(invoke(folder, "prepare"))
    assert test_before <= set(read(folder, "test").row_key)
    assert train_before <= set(read(folder, "train").row_key)


def test_rows_of_the_future_are_accepted_where_that_is_said_and_today_is_no_future(folder: Path) -> None:
    rows = loans()
    rows.loc[0, "applied"] = datetime.now(UTC).date().isoformat()
    rows.to_csv(folder / "loans.csv", index=False)
    edit_params(folder, prepare={"time_column": "applied", "kinds": {"grade": "categorical"}})
    succeed(invoke(folder, "prepare"))
    rows.assign(applied=lambda table: table.applied.where(table.index != 7, "2099-01-01")).to_csv(
        folder / "loans.csv", index=False
    )
    assert_refused(invoke(folder, "prepare"), "loans.csv: time column `applied` row 8", "future_times")
    edit_params(folder, prepare={"future_times": "accept"})
    succeed(invoke(folder, "prepare"))
    assert read(folder, "test").applied.max() == pd.Timestamp("2099-01-01")
    assert "future_times" not in json.loads((folder / "data/schema.json").read_text())["origin"]["prepare"]


def test_a_time_column_splits_off_the_newest_rows(folder: Path) -> None:
    edit_params(folder, prepare={"time_column": "applied", "kinds": {"grade": "categorical"}})
    succeed(invoke(folder, "prepare"))
    train, test = read(folder, "train"), read(folder, "test")
    assert train.applied.max() < test.applied.min()
    assert len(test) == 150
    assert "applied" not in [feature["name"] for feature in schema(folder)["features"]]


def test_empty_and_constant_columns_are_dropped_with_a_warning(folder: Path) -> None:
    loans().assign(empty=np.nan, always=7).to_csv(folder / "loans.csv", index=False)
    result = succeed(invoke(folder, "prepare"))
    assert "warning: column `empty` is dropped: every value is missing" in result.stderr
    assert "warning: column `always` is dropped: constant" in result.stderr
    dropped = [column["name"] for column in schema(folder)["columns"] if column["role"] == "dropped"]
    assert dropped == ["applied", "empty", "always"]
    assert "always" not in read(folder, "train").columns


def test_columns_known_only_after_the_decision_are_not_trained_on(folder: Path) -> None:
    loans().assign(collections=1.5 * (loans().outcome == "bad")).to_csv(folder / "loans.csv", index=False)
    edit_params(folder, prepare={"unavailable_at_decision": ["collections"]})
    succeed(invoke(folder, "prepare"))
    assert "collections" not in read(folder, "train").columns


def test_weights_are_kept_and_are_no_feature(folder: Path) -> None:
    loans().assign(size=2).to_csv(folder / "loans.csv", index=False)
    edit_params(folder, prepare={"weight_column": "size"})
    succeed(invoke(folder, "prepare"))
    assert set(read(folder, "train")["size"]) == {2.0}
    assert "size" not in [feature["name"] for feature in schema(folder)["features"]]


def test_without_a_current_batch_it_is_the_test_split(folder: Path) -> None:
    succeed(invoke(folder, "prepare"))
    assert len(read(folder, "current")) == len(read(folder, "test"))


def test_a_folder_of_parquet_files_is_one_current_batch(folder: Path) -> None:
    (folder / "log").mkdir()
    loans().head(100).drop(columns="outcome").to_parquet(folder / "log/1.parquet")
    loans().tail(50).drop(columns="outcome").to_parquet(folder / "log/2.parquet")
    edit_params(folder, prepare={"current": "log"})
    succeed(invoke(folder, "prepare"))
    assert len(read(folder, "current")) == 150


def test_unseen_categories_and_extremes_of_a_current_batch_are_kept(folder: Path) -> None:
    loans().assign(grade=9, income=1e12).to_parquet(folder / "odd.parquet")
    edit_params(folder, prepare={"current": "odd.parquet", "bounds": {"income": [0, 1e9]}})
    succeed(invoke(folder, "prepare"))
    assert set(read(folder, "current").grade) == {"9"}
    assert set(read(folder, "current").income) == {1e12}


def test_synthetic_current_goes_only_with_a_synthetic_source(folder: Path) -> None:
    edit_params(folder, prepare={"current": "synthetic"})
    assert_refused(invoke(folder, "prepare"), "params.yaml", "current", "synthetic")


def test_a_disk_without_room_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(invoke(folder, "prepare"))
    before = tree(folder / "data")
    loans(500).to_csv(folder / "loans.csv", index=False)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert_refused(invoke(folder, "prepare"), "data", "No space left")
    assert tree(folder / "data") == before


class TestNames:
    def test_renamed_columns_have_their_new_names_everywhere_and_a_batch_the_names_of_its_file(
        self, folder: Path
    ) -> None:
        renamed = {"score": "bureau_score", "income": "income[EUR]"}
        loans().rename(columns={"grade": "score"}).to_csv(folder / "loans.csv", index=False)
        loans().head(50).rename(columns={"grade": "score"}).to_csv(folder / "june.csv", index=False)
        kinds = {"bureau_score": "categorical", "applied": "drop"}
        edit_params(folder, prepare={"rename": renamed, "kinds": kinds, "current": "june.csv"})
        succeed(invoke(folder, "prepare"))
        found = schema(folder)
        assert [one["name"] for one in found["features"]] == ["income[EUR]", "bureau_score", "owner"]
        assert [one["source_name"] for one in found["columns"]] == [*loans().rename(columns={"grade": "score"})]
        assert set(read(folder, "current").bureau_score) == {"1", "2", "3"}

    def test_a_name_of_the_kits_own_is_refused_with_the_key_that_renames_it(self, folder: Path) -> None:
        loans().rename(columns={"income": "score"}).to_csv(folder / "loans.csv", index=False)
        assert_refused(invoke(folder, "prepare"), "column 'score'", "prepare.rename: {score: NAME}")

    def test_a_column_that_is_not_there_cannot_be_renamed(self, folder: Path) -> None:
        edit_params(folder, prepare={"rename": {"incom": "salary"}})
        assert_refused(invoke(folder, "prepare"), "`incom` of prepare.rename", "did you mean `income`")

    def test_two_columns_of_one_name_are_refused(self, folder: Path) -> None:
        edit_params(folder, prepare={"rename": {"income": "grade"}})
        assert_refused(invoke(folder, "prepare"), "'income'", "'grade'", "another column has that name")

    @pytest.mark.parametrize("first", [0, 1])
    def test_a_column_without_a_name_that_counts_the_rows_is_left_out(self, folder: Path, first: int) -> None:
        succeed(invoke(folder, "prepare"))
        before = tree(folder / "data")
        rows = loans()
        rows.set_index(rows.index + first).to_csv(folder / "loans.csv")
        result = succeed(invoke(folder, "prepare"))
        assert "warning: column `Unnamed: 0` is dropped: it has no name and only counts the rows" in result.stderr
        after = tree(folder / "data")
        assert {name for name in after if after[name] != before[name]} == {"schema.json"}

    def test_one_that_does_not_count_is_a_column_like_others(self, folder: Path) -> None:
        loans().sample(frac=1, random_state=5).to_csv(folder / "loans.csv")
        succeed(invoke(folder, "prepare"))
        assert "Unnamed: 0" in read(folder, "train").columns
        edit_params(folder, prepare={"id_columns": ["Unnamed: 0"]})
        succeed(invoke(folder, "prepare"))
        assert "Unnamed: 0" not in read(folder, "train").columns

    def test_a_column_of_lists_is_no_trouble_where_it_is_dropped(self, folder: Path) -> None:
        loans().assign(tags=[["a"], ["b", "c"]] * 300).to_parquet(folder / "loans.parquet")
        kinds = {**PREPARE["kinds"], "tags": "drop"}
        edit_params(folder, prepare={"source": "loans.parquet", "kinds": kinds})
        succeed(invoke(folder, "prepare"))
        assert "tags" not in read(folder, "train").columns


CLASSES = {"positive": ["charged off", "default"], "negative": ["paid"], "left_out": ["current"]}


class TestClasses:
    @pytest.fixture
    def statuses(self, folder: Path) -> pd.DataFrame:
        random = np.random.default_rng(8)
        rows = loans().assign(outcome=random.choice(["paid", "charged off", "default", "current"], 600))
        rows.to_csv(folder / "loans.csv", index=False)
        edit_params(folder, prepare={"positive": None, "classes": CLASSES})
        return rows

    def test_several_values_are_one_class_and_rows_are_left_out(self, folder: Path, statuses: pd.DataFrame) -> None:
        result = succeed(invoke(folder, "prepare"))
        current = int((statuses.outcome == "current").sum())
        assert f"{current} rows are left out, as prepare.classes says: {current} 'current'" in result.stdout
        labels = pd.concat([read(folder, "train"), read(folder, "test")]).outcome
        assert len(labels) == 600 - current
        assert labels.sum() == statuses.outcome.isin(["charged off", "default"]).sum()

    def test_the_newest_rows_are_those_that_are_kept(self, folder: Path, statuses: pd.DataFrame) -> None:
        edit_params(folder, prepare={"time_column": "applied", "kinds": {"grade": "categorical"}})
        succeed(invoke(folder, "prepare"))
        kept = (statuses.outcome != "current").sum()
        assert len(read(folder, "test")) == round(0.25 * kept)
        assert read(folder, "train").applied.max() < read(folder, "test").applied.min()

    def test_a_batch_may_have_outcomes_of_any_of_the_values(self, folder: Path, statuses: pd.DataFrame) -> None:
        statuses.assign(outcome=["default", "paid", "current", ""] * 150).to_csv(folder / "june.csv", index=False)
        edit_params(folder, prepare={"current": "june.csv"})
        succeed(invoke(folder, "prepare"))
        labels = read(folder, "current").outcome
        assert [(labels == value).sum() for value in (1.0, 0.0)] == [150, 150]
        assert labels.isna().sum() == 300


class TestWhatItSays:
    def test_a_line_a_column_says_what_it_is_and_why(self, folder: Path) -> None:
        rows = loans().assign(always=7, used=[f"{number % 90}%" for number in range(600)])
        rows.loc[:4, "used"] = "n/a"
        rows.to_csv(folder / "loans.csv", index=False)
        lines = succeed(invoke(folder, "prepare")).stdout.splitlines()
        assert max(map(len, lines)) <= 100
        found = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[: len(rows.columns) + 1]}
        missing = int(rows.income.isna().sum())
        assert found == {
            "column": "is why missing distinct",
            "income": f"numeric inferred {missing} {rows.income.nunique()}",
            "grade": "categorical declared 3",
            "owner": "categorical inferred 2",
            "sex": "audit, categorical inferred 2",
            "applied": "dropped declared 600 prepare.kinds says drop",
            "outcome": "target declared 2",
            "always": "dropped inferred 1 constant in the training rows",
            "used": "numeric inferred 5 90 missing: 5 'n/a'; percent: 41% is 0.41",
        }

    @pytest.mark.parametrize("name", ["loan_id", "__index_level_0__"])
    def test_it_proposes_identifiers_where_a_column_looks_like_them(self, folder: Path, name: str) -> None:
        loans().assign(**{name: range(5000, 5600)}).to_csv(folder / "loans.csv", index=False)
        said = succeed(invoke(folder, "prepare")).stderr
        assert f"column `{name}` looks like an identifier: set prepare.id_columns: [{name}]" in said
        edit_params(folder, prepare={"id_columns": [name]})
        assert "warning" not in succeed(invoke(folder, "prepare")).stderr

    def test_it_asks_for_identifiers_where_content_repeats(self, folder: Path) -> None:
        pd.concat([loans(), loans().head(50)]).to_csv(folder / "loans.csv", index=False)
        said = succeed(invoke(folder, "prepare")).stderr
        assert "warning: 50 rows are copies of others" in said
        assert "prepare.id_columns" in said


class TestExplain:
    def explained(self, folder: Path, column: str) -> str:
        before = tree(folder)
        result = succeed(invoke(folder, "prepare", "--explain", column))
        assert tree(folder) == before
        return result.stdout

    def test_cells_are_shown_as_they_stand_beside_what_they_became(self, folder: Path) -> None:
        amounts = ["12,000", " 12,000", "7", "n/a"] * 150
        loans().assign(amount=amounts).to_csv(folder / "loans.csv", index=False)
        said = self.explained(folder, "amount")
        assert "column `amount` of loans.csv: feature, numeric, inferred from its cells" in said
        assert "' 12,000' is 12000  (150 cells, the first in row 2)" in said
        assert "'n/a'  (150 cells, the first in row 4)" in said
        assert "prepare.kinds: {amount: numeric}" in said

    def test_a_column_that_is_refused_is_shown_with_what_cannot_be_read(self, folder: Path) -> None:
        loans().assign(amount=[*map(str, range(599)), "n/k"]).to_csv(folder / "loans.csv", index=False)
        said = self.explained(folder, "amount")
        assert "cannot be read, 1 different:\n    'n/k'  (1 cells, the first in row 600)" in said
        assert "prepare.read.missing: ['n/k']" in said

    @pytest.mark.parametrize(
        ("column", "words"),
        [
            ("outcome", "target"),
            ("applied", "dropped, prepare.kinds says drop"),
            ("grade", "categorical, declared in prepare.kinds"),
        ],
    )
    def test_any_column_can_be_explained(self, folder: Path, column: str, words: str) -> None:
        assert words in self.explained(folder, column)

    def test_a_column_that_is_not_there_is_refused(self, folder: Path) -> None:
        assert_refused(invoke(folder, "prepare", "--explain", "incom"), "`incom`", "did you mean `income`")


class TestUrl:
    @pytest.fixture
    def server(self, folder: Path) -> Iterator[str]:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object, **options: object) -> None:
                super().__init__(*arguments, directory=str(folder), **options)  # type: ignore[arg-type]

            def do_GET(self) -> None:
                if self.path == "/short.csv":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000000")
                    self.end_headers()
                    self.wfile.write(b"a,b\n1,2\n")
                else:
                    super().do_GET()

            def log_message(self, *arguments: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_url_is_read_like_the_file(self, folder: Path, server: str) -> None:
        succeed(invoke(folder, "prepare"))
        before = prepared(folder)
        edit_params(folder, prepare={"source": f"{server}/loans.csv"})
        succeed(invoke(folder, "prepare"))
        assert prepared(folder) == before

    def test_what_the_server_does_not_have_is_refused(self, folder: Path, server: str) -> None:
        edit_params(folder, prepare={"source": f"{server}/nothing.csv"})
        assert_refused(invoke(folder, "prepare"), "prepare.source", "404")

    def test_half_an_answer_is_refused(self, folder: Path, server: str) -> None:
        edit_params(folder, prepare={"source": f"{server}/short.csv"})
        assert_refused(invoke(folder, "prepare"), "prepare.source", "8 of 1000000 bytes")

    def test_an_unreachable_server_is_refused(self, folder: Path) -> None:
        edit_params(folder, prepare={"source": "http://127.0.0.1:9/loans.csv"})
        assert_refused(invoke(folder, "prepare"), "prepare.source", "cannot be fetched")

    def test_other_schemes_are_refused_with_the_way_out(self, folder: Path) -> None:
        edit_params(folder, prepare={"source": "gs://bucket/loans.csv"})
        assert_refused(invoke(folder, "prepare"), "prepare.source", "pip install 'lockgate[gs]'")
