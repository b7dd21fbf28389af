"""What `lockgate reproduce` writes into a `dvc.yaml`, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.config.results_number import RESULTS
from lockgate.documents.manifest_json import Manifest
from lockgate.dvc.stages import (
    Needs,
    Pipeline,
    fit_stages,
    kit_stages,
    read_needs,
    read_pipeline,
    unwatched_files,
    watched_files,
    with_results,
)

WHOLE: dict[str, Any] = {
    name: {} for name in ("prepare", "train", "evaluate", "gate", "drift", "decision", "register")
} | {"prepare": {"current": "b.csv"}, "evaluate": {"slices": [], "floors": {}, "ceilings": {}}, "drift": {"bins": 10}}
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


def fit(text: str, stated: dict[str, Any], prepare: Prepare, native: Sequence[str] = ("models/model.json",)) -> str:
    return fit_stages(text, Needs(stated_keys(stated), watched_files(prepare), native))


def stated_keys(params: dict[str, Any]) -> set[str]:
    return params.keys() | {f"{name}.{key}" for name, section in params.items() for key in section}


def stages(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(text)["stages"]
    return loaded


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_the_kits_own_stages_are_of_this_kits_results_and_depend_on_no_code() -> None:
    document = YAML(typ="safe").load(kit_stages())
    assert msgspec.convert(document, Pipeline).results == RESULTS
    for name, stage in document["stages"].items():
        assert stage["cmd"] == f"lockgate {name} --results ${{results}}"
        assert all(dep.startswith(("data/", "models/")) for dep in stage.get("deps", []))
        assert "always_changed" not in stage


def test_data_files_become_dependencies_and_every_other_line_stays() -> None:
    prepare = Prepare(source="loans.csv", current="this month.parquet")
    after = fit(OWN, WHOLE, prepare)
    assert changed_lines(OWN, after) == (
        [],
        [
            "    - loans.csv  # prepare.source of params.yaml",
            '    - "this month.parquet"  # prepare.current of params.yaml',
        ],
    )
    assert stages(after)["prepare"]["deps"][:2] == ["loans.csv", "this month.parquet"]
    assert fit(after, WHOLE, prepare) == after


def test_another_source_takes_the_place_of_the_one_before() -> None:
    before = fit(OWN, WHOLE, Prepare(source="loans.csv", current="batch.csv"))
    after = fit(before, WHOLE, Prepare(source="credits.csv", current=None))
    assert stages(after)["prepare"]["deps"] == ["credits.csv", "pipeline/prepare.py", "queries/loans.sql"]
    assert fit(after, WHOLE, Prepare()) == OWN


@pytest.mark.parametrize("listed", ["loans.csv", "./loans.csv", "${prepare.source}"])
def test_a_dependency_that_somebody_wrote_is_left_as_it_is(listed: str) -> None:
    text = OWN.replace("queries/loans.sql", listed)
    assert fit(text, WHOLE, Prepare(source="loans.csv")) == text
    assert fit(text, WHOLE, Prepare(source="other.csv")).count("- ") == text.count("- ") + (listed[0] != "$")


def test_of_a_pattern_of_names_the_folder_is_watched() -> None:
    assert watched_files(Prepare(source="raw/*/loans-?.csv")) == {"prepare.source": "raw"}


@pytest.mark.parametrize("source", ["s3://bucket/loans/", "s3://bucket/loans.parquet", "s3://bucket/loans/*.parquet"])
def test_what_is_on_s3_is_watched_where_it_is(source: str) -> None:
    after = fit(OWN, WHOLE, Prepare(source=source))
    watched = source.removesuffix("/*.parquet")
    assert stages(after)["prepare"]["deps"][0] == watched
    assert unwatched_files([watched], watched_files(Prepare(source=source))) == []
    assert unwatched_files(["s3://other/loans"], watched_files(Prepare(source=source))) == ["prepare.source"]
    assert fit(after, WHOLE, Prepare()) == OWN


@pytest.mark.parametrize(
    "source", ["s3://key:s3cret@bucket/loans.csv", "s3://bucket/loans.csv?versionId=1", "gs://a/b"]
)
def test_a_url_that_says_more_than_an_address_is_not_entered(source: str) -> None:
    assert fit(OWN, WHOLE, Prepare(source=source)) == OWN


@pytest.mark.parametrize("pattern", ["*.csv", "**/*.csv", "./2026-?.csv"])
def test_a_pattern_of_the_projects_own_folder_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match=r"prepare\.source: .* put them into a folder of their own"):
        watched_files(Prepare(source=pattern))


def test_a_file_in_a_folder_that_is_watched_is_watched() -> None:
    assert unwatched_files(["raw"], {"prepare.source": "raw/2026/loans.csv"}) == []
    assert unwatched_files(["raw/2025"], {"prepare.source": "raw/2026/loans.csv"}) == ["prepare.source"]


def test_what_a_web_server_gives_and_synthetic_data_are_no_dependency() -> None:
    assert fit(OWN, WHOLE, Prepare()) == OWN
    assert fit(OWN, WHOLE, Prepare(source="https://example.invalid/loans.csv?key=1")) == OWN


def test_the_kits_stages_without_data_files_get_a_list_of_them() -> None:
    after = fit(kit_stages(), WHOLE, Prepare(source="a.csv", current="b.csv"))
    assert stages(after)["prepare"]["deps"] == ["a.csv", "b.csv"]
    assert fit(after, WHOLE, Prepare()) == kit_stages()


def test_parameters_are_those_that_params_yaml_has() -> None:
    """DVC refuses one that is not there, and does not see one come that it was not told of."""
    few = fit(kit_stages(), {"prepare": {"source": "a.csv"}}, Prepare())
    assert {name: stage.get("params") for name, stage in stages(few).items()} == {
        "prepare": ["prepare"], "train": None, "evaluate": None, "drift": None,
    }  # fmt: skip
    assert {name: set(stage["params"]) for name, stage in stages(fit(few, WHOLE, Prepare())).items()} == {
        name: set(stage["params"]) for name, stage in stages(kit_stages()).items()
    }


def test_a_part_of_a_section_that_somebody_chose_is_enough() -> None:
    text = OWN.replace("    - prepare\n", "    - prepare.seed\n")
    assert fit(text, WHOLE, Prepare()) == text


def test_a_list_on_one_line_is_refused_where_it_would_have_to_change() -> None:
    text = OWN.replace(
        "    deps:\n    - pipeline/prepare.py   # the script\n    - queries/loans.sql\n", "    deps: [a.py]\n"
    )
    assert fit(text, WHOLE, Prepare()) == text
    with pytest.raises(InputError, match="line 7: write `deps` of the stage `prepare` as a list"):
        fit(text, WHOLE, Prepare(source="loans.csv"))


def test_a_dvc_yaml_without_the_kits_stages_is_left_as_it_is() -> None:
    text = "stages:\n  fit:\n    cmd: python fit.py\n"
    assert fit(text, WHOLE, Prepare(source="loans.csv")) == text


@pytest.mark.parametrize(
    "text", ["vars: [{results: 1}]\n", "vars:\n- other.yaml\n- seed: 3\n  results: 1  # of 2026\n"]
)
def test_the_number_of_results_can_be_set(text: str) -> None:
    assert msgspec.convert(YAML(typ="safe").load(text), Pipeline).results == 1
    assert with_results(text, 23) == text.replace("results: 1", "results: 23")


def test_a_dvc_yaml_may_name_no_results() -> None:
    assert Pipeline().results is None
    assert Pipeline(vars=["other.yaml"]).results is None


def test_what_is_no_dvc_yaml_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: [prepare]\n")
    with pytest.raises(InputError, match="is not as DVC reads it"):
        read_pipeline(tmp_path / "dvc.yaml")


class TestTheModelsOwnFiles:
    LISTS = (("train", "outs"), ("evaluate", "deps"), ("drift", "deps"))

    def natives(self, text: str) -> list[list[str]]:
        known = {"models/model.json", "models/model.txt", "models/weights.bin"}
        return [[one for one in stages(text)[name][key] if one in known] for name, key in self.LISTS]

    def test_they_are_those_of_the_kind_of_model(self) -> None:
        assert fit(kit_stages(), WHOLE, Prepare()) == kit_stages()
        other = fit(kit_stages(), WHOLE, Prepare(), ["models/model.txt"])
        assert self.natives(other) == [["models/model.txt"]] * 3
        assert self.natives(fit(other, WHOLE, Prepare())) == [["models/model.json"]] * 3

    def test_a_model_of_the_projects_own_has_what_its_bundle_names(self) -> None:
        without = fit(kit_stages(), WHOLE, Prepare(), [])
        assert self.natives(without) == [[]] * 3
        own = fit(without, WHOLE, Prepare(), ["models/weights.bin"])
        assert self.natives(own) == [["models/weights.bin"]] * 3
        assert fit(own, WHOLE, Prepare(), []) == without

    @pytest.mark.parametrize(
        ("model", "native"), [("xgboost", ["models/model.json"]), ("lightgbm", ["models/model.txt"]), ("own", [])]
    )
    def test_params_say_which_kind_it_is(self, tmp_path: Path, model: str, native: list[str]) -> None:
        YAML().dump({"train": {"model": model}}, tmp_path / "params.yaml")
        assert read_needs(tmp_path).native == native

    def test_a_bundle_of_an_own_model_says_which_files_it_has(self, tmp_path: Path) -> None:
        YAML().dump({"train": {"model": "own"}}, tmp_path / "params.yaml")
        (tmp_path / "models").mkdir()
        files = dict.fromkeys(("model.onnx", "schema.json", "profile.json", "golden.json", "weights.bin"), "0" * 64)
        manifest = Manifest(files=files, training_data="0" * 64, origin=None, params={})
        (tmp_path / "models/manifest.json").write_bytes(manifest.to_bytes())
        assert read_needs(tmp_path).native == ["models/weights.bin"]
