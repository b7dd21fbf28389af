"""What a stranger's JSON has to be before it is shown, held against the files that the pipeline really writes."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support import edit_params, invoke, succeed

from lockgate.config.errors import InputError
from lockgate.documents.schemas import DEEPEST, DOCUMENTS, parse_document

SCHEMAS = Path(__file__).parents[2] / "lockgate/documents/schemas"


@pytest.fixture(scope="module")
def real(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Each document as several runs wrote it: passed, with slices and a champion, blocked, of a foreign table."""
    folder = shutil.copytree(trained_project, tmp_path_factory.mktemp("documents") / "project")
    shutil.copy(folder / "reports/predictions.parquet", folder / "champion.parquet")
    succeed(invoke(folder, "drift"))
    found: dict[str, list[bytes]] = {name: [] for name in DOCUMENTS}
    found["policy.json"].append(json.dumps(_policy()).encode())
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
        for name in DOCUMENTS:
            path = folder / ("models" if name in {"schema.json", "manifest.json"} else "reports") / name
            if path.is_file() and path.read_bytes() not in found[name]:
                found[name].append(path.read_bytes())
    return found


def _policy() -> dict[str, Any]:
    from lockgate.config.params import Evaluate, Gate
    from lockgate.gate.policy import Side, policy_difference

    base = Side(Evaluate(), Gate(), {"train": {"max_depth": 4}})
    head = Side(Evaluate(floors={"roc_auc": 0.5}, slices=["region"]), Gate(), {"train": {"max_depth": 6}})
    return policy_difference(base, head, base)


def _few_rows(folder: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(folder / "data/current.parquet")
    table.head(50).to_parquet(folder / "few.parquet")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_the_pipeline_writes_fits(real: dict[str, list[bytes]], name: str) -> None:
    assert real[name]
    for content in real[name]:
        parse_document(name, content)


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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_else_fits(real: dict[str, list[bytes]], name: str) -> None:
    document = json.loads(real[name][-1])
    free = {("train.json", "params"), ("policy.json", "base"), ("policy.json", "head"), ("policy.json", "used")}
    tried = 0
    for path, wrong in _broken(document):
        if any((name, part) in free for part in path):
            continue
        changed = copy.deepcopy(document)
        inner = changed
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = wrong
        with pytest.raises(InputError, match="does not fit its schema"):
            parse_document(name, json.dumps(changed).encode())
        tried += 1
    assert tried >= 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"roc_auc": NaN}', "a number that is none"),
        (b'{"roc_auc": -Infinity}', "a number that is none"),
        (b'{"roc_auc": 1, "roc_auc": 0}', "a key twice"),
        (b'{"roc_auc": ' + b"9" * 5000 + b"}", "an endless number"),
        (b'{"roc_auc": ' + b"9" * 41 + b"}", "an endless number"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2), "levels deep"),
        (b'{"a": ' * 200 + b"1" + b"}" * 200, "levels deep"),
        (b"[]", "does not fit"),
        (b'{"<script>": 1}', "does not fit"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_hostile_json_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_document("metrics.json", content)
    assert len(str(caught.value)) < 400
    assert "<script>" not in str(caught.value)


def test_a_verdict_of_another_word_is_refused(real: dict[str, list[bytes]]) -> None:
    gate = json.loads(real["gate.json"][0])
    with pytest.raises(InputError, match="verdict breaks the rule 'enum'"):
        parse_document("gate.json", json.dumps({**gate, "verdict": "passed\n## hello"}).encode())


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_the_schemas_are_schemas(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text()))
