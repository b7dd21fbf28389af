"""A known table in any dialect is read back equal or refused with the setting that reads it; keys and texts survive, too."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dialects import PLAIN, SETTINGS, TARGET, Dialect, Notation, Prepared, prepare, prepare_table, values
from hypothesis import assume, given
from hypothesis import strategies as st
from support import invoke, succeed, write_params

from lockgate.data.source_table import SourceTable
from lockgate.data.split import identifier_keys

ROWS = 140
KNOWN_MISSING = ["", " ", "?", "-", "--", ".", "NA", "n/a", "N/A", "#N/A", "NaN", "null", "NULL", "None", r"\N"]
OTHER_MISSING = ["unknown", "n.v.", "*", "-999", "999999"]


@dataclass(frozen=True)
class Known:
    """A table by its values: what a file of it must be read as."""

    identifiers: list[str]
    income: list[Decimal | None]
    util: list[Decimal | None]
    late: list[int]
    owner: list[str]
    label: list[int]


@st.composite
def known_tables(draw: st.DrawFn) -> Known:
    """Numbers of any size and number of decimals, negative and missing ones, and identifiers that only differ as texts."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    places = draw(st.integers(0, 4))
    size = draw(st.sampled_from([1, 100, 10_000, 10_000_000]))
    income = [Decimal(int(value * 10**places)).scaleb(-places) for value in random.uniform(-0.2, 1, ROWS) * size]
    util = [Decimal(int(value)).scaleb(-3) for value in random.integers(0, 1000, ROWS)]
    gaps = random.random((2, ROWS)) < draw(st.sampled_from([0.0, 0.1, 0.4]))
    prefix = draw(st.sampled_from(["", "0", "00", "A-", "90071992547409"]))
    late = random.poisson(0.7, ROWS)
    label = (random.random(ROWS) < 0.3 + 0.1 * late).astype(int)
    label[:120] = [0, 1] * 60  # at least 50 of each class
    return Known(
        [f"{prefix}{number}" for number in range(ROWS)],
        [None if gap else value for gap, value in zip(gaps[0], income, strict=True)],
        [None if gap else value for gap, value in zip(gaps[1], util, strict=True)],
        late.tolist(),
        random.choice(
            draw(st.sampled_from([["OWN", "RENT"], ["Größe", 'a "b"', "c,d;e"], ["01", "1", "1.0"]])), ROWS
        ).tolist(),
        label.tolist(),
    )


@dataclass(frozen=True)
class Writing:
    """A dialect, the notation of numbers in it, and the text that stands where one is missing."""

    dialect: Dialect
    notation: Notation
    share: Notation
    missing: str

    def table(self, known: Known) -> pd.DataFrame:
        """The known table as the texts that stand in the file."""

        def texts(numbers: list[Decimal | None], notation: Notation) -> list[str]:
            return [self.missing if number is None else notation.text(number) for number in numbers]

        return pd.DataFrame(
            {
                "acct": known.identifiers,
                "income": texts(known.income, self.notation),
                "util": texts(known.util, self.share),
                "late": [str(value) for value in known.late],
                "owner": known.owner,
                TARGET: [str(value) for value in known.label],
            },
            dtype=object,
        )

    @property
    def read(self) -> dict[str, Any]:
        """The settings of prepare.read that say all of it."""
        settings: dict[str, Any] = {
            "decimal": self.notation.decimal,
            "separator": self.dialect.separator,
            "encoding": self.dialect.encoding,
        }
        if self.notation.thousands:
            settings["thousands"] = self.notation.thousands
        if self.missing.strip():
            settings["missing"] = [self.missing]
        return settings


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]


@st.composite
def writings(draw: st.DrawFn, missing: list[str]) -> Writing:
    """Separator, quoting, line ends, encoding, compression, decimal, thousands, percent, currency and mark of missing."""
    dialect = Dialect(
        separator=draw(st.sampled_from([",", ";", "\t", "|"])),
        quote_all=draw(st.booleans()),
        line_end=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        encoding=draw(st.sampled_from(ENCODINGS)),
        compression=draw(st.sampled_from(["", "", "gz", "bz2", "xz", "zst"])),
    )
    decimal = draw(st.sampled_from([".", ","]))
    thousands = draw(st.sampled_from(["", "", "," if decimal == "." else ".", " ", "'"]))
    currency = draw(st.sampled_from(["", "", "$", "€", " EUR"]))
    assume(dialect.encoding != "latin-1" or currency != "€")
    notation = Notation(decimal, thousands, currency=currency)
    return Writing(dialect, notation, Notation(decimal, percent=draw(st.booleans())), draw(st.sampled_from(missing)))


def keys_of(identifiers: list[str]) -> list[str]:
    """The keys of rows that are identified by these texts."""
    keys: list[str] = identifier_keys(SourceTable(pa.table({"acct": identifiers}), "texts"), ["acct"]).to_pylist()
    return keys


def check(found: Prepared, known: Known) -> None:
    """Every value is there, under its identifier; every text is the text in the file."""
    keys = keys_of(known.identifiers)
    rows = found.rows.set_index("row_key")
    assert sorted(rows.index) == sorted(keys)
    rows = rows.loc[keys]
    for name, numbers in (("income", known.income), ("util", known.util)):
        if name in found.features:  # a column without two values is dropped
            assert found.kinds[name] == "numeric"
            expected = [None if number is None else float(number) for number in numbers]
            assert values(rows[name]) == [None if one is None else pytest.approx(one, rel=1e-14) for one in expected]
            assert found.column(name).missing == numbers.count(None)
        else:
            assert len({*numbers} - {None}) < 2
    assert values(rows.late) == known.late
    assert values(rows.owner) == known.owner
    assert values(rows[TARGET]) == known.label


def run(folder: Path, table: pd.DataFrame, dialect: Dialect, **settings: Any) -> tuple[int, str]:
    """Exit code and standard error of `lockgate prepare`."""
    path = dialect.write(table, folder / "loans.csv")
    write_params(folder, {"prepare": {**SETTINGS, "source": path.name, "id_columns": ["acct"], **settings}})
    result = invoke(folder, "prepare")
    return result.exit_code, result.stderr


def in_a_folder(test: Callable[[Path], None]) -> None:
    """Run `test` in a new folder: hypothesis runs one test function many times."""
    with tempfile.TemporaryDirectory() as folder:
        test(Path(folder))


KINDS = {"owner": "categorical"}  # 1 and 1.0 may be two texts of one category only where that is declared


def has_visible_thousands(writing: Writing, table: pd.DataFrame) -> bool:
    """Whether the table shows that a dot, or a comma of a file of commas, is what it is meant to be.

    1.234 alone is a decimal number to everybody, and so is "1,234" a thousand in a file that is separated by commas.
    """
    cells = [cell for cell in table.income if cell != writing.missing]
    if writing.notation.thousands == ".":
        return any("," in cell or cell.count(".") > 1 for cell in cells) or not any("." in cell for cell in cells)
    return not (writing.notation.decimal == "," and writing.dialect.separator == ",")


@given(known_tables(), writings([*KNOWN_MISSING, *OTHER_MISSING]))
def test_with_its_settings_every_table_is_read_back_equal(known: Known, writing: Writing) -> None:
    table = writing.table(known)
    assume(writing.missing not in {*writing.table(replace_missing(known)).income})

    def equal(folder: Path) -> None:
        code, error = run(folder, table, writing.dialect, read=writing.read, kinds=KINDS)
        assert code == 0, error
        check(Prepared(folder), known)

    in_a_folder(equal)


@given(known_tables(), writings(KNOWN_MISSING + OTHER_MISSING[:3]))
def test_without_settings_it_is_read_back_equal_or_refused_with_the_setting(known: Known, writing: Writing) -> None:
    table = writing.table(known)
    assume(has_visible_thousands(writing, table))

    def equal_or_refused(folder: Path) -> None:
        code, error = run(folder, table, writing.dialect, kinds=KINDS)
        if code == 0:
            check(Prepared(folder), known)
        else:
            assert code == 2, error
            line = [line for line in error.splitlines() if line.startswith("Error:")]
            assert len(line) == 1, error
            assert "prepare.read." in line[0]
            assert not (folder / "data").exists()

    in_a_folder(equal_or_refused)


def replace_missing(known: Known) -> Known:
    """The table with a number in place of each missing one, to see which texts its numbers have."""
    return replace(known, income=[Decimal(0) if number is None else number for number in known.income])


# Letters of every kind, signs and spaces, but what decides what a column is: digits alone, dates, marks of missing.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"])
    | st.sampled_from(" ,;\"'|\t\n=+-@"),
    min_size=1,
    max_size=12,
).map(lambda text: "x" + text + "x")


@given(st.lists(WORDS | WORDS.map(lambda text: f" {text} "), min_size=2, max_size=6, unique=True), st.data())
def test_the_text_of_a_category_is_the_text_in_the_file(words: list[str], data: st.DataObject) -> None:
    separator = data.draw(st.sampled_from([",", ";", "\t", "|"]))
    quote_all = data.draw(st.booleans())
    table = small_table().assign(word=[words[number % len(words)] for number in range(ROWS)])

    def same(folder: Path) -> None:
        csv = prepare_table(folder, table, Dialect(separator=separator, quote_all=quote_all), id_columns=["acct"])
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), folder / "loans.parquet")
        parquet = prepare(folder, source="loans.parquet", id_columns=["acct"])
        assert csv.features["word"].categories == parquet.features["word"].categories
        assert set(csv.features["word"].categories) <= set(words)
        for found in (csv, parquet):
            words_by_key = dict(zip(keys_of(table.acct.tolist()), table.word, strict=True))
            assert dict(zip(found.rows.row_key, found.rows.word, strict=True)) == words_by_key

    in_a_folder(same)


def small_table(rows: int = ROWS, seed: int = 1) -> pd.DataFrame:
    """Sixty rows of everything that a column can be, as texts."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, rows)
    label[:120] = [0, 1] * 60  # at least 50 of each class
    return pd.DataFrame(
        {
            "acct": [f"{number:05d}" for number in range(rows)],
            "income": [f"{value:.2f}" for value in random.lognormal(10, 0.5, rows)],
            "late": [str(value) for value in random.poisson(0.6, rows)],
            "code": random.choice(["01", "02", "A1"], rows),
            TARGET: [str(value) for value in label],
        },
        dtype=object,
    )


class TestKeys:
    """Which side a row is on depends on the row: on its whole content, or on its identifiers."""

    @given(st.integers(0, 2**32 - 1), st.integers(1, 5))
    def test_equal_rows_are_on_one_side(self, seed: int, copies: int) -> None:
        table = small_table(seed=seed).drop(columns="acct")

        def together(folder: Path) -> None:
            rows = prepare_table(folder, pd.concat([table, *[table.head(10)] * copies])).rows
            assert len(rows) == ROWS + 10 * copies
            assert rows.row_key.is_unique
            found = Prepared(folder)
            content = [name for name in found.rows.columns if name != "row_key"]
            both = found.train[content].merge(found.test[content], on=content)
            assert both.empty

        in_a_folder(together)

    @pytest.mark.parametrize(
        "kinds", [{"code": "drop"}, {"late": "categorical"}, {"code": "categorical", "late": "drop"}]
    )
    @pytest.mark.parametrize("identifiers", [[], ["acct"]], ids=["content", "identifiers"])
    def test_kinds_move_no_row(self, tmp_path: Path, kinds: dict[str, str], identifiers: list[str]) -> None:
        table = small_table(200)
        settings = {"id_columns": identifiers, "kinds": {} if identifiers else {"acct": "drop"}}
        before = prepare_table(tmp_path, table, **settings)
        after = prepare_table(tmp_path, table, **{**settings, "kinds": {**settings["kinds"], **kinds}})
        assert list(after.train.row_key) == list(before.train.row_key)
        assert list(after.test.row_key) == list(before.test.row_key)

    def test_another_notation_of_one_cell_is_another_row_and_moves_no_other(self, tmp_path: Path) -> None:
        table = small_table(200).drop(columns="acct")
        before = prepare_table(tmp_path, table)
        table.loc[17, "late"] += ".0"
        after = prepare_table(tmp_path, table)
        assert len({*before.rows.row_key} - {*after.rows.row_key}) == 1
        assert {*after.test.row_key} - {*before.test.row_key} <= {*after.rows.row_key} - {*before.rows.row_key}

    @given(st.permutations(range(ROWS)), st.permutations(["acct", "income", "late", "code", TARGET]))
    def test_the_order_of_rows_and_columns_is_no_matter(self, rows: list[int], columns: list[str]) -> None:
        table = small_table()

        def same(folder: Path) -> None:
            before = prepare_table(folder, table, kinds={"acct": "drop"}).rows
            after = prepare_table(folder, table.iloc[rows][columns], kinds={"acct": "drop"}).rows
            pd.testing.assert_frame_equal(after[before.columns], before)

        in_a_folder(same)

    @pytest.mark.parametrize("new", ["X000001", "99999", "9" * 30, "0"])
    def test_a_new_row_with_any_identifier_moves_no_other(self, tmp_path: Path, new: str) -> None:
        table = small_table(200)
        before = prepare_table(tmp_path, table, id_columns=["acct"])
        after = prepare_table(tmp_path, pd.concat([table, table.head(1).assign(acct=new)]), id_columns=["acct"])
        assert {*before.train.row_key} <= {*after.train.row_key}
        assert {*before.test.row_key} <= {*after.test.row_key}

    def test_a_column_that_looks_like_an_identifier_is_proposed(self, tmp_path: Path) -> None:
        PLAIN.write(small_table(200), tmp_path / "loans.csv")
        write_params(tmp_path, {"prepare": SETTINGS})
        assert "prepare.id_columns" in succeed(invoke(tmp_path, "prepare")).output

    def test_copies_without_an_identifier_are_said(self, tmp_path: Path) -> None:
        table = small_table(200).drop(columns="acct")
        PLAIN.write(pd.concat([table, table.head(30)]), tmp_path / "loans.csv")
        write_params(tmp_path, {"prepare": SETTINGS})
        assert "prepare.id_columns" in succeed(invoke(tmp_path, "prepare")).output


def test_texts_survive_from_the_file_to_the_predictions_and_the_drift(tmp_path: Path) -> None:
    texts = ["01", " padded ", 'said "no"', "a,b", "Größe", "True", "1.0", "NULL."]
    random = np.random.default_rng(4)
    table = small_table(800).assign(text=random.choice(texts, 800))
    table["acct"] = [f"{2**60 + number:025d}" for number in range(800)]
    train = {"num_boost_round": 10, "early_stopping_rounds": 5}
    drift: list[Any] = []
    for form in ("csv", "parquet"):
        folder = tmp_path / form
        folder.mkdir()
        PLAIN.write(table, folder / "loans.csv")
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), folder / "loans.parquet")
        settings = {**SETTINGS, "source": f"loans.{form}", "id_columns": ["acct"]}
        write_params(folder, {"prepare": settings, "train": train, "evaluate": {"floors": {}, "ceilings": {}}})
        for command in ("prepare", "train", "evaluate", "drift"):
            succeed(invoke(folder, command))
        bundled = json.loads((folder / "models/schema.json").read_text())
        feature = next(one for one in bundled["features"] if one["name"] == "text")
        assert feature["categories"] == sorted(texts)
        predictions = pd.read_parquet(folder / "reports/predictions.parquet")
        texts_by_key = dict(zip(keys_of(table.acct.tolist()), table.text, strict=True))
        test = Prepared(folder).test
        assert set(predictions.row_key) == set(test.row_key)
        assert dict(zip(test.row_key, test.text, strict=True)).items() <= texts_by_key.items()
        found = json.loads((folder / "reports/drift.json").read_text())
        bins = next(one for one in found["features"] if one["name"] == "text")["bins"]
        assert {one["label"] for one in bins} >= set(texts)
        drift.append(bins)
    assert drift[0] == drift[1]
