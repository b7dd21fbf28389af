"""Files, requests and the decision log are read by one schema: a row has the same score, to the bit, wherever it stands."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from serving import Client, Server
from support import FULL, invoke, succeed, write_params

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.columns import read_column
from lockgate.data.dataset import conform_current, conform_features
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import read_source_table
from lockgate.documents.schema_json import Schema
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.model.scoring import score_bundle
from lockgate.service.api.errors import Refusal
from lockgate.service.bundle import read_bundle
from lockgate.service.decision_log import Decided, write_decisions
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

ROWS = 10_000 if FULL else 600
BATCH = 200
TEXTS = [
    "own",
    " own",
    "own ",
    "OWN",
    "01",
    "1",
    "1.0",
    "NA",
    "None",
    "-",
    "a,b",
    'say "no"',
    "two\nlines",
    "tab\there",
]
TEXTS += ["\u00fcber", "u\u0308ber", "\u202eleft", "=1+1", "'", "null", "0x10", "1e3", "\U0001f600", "a\\b"]
UNKNOWN = ["owned", "  own", "001", "2", "\u200bown"]  # in no training row
FLAGS = ["True", "False", "Unknown"]
MARKERS = ["", " ", "NA", "n/a", "?", "-", "#N/A", "NULL"]  # for a missing number in a file of texts


def training_table(rows: int, seed: int) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "amount": np.where(dice.random(rows) < 0.1, np.nan, dice.lognormal(8, 2, rows)),
            "ratio": np.where(dice.random(rows) < 0.1, np.nan, dice.normal(size=rows)),
            "count": dice.integers(0, 50, rows),
            "text": dice.choice(TEXTS, rows),
            "flag": dice.choice(FLAGS, rows),
            "home": dice.choice(["own", "rent"], rows),
        }
    )
    for name in ("text", "home"):
        table.loc[dice.random(rows) < 0.1, name] = None
    odds = 2 * table["ratio"].fillna(1.0) + table["text"].isin(TEXTS[:6]) + (table["flag"] == "True") - 1.5
    table["default"] = (dice.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return table


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project whose categories are texts of every kind."""
    folder = tmp_path_factory.mktemp("one-reader")
    training_table(3000, 1).to_parquet(folder / "odd.parquet")
    kinds = {"text": "categorical", "flag": "categorical"}
    write_params(folder, {"prepare": {"source": "odd.parquet", "kinds": kinds}, "train": {"num_boost_round": 60}})
    for command in ("prepare", "train"):
        succeed(invoke(folder, command))
    return folder


@pytest.fixture(scope="module")
def bundle(project: Path) -> Bundle:
    """Its bundle."""
    return verify_bundle(project / "models")


Value = float | int | str | None


def generated_rows(rows: int, seed: int) -> Iterator[dict[str, Value]]:
    dice = random.Random(seed)  # noqa: S311
    for _ in range(rows):
        yield {
            "amount": dice.choice([None, 0.1, 1e-300, 3e38, dice.lognormvariate(8, 2), float(dice.randint(0, 10**6))]),
            "ratio": dice.choice([None, -0.0, -1e-7, 1 / 3, dice.gauss(0, 1), dice.gauss(0, 1)]),
            "count": dice.randint(0, 60),
            "text": dice.choice([None, *UNKNOWN, *TEXTS, *TEXTS, *TEXTS]),
            "flag": dice.choice(FLAGS),
            "home": dice.choice(["own", "rent", "own", "rent", None, "NA", ""]),
        }


def written_number(value: Value, dice: random.Random) -> str:
    """A number as one of the texts that stand for it."""
    if value is None:
        return dice.choice(MARKERS)
    return dice.choice([repr(value), f" {value!r}", f"{value!r} ", f"{value!r}".replace("e", "E")])


def write_csv(rows: list[dict[str, Value]], path: Path) -> None:
    dice = random.Random(3)  # noqa: S311
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(rows[0])
        for row in rows:
            numbers = [written_number(row[name], dice) for name in ("amount", "ratio", "count")]
            writer.writerow([*numbers, *(row[name] or "" for name in ("text", "flag", "home"))])


def file_scores(location: Path, bundle: Bundle) -> NDArray[np.float64]:
    """The scores of a file's rows, in its order."""
    source = read_source_table(str(location), "--current", Read())
    readings = {name: bundle.schema.reading_of(name) for name in bundle.schema.feature_names}
    return score_bundle(bundle, conform_features(source, bundle.schema.features, readings))


def test_a_row_has_one_score_from_csv_from_parquet_over_http_and_from_the_decision_log(
    project: Path, bundle: Bundle, tmp_path: Path
) -> None:
    rows = list(generated_rows(ROWS, 2))
    write_csv(rows, tmp_path / "rows.csv")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    log = tmp_path / "decisions"
    options = ("--allow-ungated", "--unseen-categories", "missing", "--decision-log", str(log), "--drain-seconds", "0")
    server = Server(project, options, tmp_path / "server.log")
    served: list[float] = []
    try:
        for start in range(0, len(rows), BATCH):
            body = json.dumps({"rows": rows[start : start + BATCH]}).encode()
            status, _, answer = server.ask("POST", "/predict/batch", body)
            assert status == 200, answer
            served += [one["probability"] for one in json.loads(answer)["rows"]]
        server.terminate()
        assert server.process.wait(timeout=60) == 0
    finally:
        server.kill()
    assert len(set(served)) > 50
    assert file_scores(tmp_path / "rows.csv", bundle).tolist() == served
    assert file_scores(tmp_path / "rows.parquet", bundle).tolist() == served
    logged = read_source_table(str(log), "--current", Read()).cells("lockgate_score").to_pylist()
    assert sorted(logged) == sorted(served)
    assert file_scores(log, bundle).tolist() == logged


def test_in_the_decision_log_no_text_and_no_number_means_missing(bundle: Bundle, tmp_path: Path) -> None:
    """A file may write NA for a home that nobody knows; whoever sends NA is told that no such home is known."""
    columns = [one.name for one in bundle.schema.features]
    sent = [{**dict.fromkeys(columns), "count": -1.0, "home": home} for home in ("own", "NA", "", None)]
    rows = [tuple(row.values()) for row in sent]
    decided = Decided("id", 0.0, rows, [0.1] * len(rows), ["favourable"] * len(rows), [()] * len(rows))
    write_decisions([decided], bundle.schema, "digest", tmp_path / "log.parquet")
    pq.write_table(pa.Table.from_pylist(sent), tmp_path / "file.parquet")
    schema = msgspec.structs.replace(
        bundle.schema,
        columns=tuple(
            msgspec.structs.replace(
                one, reading=msgspec.structs.replace(one.reading, missing=(*one.reading.missing, "-1"))
            )
            if one.reading
            else one
            for one in bundle.schema.columns
        ),
    )
    log, file = (
        conform_current(read_source_table(str(tmp_path / name), "--current", Read()), schema).sort_values("home")
        for name in ("log.parquet", "file.parquet")
    )
    assert log["home"].dropna().tolist() == ["", "NA", "own"]
    assert log["count"].tolist() == [-1.0] * 4
    assert file["home"].dropna().tolist() == ["own"]
    assert file["count"].isna().all()


UNSEEN = "unseen"
REFUSED = "refused"


@dataclass(frozen=True)
class Case:
    """What stands for a value of a feature in a CSV and in a request, and what each is read as: JSON is typed, a CSV is not."""

    feature: str
    cell: str | None  # None where a CSV cannot say it
    literal: str | None  # None where JSON cannot
    in_file: Value
    in_request: Value


CASES = [
    Case("amount", "12.5", "12.5", 12.5, 12.5),
    Case("amount", "-0.0", "-0.0", 0.0, 0.0),
    Case("amount", "1e3", "1e3", 1000.0, 1000.0),
    Case("amount", "+12.5", None, 12.5, None),
    Case("amount", " 12.5 ", " 12.5 ", 12.5, 12.5),
    Case("amount", "12.5", '"12.5"', 12.5, REFUSED),
    Case("amount", "", "null", None, None),
    Case("amount", "NA", '"NA"', None, REFUSED),
    Case("amount", "?", '"?"', None, REFUSED),
    Case("amount", "NaN", "NaN", None, REFUSED),
    Case("amount", "inf", "Infinity", REFUSED, REFUSED),
    Case("amount", "1e39", "1e39", REFUSED, REFUSED),
    Case("amount", "True", "true", REFUSED, REFUSED),
    Case("amount", "12.5 EUR", '"12.5 EUR"', REFUSED, REFUSED),
    Case("count", "24", "24", 24.0, 24.0),
    Case("count", "24.0", "24.0", 24.0, 24.0),
    Case("text", "own", '"own"', "own", "own"),
    Case("text", " own", '" own"', " own", " own"),
    Case("text", "  own", '"  own"', UNSEEN, UNSEEN),
    Case("text", "01", '"01"', "01", "01"),
    Case("text", "001", '"001"', UNSEEN, UNSEEN),
    Case("text", "1", "1", "1", REFUSED),
    Case("text", "", "null", None, None),
    Case("text", "", '""', None, UNSEEN),
    Case("text", "NA", '"NA"', "NA", "NA"),
    Case("text", "None", '"None"', "None", "None"),
    Case("text", '"say ""no"""', '"say \\"no\\""', 'say "no"', 'say "no"'),
    Case("flag", "True", '"True"', "True", "True"),
    Case("flag", "true", '"true"', UNSEEN, UNSEEN),
    Case("flag", "True", "true", "True", REFUSED),
    Case("home", "NA", '"NA"', None, UNSEEN),
]


@pytest.fixture(scope="module")
def client(project: Path) -> Client:
    """The service, which takes unseen categories as missing."""
    return Client(Worker(read_bundle(project / "models"), "pass", Settings(unseen_categories="missing")))


@pytest.mark.parametrize(
    "case", [one for one in CASES if one.cell is not None], ids=lambda one: f"{one.feature} {one.cell!r}"
)
def test_what_a_cell_of_a_file_is_read_as(case: Case, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(f"{case.feature},other\n{case.cell},1\n")
    source = read_source_table(str(tmp_path / "one.csv"), "--current", Read())
    assert found_in_file(case.feature, source, bundle.schema) == case.in_file


def found_in_file(name: str, source: SourceTable, schema: Schema) -> Value:
    (feature,) = [one for one in schema.features if one.name == name]
    try:
        read = read_column(name, source.cells(name), schema.reading_of(name), source, feature.categories)
    except InputError:
        return REFUSED
    (value,) = read.values.to_pylist()
    return UNSEEN if isinstance(value, str) and value not in feature.categories else value


@pytest.mark.parametrize(
    "case", [one for one in CASES if one.literal is not None], ids=lambda one: f"{one.feature} {one.literal}"
)
def test_what_a_value_of_a_request_is_read_as(case: Case, client: Client) -> None:
    names = client.worker.state.predictor.bundle.schema.feature_names
    row = {
        "amount": "1.5",
        "ratio": "0.5",
        "count": "3",
        "text": '"own"',
        "flag": '"True"',
        "home": '"own"',
        case.feature: case.literal,
    }
    body = "{" + ",".join(f'"{name}":{row[name]}' for name in names) + "}"
    try:
        values, _, encoded = client.worker.state.predictor.read_row(body.encode())
    except Refusal:
        found: Value = REFUSED
        assert client.ask("/predict", body.encode()).status in (400, 422)
    else:
        found = UNSEEN if encoded.unseen else values[names.index(case.feature)]
        assert client.ask("/predict", body.encode()).status == 200
    assert found == case.in_request
