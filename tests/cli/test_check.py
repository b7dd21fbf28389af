"""`lockgate check`: a line for each thing of a project that is not in order, and none where all is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support import SMALL, edit_params, invoke, succeed, write_params

from lockgate.config.results_number import RESULTS
from lockgate.dvc.reproduce import make_repository
from lockgate.dvc.stages import fit_stages, kit_stages, read_needs

# What `dvc repro` would have written: the hashes of what stages make are whatever they are, as long as they agree.
MADE = {"md5": "0" * 32, "size": 1}


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A project with a fresh lock, and no data: a clone."""
    write_params(tmp_path, SMALL | {"drift": {"bins": 10}})
    make_repository(tmp_path)
    stated = YAML(typ="safe").load(tmp_path / "params.yaml")
    text = fit_stages(kit_stages(), read_needs(tmp_path))
    (tmp_path / "dvc.yaml").write_text(text)
    lock = {}
    for name, stage in YAML(typ="safe").load(text)["stages"].items():
        outs = [*stage.get("outs", []), *stage.get("metrics", [])]
        lock[name] = {
            "cmd": stage["cmd"].replace("${results}", str(RESULTS)),
            "deps": [{"path": dep, **MADE} for dep in stage.get("deps", [])],
            "params": {"params.yaml": {key: stated[key] for key in stage.get("params", [])}},
            "outs": [{"path": out if isinstance(out, str) else next(iter(out)), **MADE} for out in outs],
        }
    YAML().dump({"schema": "2.0", "stages": lock}, tmp_path / "dvc.lock")
    return tmp_path


def problems(folder: Path) -> list[str]:
    result = invoke(folder, "check")
    lines = [line.removeprefix("Error: ") for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.exit_code == (2 if lines else 0), result.output
    return lines


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_a_project_in_order_is_one(locked: Path) -> None:
    assert "in order" in succeed(invoke(locked, "check")).stdout


def test_invalid_parameters_are_named(locked: Path) -> None:
    edit_params(locked, train={"max_deph": 3})
    assert "max_deph" in problems(locked)[0]


def test_a_changed_parameter_makes_the_lock_stale(locked: Path) -> None:
    edit_params(locked, train={"max_depth": 5})
    assert problems(locked) == [
        "dvc.lock: the parameter train of the stage `train` changed; run `dvc repro` and commit it"
    ]


def test_another_command_does(locked: Path) -> None:
    edit(locked / "dvc.yaml", "lockgate evaluate", "lockgate  evaluate")
    (line,) = problems(locked)
    assert line.startswith("dvc.lock: the stage `evaluate` has another command")


def test_two_stages_locked_with_other_data_do(locked: Path) -> None:
    """As after a merge that took a stage from each side."""
    lock = YAML(typ="safe").load(locked / "dvc.lock")
    lock["stages"]["evaluate"]["deps"][0]["md5"] = "1" * 32
    YAML().dump(lock, locked / "dvc.lock")
    (line,) = problems(locked)
    assert line.startswith("dvc.lock: data/test.parquet of the stage `evaluate` changed")


def test_a_source_that_is_not_watched_is_named_and_reproduce_would_watch_it(locked: Path) -> None:
    edit_params(locked, prepare={"source": "loans.csv", "current": None})
    found = problems(locked)
    assert found[0] == "dvc.yaml: prepare.source (loans.csv) is no dependency of `prepare`; run `lockgate reproduce`"
    edit(
        locked / "dvc.yaml",
        "    params:\n      - prepare\n",
        "    deps:\n      - loans.csv\n    params:\n      - prepare\n",
    )
    assert "loans.csv) is no dependency" not in "".join(problems(locked))


def test_a_replaced_source_makes_the_lock_stale(locked: Path) -> None:
    edit(
        locked / "dvc.yaml",
        "    params:\n      - prepare\n",
        "    deps:\n      - loans.csv\n    params:\n      - prepare\n",
    )
    (locked / "loans.csv").write_text("a\n1\n")
    lock = YAML(typ="safe").load(locked / "dvc.lock")
    lock["stages"]["prepare"]["deps"] = [{"path": "loans.csv", "hash": "md5", "md5": "1" * 32, "size": 4}]
    YAML().dump(lock, locked / "dvc.lock")
    assert problems(locked) == ["dvc.lock: loans.csv of the stage `prepare` changed; run `dvc repro` and commit it"]
    (locked / "loans.csv").unlink()
    assert problems(locked) == [], "a clone without the data cannot tell"


def test_a_section_that_no_stage_watches_is_said(locked: Path) -> None:
    edit_params(locked, evaluate={"confidence": 0.9})
    assert any("other parameters or files than params.yaml names" in line for line in problems(locked))


@pytest.mark.parametrize(
    ("after", "words"),
    [(f"results: {RESULTS + 1}", f"is for the results {RESULTS + 1}"), ("nothing: 1", "names no number of results")],
)
def test_another_number_of_results_is_named(locked: Path, after: str, words: str) -> None:
    edit(locked / "dvc.yaml", f"results: {RESULTS}", after)
    edit(locked / "dvc.yaml", " --results ${results}", "")
    assert words in problems(locked)[0]
    assert f"set `vars: [results: {RESULTS}]`" in problems(locked)[0]


def test_an_output_that_dvc_would_not_keep_is_named(locked: Path) -> None:
    text = (locked / "dvc.yaml").read_text()
    train, outs = text.index("  train:"), "    outs:\n"
    place = text.index(outs, train)
    (locked / "dvc.yaml").write_text(text[:place] + text[place:].replace("      - models/golden.json\n", "", 1))
    assert "dvc.yaml: the stage `train` has no output models/golden.json; add it under its outs" in problems(locked)


def test_missing_files_are_named(locked: Path) -> None:
    (locked / "dvc.lock").unlink()
    assert problems(locked) == ["dvc.lock does not exist; run `lockgate reproduce` and commit it"]
    (locked / "dvc.yaml").unlink()
    assert problems(locked) == ["dvc.yaml does not exist; run `lockgate reproduce`, which writes the kit's stages"]


def test_what_dvc_cannot_read_is_one_line(locked: Path) -> None:
    edit(locked / "dvc.yaml", "    cmd: lockgate drift", "    command: lockgate drift")
    assert "DVC cannot read the project" in problems(locked)[0]


def test_data_that_are_there_with_other_bytes_are_named(locked: Path) -> None:
    lock = YAML(typ="safe").load(locked / "dvc.lock")
    for stage in lock["stages"].values():
        for entry in (*stage["deps"], *stage["outs"]):
            entry["hash"] = "md5"
    YAML().dump(lock, locked / "dvc.lock")
    (locked / "data").mkdir()
    (locked / "data/test.parquet").write_text("damaged")
    (line,) = problems(locked)
    assert line.startswith("data/test.parquet has other bytes than dvc.lock says: md5 ")
    assert f", not {MADE['md5']}; " in line
