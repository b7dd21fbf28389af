"""What `lockgate reproduce` writes into a `dvc.yaml`, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.config.results import RESULTS
from lockgate.dvc.stages import fit_stages, kit_stages, stated_results, unwatched_files, with_results

WHOLE: dict[str, Any] = {
    name: {} for name in ("prepare", "train", "evaluate", "gate", "drift", "decision", "register")
} | {"prepare": {"current": "b.csv"}, "drift": {"bins": 10}}
OWN = """# Ours since 2024.
stages:
  prepare:   # reads the warehouse's file
    cmd: >-
      python pipeline/prepare.py
      --results 1
    deps:
    - pipeline/prepare.py   # the script
    - queries/loans.sql

    # all of it
    params:
    - prepare
    - other.yaml:
      - warehouse
    outs: [data/train.parquet, data/test.parquet]
  fit:
    cmd: python fit.py
"""


def stages(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(text)["stages"]
    return loaded


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_the_kits_own_stages_are_of_this_kits_results_and_depend_on_no_code() -> None:
    document = YAML(typ="safe").load(kit_stages())
    assert stated_results(document) == RESULTS
    for name, stage in document["stages"].items():
        assert stage["cmd"] == f"lockgate {name} --results ${{results}}"
        assert all(dep.startswith(("data/", "models/")) for dep in stage.get("deps", []))
        assert "always_changed" not in stage


def test_data_files_become_dependencies_and_every_other_line_stays() -> None:
    prepare = Prepare(source="loans.csv", current="this month.parquet")
    after = fit_stages(OWN, WHOLE, prepare)
    assert changed_lines(OWN, after) == (
        [],
        [
            "    - loans.csv  # prepare.source of params.yaml",
            '    - "this month.parquet"  # prepare.current of params.yaml',
        ],
    )
    assert stages(after)["prepare"]["deps"][:2] == ["loans.csv", "this month.parquet"]
    assert fit_stages(after, WHOLE, prepare) == after


def test_another_source_takes_the_place_of_the_one_before() -> None:
    before = fit_stages(OWN, WHOLE, Prepare(source="loans.csv", current="batch.csv"))
    after = fit_stages(before, WHOLE, Prepare(source="credits.csv", current=None))
    assert stages(after)["prepare"]["deps"] == ["credits.csv", "pipeline/prepare.py", "queries/loans.sql"]
    assert fit_stages(after, WHOLE, Prepare()) == OWN


@pytest.mark.parametrize("listed", ["loans.csv", "./loans.csv", "${prepare.source}"])
def test_a_dependency_that_somebody_wrote_is_left_as_it_is(listed: str) -> None:
    text = OWN.replace("queries/loans.sql", listed)
    assert fit_stages(text, WHOLE, Prepare(source="loans.csv")) == text
    assert fit_stages(text, WHOLE, Prepare(source="other.csv")).count("- ") == text.count("- ") + (listed[0] != "$")


def test_a_file_in_a_folder_that_is_watched_is_watched() -> None:
    assert unwatched_files(["raw"], {"prepare.source": "raw/2026/loans.csv"}) == []
    assert unwatched_files(["raw/2025"], {"prepare.source": "raw/2026/loans.csv"}) == ["prepare.source"]


def test_a_url_and_synthetic_data_are_no_dependency() -> None:
    assert fit_stages(OWN, WHOLE, Prepare()) == OWN
    assert fit_stages(OWN, WHOLE, Prepare(source="https://example.invalid/loans.csv?key=1")) == OWN


def test_the_kits_stages_without_data_files_get_a_list_of_them() -> None:
    after = fit_stages(kit_stages(), WHOLE, Prepare(source="a.csv", current="b.csv"))
    assert stages(after)["prepare"]["deps"] == ["a.csv", "b.csv"]
    assert fit_stages(after, WHOLE, Prepare()) == kit_stages()


def test_parameters_are_those_that_params_yaml_has() -> None:
    """DVC refuses one that is not there, and does not see one come that it was not told of."""
    few = fit_stages(kit_stages(), {"prepare": {"source": "a.csv"}}, Prepare())
    assert {name: stage.get("params") for name, stage in stages(few).items()} == {
        "prepare": ["prepare"], "train": None, "evaluate": None, "drift": None,
    }  # fmt: skip
    assert {name: set(stage["params"]) for name, stage in stages(fit_stages(few, WHOLE, Prepare())).items()} == {
        name: set(stage["params"]) for name, stage in stages(kit_stages()).items()
    }


def test_a_part_of_a_section_that_somebody_chose_is_enough() -> None:
    text = OWN.replace("    - prepare\n", "    - prepare.seed\n")
    assert fit_stages(text, WHOLE, Prepare()) == text


def test_a_list_on_one_line_is_refused_where_it_would_have_to_change() -> None:
    text = OWN.replace(
        "    deps:\n    - pipeline/prepare.py   # the script\n    - queries/loans.sql\n", "    deps: [a.py]\n"
    )
    assert fit_stages(text, WHOLE, Prepare()) == text
    with pytest.raises(InputError, match="line 7: write `deps` of the stage `prepare` as a list"):
        fit_stages(text, WHOLE, Prepare(source="loans.csv"))


def test_a_dvc_yaml_without_the_kits_stages_is_left_as_it_is() -> None:
    text = "stages:\n  fit:\n    cmd: python fit.py\n"
    assert fit_stages(text, WHOLE, Prepare(source="loans.csv")) == text


@pytest.mark.parametrize(
    "text", ["vars: [{results: 1}]\n", "vars:\n- other.yaml\n- seed: 3\n  results: 1  # of 2026\n"]
)
def test_the_number_of_results_can_be_set(text: str) -> None:
    assert stated_results(YAML(typ="safe").load(text)) == 1
    assert with_results(text, 23) == text.replace("results: 1", "results: 23")


def test_a_dvc_yaml_may_name_no_results() -> None:
    assert stated_results({}) is None
    assert stated_results({"vars": ["other.yaml"]}) is None
