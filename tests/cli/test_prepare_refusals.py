"""Every kind of bad source gets exit code 2 and one line, and what was in data/ before stays."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support import assert_refused, invoke, succeed, tree, write_params


def good_table(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "customer": [f"c{number}" for number in range(rows)],
            "income": random.lognormal(10, 0.5, rows).round(),
            "region": random.choice(["north", "south", "west"], rows),
            "late": random.poisson(0.5, rows),
            "weight": random.uniform(0.5, 2, rows).round(3),
            "applied": pd.date_range("2021-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
            "default": (random.random(rows) < 0.3).astype(int),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose good source has been prepared once."""
    good_table().to_csv(tmp_path / "loans.csv", index=False)
    write_params(
        tmp_path, {"prepare": {"source": "loans.csv", "id_columns": ["customer"], "kinds": {"applied": "drop"}}}
    )
    succeed(invoke(tmp_path, "prepare"))
    return tmp_path


def refused(folder: Path, prepare: dict[str, Any], *words: str) -> None:
    before = tree(folder / "data")
    write_params(folder, {"prepare": {"id_columns": ["customer"], "kinds": {"applied": "drop"}, **prepare}})
    assert_refused(invoke(folder, "prepare"), *words)
    assert tree(folder / "data") == before


BAD_FILES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "empty": ("bad.csv", b"", ("bad.csv", "empty")),
    "header only": ("bad.csv", b"customer,income,default\n", ("bad.csv", "no rows")),
    "binary": ("bad.csv", b"\x00\x01\x02" * 100, ("bad.csv", "holds binary data")),
    "not UTF-8": ("bad.csv", "customer,größe,default\n1,2,0\n".encode("latin-1"), ("bad.csv", "UTF-8")),
    "ragged": (
        "bad.csv",
        b"customer,income,default\na,1,0\nb,2,1,9\n",
        ("bad.csv, row 2 has 4 cells", "prepare.read.separator"),
    ),
    "truncated Parquet": ("bad.parquet", b"PAR1" + b"\x15\x04" * 50, ("bad.parquet", "cannot be read")),
    "duplicate column": ("bad.csv", b"customer,income,income,default\na,1,2,0\n", ("income", "twice")),
    "blank first line": ("bad.csv", b"\ncustomer,default\na,1\n", ("bad.csv", "first line")),
    "other delimiter, no target": ("bad.csv", b"customer;income\na;1\n", ("default", "prepare.target")),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_unreadable_files_are_refused(folder: Path, case: str) -> None:
    name, content, words = BAD_FILES[case]
    (folder / name).write_bytes(content)
    refused(folder, {"source": name}, *words)


def test_a_missing_file_is_refused(folder: Path) -> None:
    refused(folder, {"source": "nowhere.csv"}, "prepare.source", "nowhere.csv", "does not exist")


def test_a_folder_without_tables_is_refused(folder: Path) -> None:
    (folder / "batches").mkdir()
    refused(folder, {"source": "batches"}, "batches", "no file of a table")


def test_a_parquet_file_cut_short_is_refused(folder: Path) -> None:
    good_table().to_parquet(folder / "cut.parquet")
    content = (folder / "cut.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(content[: len(content) // 2])
    refused(folder, {"source": "cut.parquet"}, "cut.parquet", "cannot be read")


def spoil(**columns: Any) -> pd.DataFrame:
    return good_table().assign(**columns)


BAD_TABLES: dict[str, tuple[pd.DataFrame, dict[str, Any], tuple[str, ...]]] = {
    "no target": (good_table().rename(columns={"default": "defaulted"}), {}, ("default", "did you mean `defaulted`")),
    "one class": (spoil(default=1), {}, ("default", "1 class", "a model learns from two")),
    "three classes": (
        spoil(default=lambda t: t.index % 3),
        {},
        ("default", "has 3 classes, '0' (134)", "prepare.classes"),
    ),
    "undeclared event": (
        spoil(default=lambda t: t.default.map({0: "good", 1: "bad"})),
        {},
        ("bad", "good", "prepare.positive"),
    ),
    "event that is no class": (spoil(), {"positive": "yes"}, ("prepare.positive is 'yes'",)),
    "missing target": (spoil(default=lambda t: t.default.where(t.index > 3)), {}, ("default", "4 missing values")),
    "49 positives": (spoil(default=lambda t: (t.index < 49).astype(int)), {}, ("49 positive", "50")),
    "49 negatives": (spoil(default=lambda t: (t.index >= 49).astype(int)), {}, ("49 negative", "50")),
    "infinite": (spoil(income=lambda t: t.income.where(t.index != 6, np.inf)), {}, ("income", "infinite", "row 7")),
    "minus infinite": (spoil(income=lambda t: t.income.where(t.index != 6, -np.inf)), {}, ("income", "infinite")),
    "beyond float32": (
        spoil(income=lambda t: t.income.where(t.index != 6, 1e308)),
        {},
        ("`income` holds 1e+308 in row 7 (1 such)", "up to 3.4e+38", "another unit"),
    ),
    "minus beyond float32": (spoil(income=-1e300), {}, ("`income` holds -1e+300 in row 1 (400 such)",)),
    "a weight beyond float32": (spoil(weight=1e300), {"weight_column": "weight"}, ("`weight` holds 1e+300",)),
    "a row of the future": (
        spoil(applied=lambda t: t.applied.where(t.index != 6, "2099-01-01")),
        {"time_column": "applied", "kinds": {}},
        ("`applied` row 7 is of 2099-01-01", "after today", "prepare.future_times: accept"),
    ),
    "dates as a feature": (
        spoil(seen=pd.Timestamp("2025-01-01")),
        {},
        ("seen", "dates", "prepare.time_column"),
    ),
    "text among declared numbers": (
        spoil(late=lambda t: t.late.astype(str).where(t.index != 2, "two")),
        {"kinds": {"late": "numeric", "applied": "drop"}},
        ("late", "row 3", "'two'"),
    ),
    "identifier twice": (
        spoil(customer=lambda t: t.customer.where(t.index != 5, "c4")),
        {},
        ("customer", "row 6", "twice"),
    ),
    "identifier missing": (spoil(customer=lambda t: t.customer.where(t.index != 5)), {}, ("customer", "missing")),
    "unknown identifier": (spoil(), {"id_columns": ["custmer"]}, ("prepare.id_columns", "did you mean `customer`")),
    "unknown audit column": (spoil(), {"audit_columns": ["sex"]}, ("sex", "prepare.audit_columns")),
    "unknown kind": (spoil(), {"kinds": {"incom": "drop", "applied": "drop"}}, ("incom", "did you mean `income`")),
    "negative weight": (spoil(weight=-1.0), {"weight_column": "weight"}, ("`weight`", "'-1' in row 1", "above 0")),
    "a row that counts for nothing": (
        spoil(weight=lambda t: t.weight.where(t.index != 6, 0.0)),
        {"weight_column": "weight"},
        ("`weight`", "'0' in row 7", "left out"),
    ),
    "missing weight": (
        spoil(weight=lambda t: t.weight.where(t.index > 1)),
        {"weight_column": "weight"},
        ("`weight`", "'' in row 1", "2 such"),
    ),
    "weight called as a column of predictions": (
        spoil(y_score=1.0),
        {"weight_column": "y_score"},
        ("`y_score`", "predictions", "rename"),
    ),
    "unusable time": (
        spoil(applied="soon"),
        {"time_column": "applied", "kinds": {}},
        ("applied", "row 1", "ISO 8601"),
    ),
    "one time": (
        spoil(applied="2025-01-01"),
        {"time_column": "applied", "kinds": {}},
        ("applied", "too few distinct"),
    ),
    "missing time": (
        spoil(applied=lambda t: t.applied.where(t.index > 0)),
        {"time_column": "applied", "kinds": {}},
        ("applied", "1 missing"),
    ),
    "outside declared bounds": (
        spoil(),
        {"bounds": {"late": [0, 1]}},
        ("late", "above the highest value allowed", "prepare.bounds"),
    ),
    "bounds of a category": (spoil(), {"bounds": {"region": [0, 1]}}, ("region", "not numeric")),
    "reserved name": (spoil(row_key=1), {}, ("row_key", "rename")),
    "name of the decision log": (spoil(lockgate_score=1), {}, ("lockgate_score", "rename")),
    "nothing to train on": (
        spoil()[["customer", "default", "applied"]],
        {},
        ("no column is left",),
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_unusable_tables_are_refused(folder: Path, case: str) -> None:
    table, prepare, words = BAD_TABLES[case]
    table = table.drop(columns="weight") if not prepare.get("weight_column") and "weight" in table else table
    table.to_parquet(folder / "bad.parquet", index=False)
    refused(folder, {"source": "bad.parquet", **prepare}, "bad.parquet", *words)


def test_too_many_texts_for_a_category_are_refused(folder: Path) -> None:
    table = good_table(1500).drop(columns="weight").assign(code=[f"k{number}" for number in range(1500)])
    table.to_csv(folder / "bad.csv", index=False)
    refused(folder, {"source": "bad.csv"}, "code", "1,500", "prepare.kinds: {code: drop}")


def test_an_odd_text_among_numbers_is_refused_with_the_keys_that_accept_it(folder: Path) -> None:
    table = good_table(1500).drop(columns="weight").assign(code=[str(number) for number in range(1500)])
    table.loc[7, "code"] = "n/k"
    table.to_csv(folder / "bad.csv", index=False)
    keys = ("prepare.read.missing: ['n/k']", "prepare.kinds: {code: categorical}")
    refused(folder, {"source": "bad.csv"}, "`code`", "1 of 1,500 cells", "'n/k' (first in row 8)", *keys)


def test_all_columns_that_need_a_decision_are_refused_at_once_with_the_settings_that_accept_them(folder: Path) -> None:
    """As in a file of loans, with its dates, job titles and addresses."""
    table = (
        good_table(1500)
        .drop(columns="weight")
        .assign(
            issued=["Dec-2015", "Jan-2016", "Feb-2016"] * 500,
            **{"last payment: date": "2020-01-31"},
            employer=[f"employer {row}" for row in range(1500)],
            used=[*["n/k"] * 5, *map(str, range(1495))],
        )
    )
    table.to_csv(folder / "loans.csv", index=False)
    result = invoke(folder, "prepare")
    assert_refused(
        result,
        "4 columns need a decision",
        "`issued` holds dates, such as 'Dec-2015'",
        "`last payment: date` holds dates, such as '2020-01-31'",
        "`employer` has 1,500 distinct texts, such as 'employer 0' in row 1",
        "`used` holds numbers, but in 5 of 1,500 cells (0.3%) other texts: 'n/k' (first in row 1)",
        "prepare.time_column for the time of a row",
        "prepare.id_columns for what identifies rows",
        "prepare.read.missing: ['n/k'] for texts that mean missing",
    )
    line = re.findall(r"prepare\.kinds: (\{.*?\})", result.stderr)[0]
    kinds = yaml.safe_load(line)
    assert kinds == {"issued": "drop", "last payment: date": "drop", "employer": "drop", "used": "categorical"}
    settings = {"source": "loans.csv", "id_columns": ["customer"], "read": {"missing": ["n/k"]}}
    write_params(folder, {"prepare": {**settings, "kinds": {"applied": "drop", **kinds, "used": "numeric"}}})
    succeed(invoke(folder, "prepare"))


class TestCurrent:
    def refused(self, folder: Path, batch: pd.DataFrame, *words: str) -> None:
        batch.to_parquet(folder / "current.parquet")
        refused(folder, {"source": "loans.csv", "weight_column": "weight", "current": "current.parquet"}, *words)

    def test_a_missing_feature(self, folder: Path) -> None:
        self.refused(
            folder, good_table().rename(columns={"income": "incomes"}), "current.parquet", "`income` is missing"
        )

    def test_text_where_numbers_were(self, folder: Path) -> None:
        self.refused(folder, spoil(income="high"), "current.parquet", "income", "row 1")

    def test_numbers_where_categories_were(self, folder: Path) -> None:
        self.refused(folder, spoil(region=3), "current.parquet", "region", "holds numbers")

    def test_numbers_beyond_float32(self, folder: Path) -> None:
        self.refused(folder, spoil(income=1e308), "current.parquet", "`income` holds 1e+308 in row 1")

    def test_infinite_values(self, folder: Path) -> None:
        self.refused(folder, spoil(income=np.inf), "current.parquet", "income", "infinite")


READS_SLOWLY = """
import sys, time
from lockgate.cli.main import main
from lockgate.data.text_stream import TextStream
read = TextStream.read
def read_slowly(self, size=-1):
    if self.lines > 1000:
        time.sleep(0.5)
    return read(self, size)
TextStream.read = read_slowly
sys.argv = ["lockgate", "prepare"]
main()
"""


def test_a_refusal_ends_the_command_while_a_thread_still_reads(folder: Path) -> None:
    """Arrow reads ahead on a thread of its own; Python, when it ended in the usual way, was aborted by it (exit code 134)."""
    (folder / "wide.csv").write_text("\n".join(["a,b,default", "1,2", *["1,2,0"] * 900_000]))
    write_params(folder, {"prepare": {"source": "wide.csv"}})
    ran = subprocess.run(
        [sys.executable, "-c", READS_SLOWLY], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert "row 1 has 2 cells" in ran.stderr
