"""Names that `prepare` takes can be trained on, served over HTTP and watched in /metrics, whatever letters they are of."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import Server
from support import invoke, sample, succeed, write_params

from lockgate.config.errors import InputError
from lockgate.data.names import check_names

PUNCTUATION = "!#$%&'()*+,-./:;=>?@^_`{|}~\\\"[]<"
FIXED = [
    "f0",
    "rows",
    "__class__",
    "model_config",
    "null",
    "1",
    "-1e5",
    "{{ x }}",
    "a, b=c",
    "`tick`",
    "it's",
    "+Inf",
    "#",
]


def random_texts(seed: int, count: int, letters: str) -> Iterator[str]:
    dice = random.Random(seed)  # noqa: S311
    for _ in range(count):
        yield "".join(dice.choice(letters) for _ in range(dice.randint(1, 8)))


def usable(names: Iterator[str]) -> list[str]:
    """Those that `prepare` takes, all together."""
    found: list[str] = []
    for name in names:
        try:
            check_names([*found, name], "")
        except InputError:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("kind", sample(["xgboost", "lightgbm"], 1))
def test_what_prepare_takes_can_be_trained_served_and_watched(tmp_path: Path, kind: str) -> None:
    every_letter = "".join(chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000)
    names = usable(iter([*FIXED, *random_texts(1, 40, PUNCTUATION), *random_texts(2, 200, every_letter)]))
    assert len(names) > 60
    categories = ["a\\b", 'c"d', "e\nf", "\u202eg", "<h>", "i\x01j", *random_texts(3, 20, every_letter)]
    dice, rows = np.random.default_rng(4), 1500
    table = pd.DataFrame({name: dice.normal(size=rows).round(2) for name in names})
    table["which one?"] = dice.choice(categories, rows)
    odds = 2 * table[names[0]] + (table["which one?"] == categories[0]) - 0.5
    table["default"] = (dice.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    table.to_parquet(tmp_path / "odd.parquet")
    write_params(
        tmp_path,
        {
            "prepare": {"source": "odd.parquet"},
            "train": {"model": kind, "num_boost_round": 10},
            "evaluate": {"floors": {"roc_auc": 0.6}, "ceilings": {}},
        },
    )
    for command in ("prepare", "train", "evaluate", "gate"):
        succeed(invoke(tmp_path, command))
    bundle = {name: json.loads((tmp_path / f"models/{name}.json").read_text()) for name in ("schema", "golden")}
    assert [feature["name"] for feature in bundle["schema"]["features"]] == [*names, "which one?"]
    server = Server(tmp_path, (), tmp_path / "server.log")
    try:
        row: dict[str, Any] = dict.fromkeys(names, 0.5) | {"which one?": categories[0]}
        status, _, answer = server.ask("POST", "/predict", json.dumps(row).encode())
        assert status == 200, answer
        assert 0 < json.loads(answer)["probability"] < 1
        if kind == "xgboost":
            status, _, explained = server.ask("POST", "/explain", json.dumps(row).encode())
            assert (status, set(json.loads(explained)["contributions"])) == (200, set(row))
        labels = {
            (sample.labels["feature"], sample.labels["bin"]): sample.value
            for family in text_string_to_metric_families(server.ask("GET", "/metrics")[2].decode())
            for sample in family.samples
            if sample.name == "lockgate_feature_bin_rows_total"
        }
    finally:
        server.kill()
    assert {feature for feature, _ in labels} >= set(row)
    assert labels["which one?", categories[0]] == 1
    assert {label for feature, label in labels if feature == "which one?"} >= set(categories)
    assert all(sum(value for (one, _), value in labels.items() if one == name) == 1 for name in names)
