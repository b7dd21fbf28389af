"""Files that are no files, hashes that fit content of the wrong type, names that no system takes: refused with one line."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockgate.config.errors import InputError
from lockgate.config.files import read_json
from lockgate.documents.schema_json import (
    AuditColumn,
    DecisionRule,
    Feature,
    MarkerCount,
    Reading,
    Schema,
    SourceColumn,
    TargetClasses,
)
from lockgate.model.bundle import REQUIRED_FILES, verify_bundle

NO_FILES: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a pipe that nobody writes to": os.mkfifo,
    "a device that never ends": lambda path: path.symlink_to("/dev/zero"),
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "manifest.json"
    NO_FILES[kind](path)
    with pytest.raises(
        InputError,
        match=r"manifest\.json cannot be read \((it is a folder, a pipe or a device|Too many levels|No such device).*; fix it",
    ):
        read_json(path, "fix it")


@pytest.mark.parametrize("name", ["a" * 5000, "../other", "a/b", "a\0b", "", "."])
def test_names_that_no_bundle_has_are_not_looked_up(tmp_path: Path, name: str) -> None:
    files = dict.fromkeys([*REQUIRED_FILES, name], "0" * 64)
    manifest = {"schema": 2, "files": files, "training_data": "0" * 64, "origin": None, "params": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json is not as it must be at `key` in `\$\.files`"):
        verify_bundle(tmp_path)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is a list": ({"name": [1]}, r"features\[0\].name`: expected `str`"),
    "a name twice": ({"name": "b"}, "two features have the same name, `b`"),
    "no such kind": ({"kind": "date"}, r"features\[0\].kind`: invalid enum value"),
    "a number for a truth value": ({"nullable": 1}, r"features\[0\].nullable`: expected `bool`"),
    "categories that are numbers": ({"categories": [1]}, r"features\[0\].categories\[0\]`: expected `str`"),
    "a category twice": ({"categories": ["x", "x"]}, "feature `a` has the category `x` twice"),
    "a bound beyond all floats": ({"minimum": 10**400}, "endless number"),
    "a bound that is not a number": ({"maximum": float("nan")}, "NaN or Infinity"),
    "a key that no feature has": (
        {"minimun": 0},
        r"unknown key `minimun` at `\$.features\[0\]`; did you mean `minimum`",
    ),
}
WHOLE: dict[str, tuple[dict[str, Any], str]] = {
    "a target that is a number": ({"target": 5}, r"\$.target`: expected `str`"),
    "a decision that is a list": ({"decision": []}, r"\$.decision`: expected `object"),
    "a threshold that is no share": ({"decision": {"threshold": 2.0, "favourable": "above"}}, "decision.threshold"),
}


@pytest.mark.parametrize("case", [*WRONG, *WHOLE])
def test_a_schema_of_wrong_types_is_refused(tmp_path: Path, case: str) -> None:
    features = tuple(Feature(name, "numeric", False, True, (), None, None, name) for name in ("a", "b"))
    made = Schema(
        target="y",
        classes=TargetClasses(("1",), ("0",)),
        features=features,
        audit=(),
        id_columns=(),
        time_column=None,
        weight_column=None,
        columns=(),
    )
    document = json.loads(made.to_bytes())
    change, problem = {**WRONG, **WHOLE}[case]
    (document["features"][0] if case in WRONG else document).update(change)
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=problem) as refusal:
        Schema.read_file(path)
    assert str(refusal.value).startswith(f"{path} ")
    assert str(refusal.value).endswith("run `lockgate prepare` (or `dvc repro`) to make it")


def test_a_schema_is_the_same_after_its_file(tmp_path: Path) -> None:
    features = (
        Feature("grade", "categorical", False, True, ("a", "b"), None, None, "the grade"),
        Feature("age", "numeric", True, False, (), 18.0, None, "the age"),
    )
    made = Schema(
        target="y",
        classes=TargetClasses(("1",), ("0",)),
        features=features,
        audit=(AuditColumn("sex", "categorical"),),
        id_columns=("id",),
        time_column="day",
        weight_column=None,
        columns=(
            SourceColumn(
                name="grade",
                source_name="Grade of the loan",
                role="feature",
                why="declared",
                reading=Reading("categorical", missing=("?",)),
                missing=3,
                markers=(MarkerCount("", 2), MarkerCount("?", 1)),
                distinct=2,
                changed=(),
            ),
            SourceColumn("empty", "empty", "dropped", "inferred", None, 9, (), 0, (), "every value is missing"),
        ),
        decision=DecisionRule(0.25, "below"),
    )
    (tmp_path / "schema.json").write_bytes(made.to_bytes())
    assert Schema.read_file(tmp_path / "schema.json") == made
