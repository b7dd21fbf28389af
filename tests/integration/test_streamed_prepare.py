"""A source that is read part by part gives the same files, words and refusals as one that is in memory, however it is cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from dialects import Dialect
from support import assert_refused, invoke, tree, write_params

from lockgate.config.limits import IN_MEMORY_BYTES
from lockgate.data import sorted_runs, streamed_dataset, tables, tally
from lockgate.data.large_source import LargeSource
from lockgate.project import Project

ROWS = 1500


def applicants(seed: int = 1, rows: int = ROWS) -> pd.DataFrame:
    """Rows with every kind of column, gaps, copies, whole numbers that miss in some files alone, and a column that is constant."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "loan": [f"L-{number:05d}" for number in range(rows)],
            "income": random.lognormal(10, 0.5, rows).round(2),
            "late": random.poisson(0.6, rows),
            "owner": random.choice(["OWN", "RENT", "Größe"], rows),
            "sex": random.choice(["f", "m"], rows),
            "weight": random.choice([0.5, 1.0, 2.0], rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, rows), "D"),
            "same": 7,
            "y": random.integers(0, 2, rows),
        }
    )
    table["debt"] = table.income.where(random.random(rows) > 0.3).round(0)
    table["status"] = np.where(table.y == 1, "bad", random.choice(["good", "fine"], rows))
    table.loc[random.random(rows) < 0.05, "status"] = "open"
    return table


def copied(table: pd.DataFrame) -> pd.DataFrame:
    """Every fifth row twice and every fiftieth three times, the copies far from the first."""
    return pd.concat([table, table.iloc[::5], table.iloc[::50]], ignore_index=True)


def write_parquet(folder: Path, table: pd.DataFrame, files: int, group: int) -> str:
    """The rows dealt out to files in turn."""
    (folder / "loans").mkdir(exist_ok=True)
    for number in range(files):
        rows = pa.Table.from_pandas(table.iloc[number::files], preserve_index=False)
        pq.write_table(rows, folder / "loans" / f"{number:03d}.parquet", row_group_size=group)
    return "loans"


def write_csv(folder: Path, table: pd.DataFrame, files: int, dialect: Dialect | None = None) -> str:
    """The cells as text; empty where one is missing."""
    (folder / "loans").mkdir(exist_ok=True)
    texts = table.astype(object).where(table.notna(), "").map(str)
    for number in range(files):
        (dialect or Dialect()).write(texts.iloc[number::files], folder / "loans" / f"{number:03d}.csv")
    return "loans"


class Both:
    """`lockgate prepare` in memory and part by part, in the same folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        # So that small tables are cut as large ones are.
        monkeypatch.setattr(sorted_runs, "RUN_ROWS", 200)
        monkeypatch.setattr(sorted_runs, "BUCKET_BYTES", 10_000)

    def run(self, *, streamed: bool) -> tuple[Result, dict[str, bytes]]:
        """What the command said, and the files that it wrote."""
        self._monkeypatch.setenv(IN_MEMORY_BYTES.variable, "1" if streamed else str(IN_MEMORY_BYTES.default))
        if streamed:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(self.folder)
                assert isinstance(Project().read_source(), LargeSource)
        result = invoke(self.folder, "prepare")
        return result, tree(self.folder / "data") if (self.folder / "data").exists() else {}

    def assert_same(self, **settings: Any) -> None:
        """Files, words and exit code are the same."""
        write_params(self.folder, {"prepare": {"target": "y", **settings}})
        expected, files = self.run(streamed=False)
        assert expected.exit_code == 0, expected.output
        found, made = self.run(streamed=True)
        assert found.exception is None, found.output
        assert found.output == expected.output
        assert made == files
        assert set(made) == {"train.parquet", "test.parquet", "current.parquet", "schema.json"}

    def assert_refused_alike(self, *words: str, **settings: Any) -> None:
        """Both are refused in the same line, and write nothing."""
        write_params(self.folder, {"prepare": {"target": "y", **settings}})
        expected, _ = self.run(streamed=False)
        assert_refused(expected, *words)
        found, files = self.run(streamed=True)
        assert_refused(found, *words)
        assert found.stderr == expected.stderr
        assert files == {}


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    return Both(tmp_path, monkeypatch)


SETTINGS: dict[str, dict[str, Any]] = {
    "content": {"kinds": {"loan": "drop", "day": "drop", "status": "drop"}},
    "identifiers": {"id_columns": ["loan"], "audit_columns": ["sex"], "kinds": {"day": "drop", "status": "drop"}},
    "time": {"id_columns": ["loan"], "time_column": "day", "kinds": {"status": "drop"}},
    "classes": {
        "target": "status",
        "classes": {"positive": ["bad"], "negative": ["good", "fine"], "left_out": ["open"]},
        "time_column": "day",
        "weight_column": "weight",
        "rename": {"income": "net income", "loan": "contract"},
        "kinds": {"contract": "drop", "late": "categorical"},
        "bounds": {"net income": [0, None]},
        "unavailable_at_decision": ["y"],
    },
}


@pytest.mark.parametrize(("files", "group"), [(1, 10_000), (7, 61), (64, 7)])
@pytest.mark.parametrize("name", SETTINGS)
def test_parquet_gives_the_same_files_however_it_is_cut(both: Both, name: str, files: int, group: int) -> None:
    table = applicants() if "id_columns" in SETTINGS[name] else copied(applicants())
    both.assert_same(source=write_parquet(both.folder, table, files, group), **SETTINGS[name])


@pytest.mark.parametrize("files", [1, 7])
@pytest.mark.parametrize("name", SETTINGS)
def test_texts_are_decided_and_read_the_same(both: Both, name: str, files: int) -> None:
    table = applicants() if "id_columns" in SETTINGS[name] else copied(applicants())
    table["day"] = table.day.dt.strftime("%d/%m/%Y")
    table["share"] = [f"{value:.1f}%" if value > 3 else "n.a." for value in np.arange(len(table)) % 97]
    both.assert_same(source=write_csv(both.folder, table, files), **SETTINGS[name])


def test_rows_of_more_than_a_group_are_written_as_in_memory(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (tables, sorted_runs):
        monkeypatch.setattr(module, "GROUP_ROWS", 256)
    both.assert_same(source=write_parquet(both.folder, applicants(), 3, 100), **SETTINGS["identifiers"])
    assert pq.ParquetFile(both.folder / "data/train.parquet").metadata.num_row_groups > 3


def test_a_semicolon_a_decimal_comma_and_counted_rows(both: Both) -> None:
    table = applicants().drop(columns=["day", "status"])
    table["income"] = [f"{value:.2f}".replace(".", ",") for value in table.income]
    table["debt"] = ["" if pd.isna(value) else f"{value:.0f}" for value in table.debt]
    table.insert(0, "Unnamed: 0", np.arange(len(table)))
    both.assert_same(source=write_csv(both.folder, table, 1, Dialect(separator=";")), id_columns=["loan"])


def test_a_current_batch_is_read_part_by_part_too(both: Both) -> None:
    source = write_parquet(both.folder, applicants(), 3, 100)
    batch = copied(applicants(seed=2, rows=700)).drop(columns=["y"])
    pq.write_table(pa.Table.from_pandas(batch, preserve_index=False), both.folder / "batch.parquet", row_group_size=90)
    both.assert_same(source=source, current="batch.parquet", **SETTINGS["time"])


def test_types_of_files_that_differ_have_one_in_common_or_are_texts(both: Both) -> None:
    table = applicants().drop(columns=["day", "status"])
    (both.folder / "loans").mkdir()
    kinds = [
        {"late": "int8", "debt": "float32"},
        {"late": "int64", "same": "float64"},
        {"owner": "category", "same": "int32"},
    ]
    for number, kind in enumerate(kinds):
        rows = pa.Table.from_pandas(table.iloc[number::3].astype(kind), preserve_index=False)
        pq.write_table(rows, both.folder / f"loans/{number}.parquet")
    both.assert_same(source="loans", id_columns=["loan"])
    large = table.iloc[::3].assign(late=2**60 + 1)  # which no float holds, and another file has floats
    pq.write_table(pa.Table.from_pandas(large, preserve_index=False), both.folder / "loans/0.parquet")
    broken = table.iloc[1::3].assign(late=0.5)
    pq.write_table(pa.Table.from_pandas(broken, preserve_index=False), both.folder / "loans/1.parquet")
    both.assert_same(source="loans", id_columns=["loan"])


def test_a_column_of_numbers_with_more_values_than_are_kept(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_DISTINCT", 500)
    monkeypatch.setattr(tally, "KEPT_AS_THEY_ARE", 20)
    table = applicants().drop(columns=["day", "status", "loan"])
    both.assert_same(source=write_csv(both.folder, table, 4))
    table["income"] = [f"00{value}" for value in range(len(table))]  # digits behind zeros are texts
    write_csv(both.folder, table, 4)
    monkeypatch.setenv(IN_MEMORY_BYTES.variable, "1")
    assert_refused(invoke(both.folder, "prepare"), "column `income` has more than 1,000,000 distinct texts", "row 1")


Change = Callable[[pd.DataFrame], pd.DataFrame]


def changed(row: int, **cells: Any) -> Change:
    """The table with other cells in a row."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype(dict.fromkeys(cells, object))
        for name, value in cells.items():
            table.loc[row, name] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "words", "settings"),
    [
        (
            changed(900, loan="L-00003"),
            ("'L-00003', is there twice (1 such", "003.csv, row 1,"),
            SETTINGS["identifiers"],
        ),
        (
            changed(901, loan=""),
            ("identifier column `loan` has 1 missing", "001.csv, row 226"),
            SETTINGS["identifiers"],
        ),
        (changed(902, income="much"), ("'much'", "002.csv, row 226"), SETTINGS["identifiers"]),
        (changed(902, y=""), ("target `y` has 1 missing values", "002.csv, row 226"), SETTINGS["identifiers"]),
        (changed(902, y="2"), ("target `y` has 3 classes",), SETTINGS["identifiers"]),
        (changed(903, day=""), ("time column `day` has 1 missing values", "003.csv, row 226"), SETTINGS["time"]),
        (changed(903, day="2924-01-01"), ("is of 2924-01-01", "003.csv, row 226"), SETTINGS["time"]),
        (changed(903, day="soon"), ("'soon'", "003.csv, row 226"), SETTINGS["time"]),
        (changed(903, weight="0"), ("weight column `weight` holds '0'", "003.csv, row 226"), SETTINGS["classes"]),
        (changed(903, status="odd"), ("holds 'odd'", "003.csv, row 226"), SETTINGS["classes"]),
        (changed(903, income="1e39"), ("column `income` holds 1e+39", "003.csv, row 226"), SETTINGS["identifiers"]),
    ],
)
def test_refusals_name_the_file_and_the_row(
    both: Both, change: Change, words: tuple[str, ...], settings: dict[str, Any]
) -> None:
    both.assert_refused_alike(*words, source=write_csv(both.folder, change(applicants()), 4), **settings)


def test_infinite_numbers_of_typed_files_are_counted_and_placed(both: Both) -> None:
    table = applicants()
    table.loc[[30, 700, 901], "income"] = [np.inf, -np.inf, np.inf]
    source = write_parquet(both.folder, table, 4, 50)
    both.assert_refused_alike("3 infinite values, the first in 000.parquet, row 176", source=source, **SETTINGS["time"])


def test_a_file_that_lacks_a_column_is_named(both: Both) -> None:
    source = write_parquet(both.folder, applicants(), 3, 100)
    rows = pa.Table.from_pandas(applicants().drop(columns="late"), preserve_index=False)
    pq.write_table(rows, both.folder / "loans/001.parquet")
    both.assert_refused_alike("001.parquet", "has no column 'late'", source=source, **SETTINGS["time"])


def test_a_full_disk_is_one_line_and_replaces_nothing(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(
        both.folder,
        {"prepare": {"target": "y", "source": write_parquet(both.folder, applicants(), 3, 100), **SETTINGS["time"]}},
    )
    _, before = both.run(streamed=True)
    write_parquet(both.folder, applicants(seed=3), 3, 100)
    left = [3]

    opened = pa.OSFile

    def full_disk(*arguments: Any) -> pa.OSFile:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, os.strerror(28))
        return opened(*arguments)

    monkeypatch.setattr(pa, "OSFile", full_disk)
    found = invoke(both.folder, "prepare")
    assert_refused(found, "cannot write to data", "No space left on device")
    assert tree(both.folder / "data") == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_behind_however_it_ends(
    both: Both, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    write_params(
        both.folder,
        {"prepare": {"target": "y", "source": write_parquet(both.folder, applicants(), 3, 100), **SETTINGS["time"]}},
    )

    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr(streamed_dataset, "_write", interrupted)
    monkeypatch.setenv(IN_MEMORY_BYTES.variable, "1")
    assert invoke(both.folder, "prepare").exit_code != 0
    assert list((both.folder / "data").iterdir()) == []
