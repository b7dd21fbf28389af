"""What a job that ran the project's code hands over, as the project's own and as a stranger's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML
from support import tree

from lockgate.ci.hand_over import JUDGED, pack_project, take_project, take_tables
from lockgate.config.errors import InputError
from lockgate.model.bundle import verify_bundle

MODEL_WORKFLOW = Path(__file__).parents[2] / ".github/workflows/model.yml"


@pytest.fixture
def artifact(project: Path, tmp_path: Path) -> Path:
    """What the trained project hands over."""
    folder = tmp_path / "measured"
    pack_project(project, folder)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def assert_refused(artifact: Path, checkout: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        take_project(artifact, checkout)
    assert len(str(refused.value).splitlines()) == 1
    assert not (checkout / "models/manifest.json").exists()
    assert not (checkout / "data/test.parquet").exists()


class TestProject:
    def test_bundle_and_rows_come_to_their_places(self, project: Path, artifact: Path, checkout: Path) -> None:
        handed = tree(artifact)
        bundle = take_project(artifact, checkout)
        assert bundle is not None
        assert bundle.digest == verify_bundle(project / "models").digest
        assert tree(checkout) == handed
        assert {f"data/{name}.parquet" for name in ("train", "test", "current")} <= handed.keys()
        assert not {"models/gate.json", "models/provenance.json", "reports/gate.json"} & handed.keys()

    def test_the_lock_of_the_commit_stays_unless_the_others_is_wanted(self, artifact: Path, checkout: Path) -> None:
        shutil.copytree(artifact, copy := artifact.with_name("copy"))
        (checkout / "dvc.lock").write_text("schema: '2.0'\n")
        for folder in (artifact, copy):
            (folder / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
        take_project(artifact, checkout)
        assert (checkout / "dvc.lock").read_text() == "schema: '2.0'\n"
        take_project(copy, checkout, with_lock=True)
        assert (checkout / "dvc.lock").read_text() == "schema: '2.0'\nstages: {}\n"

    def test_rows_alone_are_taken_where_no_bundle_is_needed(self, artifact: Path, checkout: Path) -> None:
        shutil.rmtree(artifact / "models")
        assert take_project(artifact, checkout, (Path("data/current.parquet"),)) is None
        assert (checkout / "data/current.parquet").is_file()

    @pytest.mark.parametrize("name", JUDGED)
    def test_what_is_needed_has_to_be_there(self, artifact: Path, checkout: Path, name: Path) -> None:
        shutil.rmtree(artifact / name) if (artifact / name).is_dir() else (artifact / name).unlink()
        assert_refused(artifact, checkout, f"`measured` is refused: {name} is not in it; nothing of it is used")

    def test_results_that_the_commit_carries_are_gone_and_what_it_keeps_is_not(
        self, project: Path, artifact: Path, checkout: Path
    ) -> None:
        shutil.copytree(project, checkout, dirs_exist_ok=True)
        (checkout / "data/raw.csv").write_text("a\n")
        (checkout / "reports/test_set_history.json").write_text("{}")
        (artifact / "own.txt").touch()
        with pytest.raises(InputError, match=r"nobody hands over 'own\.txt'"):
            take_project(artifact, checkout)
        left = {name for name in tree(checkout) if name.split("/")[0] in {"data", "models", "reports"}}
        assert left == {"data/raw.csv", "reports/test_set_history.json"}


def make_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HOSTILE: list[tuple[str, Callable[[Path], object], str]] = [
    ("data/test.parquet", make_link, "'data/test.parquet' is no plain file"),
    ("reports/train.json", make_pipe, "'reports/train.json' is no plain file"),
    ("models/model.onnx", make_link, "'models/model.onnx' is no plain file"),
    ("reports/gate.json", lambda path: path.write_text("{}"), "nobody hands over 'reports/gate.json'"),
    ("reports/predictions.parquet", Path.touch, "nobody hands over 'reports/predictions.parquet'"),
    ("reports/..\\gate.json", Path.touch, "nobody hands over"),
    ("data/a\u202e\nb", Path.touch, "nobody hands over 'data/a. b'"),
    ("data/more", Path.mkdir, "nobody hands over 'data/more'"),
    ("params.yaml", Path.touch, r"nobody hands over 'params\.yaml'"),
    (".git", Path.mkdir, r"nobody hands over '\.git'"),
    ("models/sitecustomize.py", Path.touch, r"is not in manifest\.json, and a bundle has nothing else"),
    ("models/gate.json", lambda path: path.write_text("{}"), "nobody hands over 'models/gate.json'"),
    ("models/model.onnx", lambda path: path.write_bytes(b"other"), "is corrupted"),
    ("models/manifest.json", lambda path: path.write_text("{}"), r"manifest\.json lacks the key"),
    ("reports/train.json", lambda path: path.write_text("[]"), r"train\.json is not as it must be"),
    ("reports/reproduction.json", lambda path: path.write_text("no"), r"reproduction\.json is not valid JSON"),
    ("dvc.lock", lambda path: path.write_text("stages: 7\n"), "is not as DVC writes it"),
    ("dvc.lock", lambda path: path.write_bytes(b" " * 2_000_000), "dvc.lock of the artifact `measured` has 2,000,000"),
]


class TestStranger:
    @pytest.mark.parametrize(("name", "forge", "words"), HOSTILE, ids=[f"{case[0]}-{case[2]}" for case in HOSTILE])
    def test_a_forged_file_is_refused(
        self, artifact: Path, checkout: Path, name: str, forge: Callable[[Path], object], words: str
    ) -> None:
        forge(artifact / name)
        assert_refused(artifact, checkout, words)

    def test_rows_that_are_not_the_manifests_are_refused(self, artifact: Path, checkout: Path) -> None:
        rows = pd.read_parquet(artifact / "data/train.parquet")
        rows.iloc[:-1].to_parquet(artifact / "data/train.parquet", index=False)
        assert_refused(artifact, checkout, r"data/train\.parquet is not what its bundle was trained on")

    def test_a_schema_of_another_source_is_refused(self, artifact: Path, checkout: Path) -> None:
        schema = artifact / "data/schema.json"
        schema.write_text(schema.read_text().replace('"synthetic"', '"elsewhere"'))
        assert_refused(artifact, checkout, r"data/schema\.json names another source than the manifest")

    def test_too_many_and_too_large_are_refused(
        self, artifact: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCKGATE_MAX_HAND_OVER_BYTES", "1000")
        assert_refused(artifact, checkout, "data/.* of the artifact `measured` has .* bytes, and the limit is 1,000")
        monkeypatch.delenv("LOCKGATE_MAX_HAND_OVER_BYTES")
        for number in range(200):
            (artifact / f"models/{number}").touch()
        assert_refused(artifact, checkout, "holds more than 200 files")

    @pytest.mark.parametrize("folder", ["data", "models", "reports"])
    def test_nothing_is_written_or_removed_through_a_link_of_the_checkout(
        self, artifact: Path, checkout: Path, tmp_path: Path, folder: str
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "train.parquet").touch()
        (checkout / folder).symlink_to(elsewhere)
        with pytest.raises(InputError, match=f"'{folder}' is a link or a file"):
            take_project(artifact, checkout)
        assert [path.name for path in elsewhere.iterdir()] == ["train.parquet"]

    def test_a_link_of_the_checkout_in_a_files_place_is_replaced(
        self, artifact: Path, checkout: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "kept").write_text("kept")
        (checkout / "dvc.lock").symlink_to(tmp_path / "kept")
        (artifact / "dvc.lock").write_text("schema: '2.0'\n")
        take_project(artifact, checkout, with_lock=True)
        assert (tmp_path / "kept").read_text() == "kept"
        assert not (checkout / "dvc.lock").is_symlink()

    def test_no_artifact_is_an_error(self, checkout: Path, tmp_path: Path) -> None:
        assert_refused(tmp_path / "none", checkout, "there is no artifact `measured` in")


class TestTables:
    NAMES = (Path("scores/new.csv"), Path("old.csv"))

    @pytest.fixture
    def tables(self, tmp_path: Path) -> Path:
        """The artifact of a table and its champion, as the workflow packs it."""
        (tmp_path / "scores").mkdir()
        for number, name in enumerate(self.NAMES):
            (tmp_path / name).write_text(f"y_true,y_score\n{number},0.5\n")
        steps = YAML(typ="safe", pure=True).load(MODEL_WORKFLOW)["jobs"]["measure"]["steps"]
        (script,) = [
            step["run"] for step in steps if "CHAMPION_PREDICTIONS" in step.get("run", "") and "cp " in step["run"]
        ]
        given = {
            "FOLDER": str(tmp_path / "measured"),
            "PREDICTIONS": str(self.NAMES[0]),
            "CHAMPION_PREDICTIONS": str(self.NAMES[1]),
        }
        subprocess.run(
            ["/bin/bash", "-e", "-c", script], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", **given}, check=True
        )
        return tmp_path / "measured"

    def test_come_to_where_the_caller_says_they_are(self, tables: Path, checkout: Path) -> None:
        take_tables(tables, checkout, self.NAMES)
        assert [(checkout / name).read_text()[15] for name in self.NAMES] == ["0", "1"]

    def test_nothing_else_is_taken_and_nothing_may_be_absent(self, tables: Path, checkout: Path) -> None:
        with pytest.raises(InputError, match="nobody hands over 'champion-predictions"):
            take_tables(tables, checkout, self.NAMES[:1])
        with pytest.raises(InputError, match=r"predictions/other\.csv is not in it|nobody hands over"):
            take_tables(tables, checkout, (Path("other.csv"), self.NAMES[1]))
        (tables / "champion-predictions/old.csv").unlink()
        with pytest.raises(InputError, match=r"champion-predictions/old\.csv is not in it"):
            take_tables(tables, checkout, self.NAMES)

    @pytest.mark.parametrize("name", ["../new.csv", "/new.csv"])
    def test_no_place_is_outside_of_the_checkout(self, tables: Path, checkout: Path, name: str) -> None:
        shutil.rmtree(tables / "champion-predictions")
        with pytest.raises(InputError, match="leads out of the working directory"):
            take_tables(tables, checkout, (Path(name),))
