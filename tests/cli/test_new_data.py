"""Data that come, change and are defined anew: which model can be compared with which, from the file to the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from conftest import Run, copy_project
from support import SMALL, assert_refused, edit_params, invoke, succeed, write_params

from lockgate.champion.score import champion_table
from lockgate.cli import release_bundle
from lockgate.config.errors import InputError
from lockgate.data.synthetic import generate_applicants
from lockgate.documents.document import Part
from lockgate.documents.gate_json import NewData
from lockgate.documents.manifest_json import Manifest, Origin, Source
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.model.predictions import Predictions, read_champion_table


def write_loans(folder: Path, seed: int = 7) -> None:
    """A lender's own file: no identifiers, and a target in words."""
    loans = generate_applicants(3000, seed).drop(columns=["sex", "age_band"])
    loans["bad"] = loans.pop("default").map({1: "yes", 0: "no"})
    loans.to_csv(folder / "loans.csv", index=False)


OWN: dict[str, Any] = {
    **SMALL,
    "prepare": {"source": "loans.csv", "target": "bad", "positive": "yes"},
    "gate": {"champion": {"source": "base"}},
}


def make(folder: Path, *commands: str) -> None:
    for command in commands or ("prepare", "train", "evaluate"):
        succeed(invoke(folder, command))


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on a file of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("lender")
    write_loans(folder)
    write_params(folder, OWN)
    make(folder)
    return folder


@pytest.fixture
def change(lender: Path, tmp_path: Path) -> Path:
    """A copy of the lender's project, to change."""
    return copy_project(lender, tmp_path / "change")


def champion_of(project: Path, champion: Path, *, with_rows: bool = True) -> Predictions | NewData:
    """What the gate in `project` gets of the model in `champion`."""
    rows = champion / "data/test.parquet" if with_rows else None
    table = champion_table(verify_bundle(champion / "models"), rows, project, lambda _line: None)
    (project / "reports/champion.parquet").write_bytes(table)
    return read_champion_table(project / "reports/champion.parquet")


def gate_of(project: Path) -> Any:
    return json.loads((project / "reports/gate.json").read_text())


def champion_checks(project: Path) -> dict[str, str]:
    return {check["name"]: check["status"] for check in gate_of(project)["checks"] if check["kind"] == "champion"}


class TestComparable:
    def test_a_feature_that_is_dropped_moves_no_row_without_identifiers_either(
        self, lender: Path, change: Path
    ) -> None:
        """The champion scores its own rows, as it knows a column that is gone; the keys are of all cells of a row."""
        edit_params(change, prepare={"kinds": {"savings": "drop"}})
        make(change)
        found = champion_of(change, lender)
        assert isinstance(found, Predictions)
        assert len(found.table) == len(pd.read_parquet(change / "data/test.parquet"))
        invoke(change, "gate", "--champion", "reports/champion.parquet")
        assert gate_of(change)["champion"] == verify_bundle(lender / "models").digest
        assert champion_checks(change)["roc_auc champion"] in ("pass", "block")  # it was compared on every row

    def test_new_bytes_at_the_same_place_are_scored_by_both(self, lender: Path, change: Path) -> None:
        write_loans(change, seed=8)
        make(change)
        assert isinstance(champion_of(change, lender), Predictions)
        invoke(change, "gate", "--champion", "reports/champion.parquet")
        assert gate_of(change)["new_data"] is None
        assert "roc_auc champion" in champion_checks(change)


def moved(project: Path, source: str) -> Bundle:
    """The project's bundle, as if its rows had come from another place."""
    path = project / "models/manifest.json"
    manifest = Manifest.read_file(path)
    assert manifest.origin is not None
    origin = Origin(Source(source, "5e" * 32), manifest.origin.prepare)
    path.write_bytes(msgspec.structs.replace(manifest, origin=origin).to_bytes())
    return verify_bundle(project / "models")


class TestAnotherSource:
    def test_with_the_same_rows_is_compared(self, lender: Path, change: Path) -> None:
        moved(change, "loans-2027.csv")
        assert isinstance(champion_of(change, lender), Predictions)

    def test_with_one_row_of_the_champions_among_the_training_rows_is_compared(
        self, lender: Path, change: Path
    ) -> None:
        known = pd.read_parquet(lender / "data/test.parquet")["row_key"][0]
        for name, first in (("train", known), ("test", "t0")):
            rows = pd.read_parquet(change / f"data/{name}.parquet")
            rows["row_key"] = [first, *(f"{name}{row}" for row in range(1, len(rows)))]
            rows.to_parquet(change / f"data/{name}.parquet", index=False)
        moved(change, "loans-2027.csv")
        assert isinstance(champion_of(change, lender), Predictions)

    @pytest.fixture
    def other_rows(self, change: Path) -> Path:
        for name in ("train", "test"):
            rows = pd.read_parquet(change / f"data/{name}.parquet")
            rows.assign(row_key=[f"{name}{row}" for row in range(len(rows))]).to_parquet(
                change / f"data/{name}.parquet", index=False
            )
        moved(change, "loans-2027.csv")
        return change

    def test_with_none_of_its_rows_is_new_data(self, lender: Path, other_rows: Path) -> None:
        found = champion_of(other_rows, lender)
        assert isinstance(found, NewData)
        assert found.differences == (
            "the source is loans-2027.csv, the champion's was loans.csv, and no row that the champion was tested on is in it",
        )

    def test_is_compared_where_nobody_has_the_champions_rows(self, lender: Path, other_rows: Path) -> None:
        assert isinstance(champion_of(other_rows, lender, with_rows=False), Predictions)

    def test_rows_without_keys_are_refused(self, lender: Path, other_rows: Path) -> None:
        rows = pd.read_parquet(other_rows / "data/train.parquet")
        rows.drop(columns="row_key").to_parquet(other_rows / "data/train.parquet", index=False)
        with pytest.raises(InputError, match=r"train\.parquet has no column `row_key`"):
            champion_of(other_rows, lender)


class TestGate:
    def test_a_champions_file_says_that_there_is_none(self, project: Path, change: Path) -> None:
        """From the worked example's synthetic data to a lender's own: the thresholds decide."""
        found = champion_of(change, project)
        assert isinstance(found, NewData)
        assert found.after_synthetic
        succeed(invoke(change, "gate", "--champion", "reports/champion.parquet"))
        result = gate_of(change)
        assert (result["verdict"], result["champion"], result["new_data_rule"]) == ("pass", None, "thresholds")
        assert result["new_data"]["champion"] == verify_bundle(project / "models").digest
        assert champion_checks(change) == {"champion": "not-applicable"}
        succeed(invoke(change, "report"))
        report = (change / "reports/report.md").read_text()
        headline = report.split("\n")[0]
        assert headline.startswith("## ✅ Gate passed: ")
        assert headline.endswith(", by the thresholds alone on data defined anew")
        assert "> **The data are defined anew**, so no champion is comparable: the target is 'bad'" in report
        assert "<strong>The data are defined anew</strong>" in (change / "reports/report.html").read_text()

    def test_after_a_projects_own_data_it_blocks_and_names_the_key(self, project: Path, change: Path) -> None:
        """The other way round: from the lender's data to synthetic ones."""
        champion_of(project, change)
        refused = invoke(project, "gate", "--champion", "reports/champion.parquet")
        assert_refused(
            refused,
            "the data are defined anew, so no champion is comparable: the target is `default`, the champion's was `bad`",
            "`gate.champion.new_data: thresholds` in the policy that judges lets the thresholds decide",
            code=3,
        )
        assert gate_of(project)["new_data_rule"] == "block"
        succeed(invoke(project, "report"))
        headline = (project / "reports/report.md").read_text().split("\n")[0]
        assert headline.startswith(
            "## ❌ Gate blocked: champion: the data are defined anew, so no champion is comparable"
        )
        edit_params(project, gate={"champion": {"new_data": "thresholds"}})
        succeed(invoke(project, "gate", "--champion", "reports/champion.parquet"))

    def test_what_was_found_for_another_model_is_refused(self, project: Path, change: Path) -> None:
        champion_of(change, project)
        edit_params(change, train={"seed": 9})
        make(change, "train", "evaluate")
        assert_refused(
            invoke(change, "gate", "--champion", "reports/champion.parquet"), "run `lockgate champion` again"
        )

    def test_a_file_that_says_something_else_is_refused(self, change: Path, project: Path) -> None:
        class Other(Part, frozen=True):
            model: str

        champion_of(change, project)
        import pyarrow.parquet as pq

        path = change / "reports/champion.parquet"
        pq.write_table(pq.read_table(path).replace_schema_metadata({"lockgate.new-data": '{"model": "x"}'}), path)
        assert_refused(
            invoke(change, "gate", "--champion", "reports/champion.parquet"),
            "its metadata `lockgate.new-data`",
            "run `lockgate champion` again",
        )


def test_a_lenders_first_data_go_past_the_worked_examples_champion_in_the_registry(project: Path, run: Run) -> None:
    """Registered and promoted by the same rule as on a pull request."""
    edit_params(project, gate={"champion": {"source": "registry"}})
    succeed(run("gate", "--first-model"))
    succeed(run("register", "--promote"))
    write_loans(project)
    write_params(project, {**OWN, "gate": {"champion": {"source": "registry", "new_data": "block"}}})
    make(project)
    scored = succeed(run("champion", "--policy", "params.yaml"))
    assert "no champion is comparable, as the data are defined anew: the target is 'bad'" in scored.stdout.replace(
        "`", "'"
    )
    assert_refused(run("gate", "--champion", "reports/champion.parquet"), "the data are defined anew", code=3)
    edit_params(project, gate={"champion": {"source": "registry"}})
    succeed(run("gate", "--champion", "reports/champion.parquet"))
    promoted = succeed(run("register", "--promote"))
    assert "replaces version 1 without a comparison: the data are defined anew" in promoted.stdout


def test_a_release_of_the_first_model_of_such_data_needs_no_comparison(
    project: Path, change: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release before it was of the worked example's model."""
    before = verify_bundle(project / "models")
    for name, found in (("open_repository", None), ("settings_from_environment", None), ("fetch_champion", before)):
        monkeypatch.setattr(release_bundle, name, lambda *_, found=found: found)
    scored = succeed(invoke(change, "release", "champion", "model-v2.0.0", "--output", "reports/champion.parquet"))
    assert "no champion is comparable, as the data are defined anew" in scored.stdout
    succeed(invoke(change, "gate", "--champion", "reports/champion.parquet"))
    handed = succeed(invoke(change, "release", "hand-over", "--champion", "reports/champion.parquet"))
    assert "verdict=pass" in handed.stdout
    succeed(invoke(change, "gate", "--first-model"))
    assert_refused(
        invoke(change, "release", "hand-over", "--champion", "reports/champion.parquet"),
        "its check `champion` is not what",
    )
