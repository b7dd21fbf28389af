"""What tests of commands share: running them, editing params.yaml, and asserting refusals."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from lockgate.cli.main import main

T = TypeVar("T")

# Whether the large corpora are tried whole: LOCKGATE_TESTS, as scripts/test reads it.
FULL = os.environ.get("LOCKGATE_TESTS") == "full"

# As PYTHONPATH of a process: it has no Evidently, as no test in this process has that is not marked `evidently`.
WITHOUT_EVIDENTLY = str(Path(__file__).with_name("without_evidently"))

# Little data and a quick model, for tests that are about the flow.
SMALL: dict[str, Any] = {
    "prepare": {"rows": 4000, "current_rows": 1500},
    "train": {"num_boost_round": 80, "early_stopping_rounds": 20, "learning_rate": 0.1, "max_depth": 3},
}


def invoke(folder: Path, *arguments: str) -> Result:
    """Run `lockgate` with `arguments` in `folder`.

    MLflow puts the database that it is given into the environment, where the next command would find it.
    """
    with chdir(folder), patch.dict(os.environ):
        return CliRunner().invoke(main, list(arguments))


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Write `params.yaml` into `folder`."""
    with (folder / "params.yaml").open("w") as stream:
        YAML().dump(params, stream)


def edit_params(folder: Path, **sections: dict[str, Any]) -> None:
    """Change keys of `params.yaml` in `folder`, section by section."""
    params = YAML(typ="safe").load(folder / "params.yaml")
    for section, values in sections.items():
        params.setdefault(section, {}).update(values)
    write_params(folder, params)


def succeed(result: Result) -> Result:
    """The result, if the command ended with 0; otherwise the test fails with what it printed."""
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result


def require(*programs: str) -> None:
    """Fail where a program is not on PATH: what Debian packages is installed before the tests, never by them."""
    absent = [program for program in programs if shutil.which(program) is None]
    assert not absent, f"not installed: {', '.join(absent)}; scripts/test installs them before it runs the tests"


def sample(cases: Iterable[T], quick: int) -> list[T]:
    """All cases of a large corpus in a full run; otherwise `quick` of them, the same each time and in every worker."""
    every = list(cases)
    return every if FULL or len(every) <= quick else random.Random(7).sample(every, quick)  # noqa: S311


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_refused(result: Result, *words: str, code: int = 2) -> None:
    """The command ended with `code` and one line on stderr that has all `words`."""
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1, result.stderr
    assert result.stderr.rstrip().endswith(lines[0])
    for word in words:
        assert word in lines[0], f"{word!r} is not in: {lines[0]}"


def assert_shown(line: str) -> None:
    """The line is no command to a runner (actions/runner, ActionCommand.cs), and has none for a terminal."""
    assert not line.lstrip().startswith("::")
    assert "##[" not in line
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]", line)
