"""Files that are no files, hashes that fit content of the wrong type, names that no system takes: refused with one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockgate.config.errors import InputError
from lockgate.config.files import read_json
from lockgate.data.schema import Feature, Schema, read_schema
from lockgate.model.bundle import REQUIRED_FILES, verify_bundle

NO_FILES: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a pipe that nobody writes to": os.mkfifo,
    "a device that never ends": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "manifest.json"
    NO_FILES[kind](path)
    with pytest.raises(InputError, match=r"manifest\.json (is a folder or a device|cannot be read).*; mend it"):
        read_json(path, "mend it")


@pytest.mark.parametrize("name", ["a" * 5000, "../other", "a/b", "a\0b", "", "."])
def test_names_that_no_bundle_has_are_not_looked_up(tmp_path: Path, name: str) -> None:
    files = dict.fromkeys([*REQUIRED_FILES, name], "0" * 64)
    manifest = {"schema": 1, "files": files, "training_data": "0" * 64, "params": "0" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="is not a bundle's manifest"):
        verify_bundle(tmp_path)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is a list": ({"name": [1]}, "feature 1 has no name"),
    "a name twice": ({"name": "b"}, "two features have the same name"),
    "no such kind": ({"kind": "date"}, "feature `a` is neither"),
    "a number for a truth value": ({"nullable": 1}, "feature `a` does not say"),
    "categories that are numbers": ({"categories": [1]}, "feature `a` has categories"),
    "a category twice": ({"categories": ["x", "x"]}, "feature `a` has categories"),
    "a bound beyond all floats": ({"minimum": 10**400}, "feature `a` has a bound"),
    "a bound that is not a number": ({"maximum": float("nan")}, "feature `a` has a bound"),
}
WHOLE: dict[str, tuple[dict[str, Any], str]] = {
    "a target that is a number": ({"target": 5}, "a column's name is no text"),
    "a decision that is a list": ({"decision": []}, "the decision is not an object"),
}


@pytest.mark.parametrize("case", [*WRONG, *WHOLE])
def test_a_schema_of_wrong_types_is_refused(tmp_path: Path, case: str) -> None:
    names = ("a", "b")
    features = tuple(Feature(name, "numeric", False, True, (), None, None, name) for name in names)
    document = json.loads(Schema("y", "1", features, (), (), None, None, ()).to_bytes())
    change, problem = {**WRONG, **WHOLE}[case]
    (document["features"][0] if case in WRONG else document).update(change)
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=f"does not hold a schema: {problem}"):
        read_schema(path)
