"""What a stranger's JSON has to be before it is shown, held against the files that the pipeline really writes."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import edit_params, invoke, succeed

from lockgate.config.errors import InputError
from lockgate.documents.curves_json import CURVES, read_curves
from lockgate.documents.gate_json import GateResult
from lockgate.documents.manifest_json import Manifest
from lockgate.documents.metrics_json import read_metrics
from lockgate.documents.policy_json import PolicyDifference
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import TrainingReport

READERS: dict[str, Callable[[bytes], object]] = {
    "gate.json": lambda content: GateResult.read(content, "gate.json"),
    "metrics.json": lambda content: read_metrics(content, "metrics.json"),
    "train.json": lambda content: TrainingReport.read(content, "train.json"),
    "schema.json": lambda content: Schema.read(content, "schema.json"),
    "manifest.json": lambda content: Manifest.read(content, "manifest.json"),
    "policy.json": lambda content: PolicyDifference.read(content, "policy.json"),
    **{f"plots/{name}.json": lambda content, name=name: read_curves({name: content}) for name in CURVES},
}


@pytest.mark.parametrize("form", ["", '"schema": 2, ', '"schema": null, '])
def test_metrics_of_another_form_are_made_anew(form: str) -> None:
    with pytest.raises(InputError, match=r"has `schema` .*reads 1; run `lockgate evaluate` again"):
        read_metrics(f'{{{form}"roc_auc": 0.7}}'.encode(), "metrics.json")


@pytest.fixture(scope="module")
def real(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Each document as several runs wrote it: passed, with slices and a champion, blocked, of a foreign table."""
    folder = shutil.copytree(trained_project, tmp_path_factory.mktemp("documents") / "project")
    shutil.copy(folder / "reports/predictions.parquet", folder / "champion.parquet")
    succeed(invoke(folder, "drift"))
    found: dict[str, list[bytes]] = {name: [] for name in READERS}
    found["policy.json"].append(_policy().to_bytes())
    edit_params(folder, evaluate={"slices": ["sex", "age_band"], "floors": {"roc_auc": 0.99, "pr_auc": 0.1}})
    runs = [
        ("gate", "--first-model"),
        ("gate", "--champion", "champion.parquet"),
        ("gate", "--predictions", "champion.parquet", "--first-model"),
        ("drift", "--current", "few.parquet"),
    ]
    _few_rows(folder)
    for command in runs:
        result = invoke(folder, *command)
        assert result.exit_code in {0, 3}, result.output
        for name in READERS:
            path = folder / ("models" if name in {"schema.json", "manifest.json"} else "reports") / name
            if path.is_file() and path.read_bytes() not in found[name]:
                found[name].append(path.read_bytes())
    return found


def _policy() -> PolicyDifference:
    from lockgate.config.params import Evaluate, Gate
    from lockgate.gate.policy import PolicySettings, policy_difference

    base = PolicySettings(Evaluate(), Gate(), {"train": {"max_depth": 4}})
    head = PolicySettings(Evaluate(floors={"roc_auc": 0.5}, slices=["region"]), Gate(), {"train": {"max_depth": 6}})
    return policy_difference(base, head, base)


def _few_rows(folder: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(folder / "data/current.parquet")
    table.head(50).to_parquet(folder / "few.parquet")


@pytest.mark.parametrize("name", READERS)
def test_what_the_pipeline_writes_fits(real: dict[str, list[bytes]], name: str) -> None:
    assert real[name]
    for content in real[name]:
        READERS[name](content)


def test_several_verdicts_were_among_them(real: dict[str, list[bytes]]) -> None:
    gates = [json.loads(content) for content in real["gate.json"]]
    assert any(gate["slices"] for gate in gates)
    assert any(gate["champion"] for gate in gates)
    assert any(gate["predictions"] for gate in gates)


def _broken(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(place, what is put there): an unknown key in every object, and a value of a type that nothing has."""
    if isinstance(value, dict):
        yield (*path, "unheard-of"), {"a": [1]}
        for key, inner in value.items():
            yield from _broken(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from _broken(inner, (*path, index))
    if path:
        yield path, {"a": [1]}


@pytest.mark.parametrize("name", READERS)
def test_nothing_else_fits(real: dict[str, list[bytes]], name: str) -> None:
    document = json.loads(real[name][-1])
    free = {("train.json", "params"), ("policy.json", "base"), ("policy.json", "head"), ("policy.json", "used")}
    free |= {("manifest.json", "params"), ("manifest.json", "prepare")}
    tried = 0
    for path, wrong in _broken(document):
        if any((name, part) in free for part in path):
            continue
        changed = copy.deepcopy(document)
        inner = changed
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = wrong
        with pytest.raises(InputError, match=r"has an unknown key|is not as it must be|lacks the key"):
            READERS[name](json.dumps(changed).encode())
        tried += 1
    assert tried >= 3
