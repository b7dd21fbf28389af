"""Tables of applicants as the texts of a plain CSV, and the same table in the dialects that files of real teams have."""

from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from support import invoke, succeed, write_params

from lockgate.documents.schema_json import Feature, Schema, SourceColumn

TARGET = "default"
SETTINGS: dict[str, Any] = {"source": "loans.csv", "target": TARGET}


def applicants(rows: int = 300, seed: int = 1) -> pd.DataFrame:
    """Every cell as text: numbers, codes with a leading zero, a flag, and a label that depends on them."""
    random = np.random.default_rng(seed)
    late = random.poisson(0.6, rows)
    util = random.beta(2, 4, rows).round(3)
    label = random.random(rows) < 1 / (1 + np.exp(2.2 - 0.9 * late - 2 * util))
    return pd.DataFrame(
        {
            "income": [f"{value:.2f}" for value in random.lognormal(10, 0.5, rows)],
            "util": [f"{value:.3f}" for value in util],
            "late": [str(value) for value in late],
            "code": random.choice(["01", "02", "03", "04"], rows),
            "owner": random.choice(["OWN", "RENT", "MORT"], rows),
            "flag": random.choice(["True", "False"], rows),
            TARGET: [str(int(value)) for value in label],
        },
        dtype=object,
    )


def with_marks(table: pd.DataFrame, column: str, mark: str, every: int = 30) -> pd.DataFrame:
    """The table with `mark` in one of `every` cells of a column, the first included."""
    return table.assign(**{column: table[column].where(np.arange(len(table)) % every > 0, mark)})


@dataclass(frozen=True)
class Dialect:
    """How a table of texts is written as a file; the default is a plain CSV."""

    separator: str = ","
    quote_all: bool = False
    line_end: str = "\n"
    encoding: str = "utf-8"
    compression: str = ""

    def write(self, table: pd.DataFrame, path: Path) -> Path:
        """Write the cells as they are; the name of the file says nothing about it, except of a compression."""
        lines = [list(table.columns), *table.to_numpy(dtype=object).tolist()]
        text = "".join(self.separator.join(map(self._cell, line)) + self.line_end for line in lines)
        named = path.with_name(f"{path.name}.{self.compression}") if self.compression else path
        named.write_bytes(compress(text.encode(self.encoding), self.compression))
        return named

    def _cell(self, text: str) -> str:
        if self.quote_all or any(sign in text for sign in (self.separator, '"', "\r", "\n")):
            return '"' + text.replace('"', '""') + '"'
        return text


PLAIN = Dialect()


def compress(content: bytes, compression: str) -> bytes:
    """The bytes in one of the compressions that a table's file may have."""
    if compression == "gz":
        return gzip.compress(content)
    if compression == "bz2":
        return bz2.compress(content)
    if compression == "xz":
        return lzma.compress(content)
    if compression == "zst":
        return bytes(pa.compress(content, codec="zstd", asbytes=True))
    return content


@dataclass(frozen=True)
class Notation:
    """How a number stands in a cell."""

    decimal: str = "."
    thousands: str = ""
    percent: bool = False
    currency: str = ""  # what stands before the digits, such as "$", or behind them, such as " EUR"

    def text(self, number: Decimal) -> str:
        """The number in this notation; percent of 0.41 is 41%."""
        plain = f"{abs(number) * (100 if self.percent else 1):f}"
        whole, point, fraction = plain.partition(".")
        if self.percent and point:
            fraction = fraction.rstrip("0")
        grouped = f"{int(whole):,}".replace(",", self.thousands) if self.thousands else whole
        digits = grouped + (self.decimal + fraction if fraction else "") + ("%" if self.percent else "")
        sign = "-" if number < 0 else ""
        return sign + (digits + self.currency if self.currency.startswith(" ") else self.currency + digits)


class Prepared:
    """What `lockgate prepare` wrote in a folder."""

    def __init__(self, folder: Path) -> None:
        self.schema = Schema.read((folder / "data/schema.json").read_bytes(), "schema.json")
        self.train, self.test, self.current = (
            pd.read_parquet(folder / f"data/{name}.parquet") for name in ("train", "test", "current")
        )

    @property
    def rows(self) -> pd.DataFrame:
        """All labelled rows, in the order of their keys."""
        return pd.concat([self.train, self.test]).sort_values("row_key", ignore_index=True)

    @property
    def features(self) -> dict[str, Feature]:
        """The features by name."""
        return {feature.name: feature for feature in self.schema.features}

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each feature."""
        return {name: feature.kind for name, feature in self.features.items()}

    def column(self, name: str) -> SourceColumn:
        """What was made of a column of the source."""
        return next(column for column in self.schema.columns if column.name == name)

    def markers(self, name: str) -> dict[str, int]:
        """The texts of a column that mean missing, and how many cells hold each."""
        return {marker.text: marker.count for marker in self.column(name).markers}


def prepare(folder: Path, **settings: Any) -> Prepared:
    """Run `lockgate prepare` on loans.csv, or whatever the settings say, and read what it wrote."""
    write_params(folder, {"prepare": {**SETTINGS, **settings}})
    succeed(invoke(folder, "prepare"))
    return Prepared(folder)


def prepare_table(folder: Path, table: pd.DataFrame, dialect: Dialect = PLAIN, **settings: Any) -> Prepared:
    """Write the table in a dialect and prepare it."""
    return prepare(folder, source=dialect.write(table, folder / "loans.csv").name, **settings)


def values(column: pd.Series) -> list[float | str | None]:
    """Cells of a prepared column as Python's values, None for missing."""
    return [None if pd.isna(value) else value for value in column]
