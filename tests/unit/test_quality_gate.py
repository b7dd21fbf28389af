"""What the action quality-gate decides: whether this is the first model, and where the champion is from."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lockgate.ci.base import Base
from lockgate.ci.quality_gate import (
    Champion,
    Change,
    champion_of,
    documents_of,
    params_at,
    require_consistent,
)
from lockgate.config.errors import InputError

FIRST = Base(None, "this push makes the default branch")
UNKNOWN = Base(None, "no event says what came before", is_known=False)
CHANGE = Change(Base("abc", "it was given"), None, None, None, "auto")
TABLE = Path("scores.csv")
OLD = Path("old.csv")


@pytest.mark.parametrize(
    ("change", "base_has_params", "champion"),
    [
        (CHANGE, True, Champion(scored=True)),
        (CHANGE, False, Champion(first_model=True)),
        (replace(CHANGE, first_model="false"), False, Champion(scored=True)),
        (replace(CHANGE, first_model="true"), True, Champion(first_model=True)),
        (replace(CHANGE, base=UNKNOWN), False, Champion(scored=True)),
        (replace(CHANGE, base=FIRST), False, Champion(first_model=True)),
        (replace(CHANGE, base=FIRST, first_model="false"), False, Champion(scored=True)),
        (replace(CHANGE, champion_predictions=OLD), True, Champion(predictions=OLD)),
        (replace(CHANGE, predictions=TABLE, champion_predictions=OLD), True, Champion(predictions=OLD)),
        (replace(CHANGE, predictions=TABLE), True, Champion()),
        (replace(CHANGE, predictions=TABLE, champion_predictions=OLD), False, Champion(first_model=True)),
    ],
)
def test_the_champion(change: Change, base_has_params: bool, champion: Champion) -> None:
    assert champion_of(change, base_has_params) == champion


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace(CHANGE, champion="file"), "`champion: file` needs the input `champion-predictions`"),
        (replace(CHANGE, champion="base", predictions=TABLE), "a table of predictions has no base commit's model"),
    ],
)
def test_inputs_that_contradict_each_other_are_refused(change: Change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        require_consistent(change)
    require_consistent(replace(CHANGE, champion="file", champion_predictions=OLD))


def test_the_report_of_a_table_has_no_file_of_a_pipeline(tmp_path: Path) -> None:
    for name in (
        "reports/gate.json",
        "reports/drift.json",
        "reports/plots/roc.json",
        "reports/own.json",
        "models/schema.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folders = tmp_path / "reports", tmp_path / "models"
    assert set(documents_of(CHANGE, *folders)) == {"gate.json", "drift.json", "schema.json", "plots/roc.json"}
    assert set(documents_of(replace(CHANGE, predictions=TABLE), *folders)) == {"gate.json", "plots/roc.json"}


def test_the_base_commits_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "nested"
    project.mkdir()
    monkeypatch.chdir(project)

    def commit() -> None:
        subprocess.run(["git", "add", "--all"], check=True)
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)

    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    commit()
    (project / "params.yaml").write_text("gate: {}\n")
    commit()
    assert params_at("HEAD") == b"gate: {}\n"
    assert params_at("HEAD^") is None
