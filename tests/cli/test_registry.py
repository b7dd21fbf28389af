"""`register`, `promote` and `pull`: only what passed, one version a digest, aliases never by accident backwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run, copy_project
from support import assert_refused, edit_params, invoke, succeed, tree

from lockgate.ci.release.rollback import promote_model
from lockgate.config.errors import InputError
from lockgate.model.bundle import verify_bundle
from lockgate.project import Project
from lockgate.registry.promote import ROLLBACK
from lockgate.registry.promotions import read_promotions

NAME = "credit-default-classifier"


def client(project: Path) -> Any:
    import mlflow

    uri = f"sqlite:///{project / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)  # a version's source is looked up there, whatever server its client is of
    return mlflow.MlflowClient(uri, uri)


def versions(project: Path) -> dict[int, str]:
    """Digest by version number."""
    found = client(project).search_model_versions(f"name = '{NAME}'")
    return {int(version.version): version.tags["lockgate.digest"] for version in found}


def alias(project: Path, name: str) -> int | None:
    from mlflow.exceptions import MlflowException

    try:
        return int(client(project).get_model_version_by_alias(NAME, name).version)
    except MlflowException:
        return None


def digest(project: Path) -> str:
    return verify_bundle(project / "models").digest


def retrain(project: Path, seed: int) -> None:
    edit_params(project, train={"seed": seed})
    for command in ("train", "evaluate", "gate"):
        succeed(invoke(project, command))


@pytest.fixture(scope="module")
def with_champion(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is champion; made once, and not to be changed."""
    project = copy_project(trained_project, tmp_path_factory.mktemp("champion") / "project")
    for command in (["drift"], ["report"], ["register", "--promote"]):
        succeed(invoke(project, *command))
    return project


@pytest.fixture
def champion(with_champion: Path, tmp_path: Path) -> Path:
    """Version 1 is champion, of a registry whose store is the project's own."""
    return copy_project(with_champion, tmp_path / "champion")


@pytest.fixture(scope="module")
def with_two_versions(with_champion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 was champion, then version 2; made once, and not to be changed."""
    project = copy_project(with_champion, tmp_path_factory.mktemp("two-versions") / "project")
    edit_params(project, gate={"champion": {"margins": {"roc_auc": 0.1}}})
    retrain(project, 7)
    succeed(invoke(project, "register", "--promote"))
    return project


@pytest.fixture
def two_versions(with_two_versions: Path, tmp_path: Path) -> Path:
    """Version 1 was champion, then version 2, as the policy allows for a model that is hardly worse."""
    return copy_project(with_two_versions, tmp_path / "two-versions")


def test_registering_makes_a_challenger_and_no_champion(project: Path, run: Run) -> None:
    succeed(run("register"))
    assert versions(project) == {1: digest(project)}
    assert (alias(project, "challenger"), alias(project, "champion")) == (1, None)
    tags = client(project).get_model_version(NAME, "1").tags
    gate = json.loads((project / "reports/gate.json").read_text())
    assert (tags["lockgate.verdict"], tags["lockgate.policy"]) == ("pass", gate["policy"])


def test_registering_twice_makes_one_version(project: Path, run: Run) -> None:
    for arguments in (["register"], ["register"], ["register", "--promote"], ["register", "--promote"]):
        succeed(run(*arguments))
    assert versions(project) == {1: digest(project)}
    assert alias(project, "champion") == 1


def test_a_new_model_is_a_new_version(two_versions: Path) -> None:
    assert set(versions(two_versions)) == {1, 2}
    assert (alias(two_versions, "challenger"), alias(two_versions, "champion")) == (2, 2)


def test_an_older_model_does_not_become_champion_by_accident(two_versions: Path) -> None:
    retrain(two_versions, 42)
    assert_refused(invoke(two_versions, "register", "--promote"), "version 2", "lockgate promote 1")
    assert (alias(two_versions, "challenger"), alias(two_versions, "champion")) == (2, 2)
    assert set(versions(two_versions)) == {1, 2}


def test_promoting_an_older_version_rolls_back_and_pull_brings_it(two_versions: Path) -> None:
    newer = digest(two_versions)
    shutil.rmtree(two_versions / "data")  # at night there are no test rows
    assert "rollback" in succeed(invoke(two_versions, "promote", "1")).stdout
    assert alias(two_versions, "champion") == 1
    assert "already: nothing moved" in succeed(invoke(two_versions, "promote", "1")).stdout
    succeed(invoke(two_versions, "pull"))
    assert digest(two_versions) == versions(two_versions)[1] != newer
    provenance = json.loads((two_versions / "models/provenance.json").read_text())
    assert (provenance["digest"], provenance["registry_version"]) == (digest(two_versions), 1)


def train_a_worse_model(project: Path) -> None:
    """Its verdict is a pass all the same, since only the thresholds decide."""
    edit_params(project, train={"num_boost_round": 4, "max_depth": 1}, evaluate={"floors": {"roc_auc": 0.6}})
    for command in ("train", "evaluate", "gate"):
        succeed(invoke(project, command))


def test_a_worse_model_does_not_replace_the_champion_whatever_its_gate_compared_with(champion: Path) -> None:
    """The champion was replaced since, or somebody gave the gate other predictions as the champion's."""
    train_a_worse_model(champion)
    table = pd.read_parquet(champion / "reports/predictions.parquet")
    table["y_score"] = table["y_score"].sample(frac=1, random_state=7).to_numpy()
    table.to_parquet(champion / "random.parquet")
    assert "champion" in succeed(invoke(champion, "gate", "--champion", "random.parquet")).stdout
    for command in (["register", "--promote"], ["promote", "2"]):
        assert_refused(
            invoke(champion, *command),
            "version 1",
            "champion",
            "roc_auc differs by -0.",
            "margin is 0.01",
            "nothing was moved",
            code=3,
        )
    assert (alias(champion, "challenger"), alias(champion, "champion")) == (2, 1)
    assert [entry.version for entry in read_promotions(client(champion), NAME)] == [1]


def test_a_version_that_never_was_champion_is_compared_on_the_rows_it_was_judged_on(champion: Path) -> None:
    train_a_worse_model(champion)
    succeed(invoke(champion, "register"))
    edit_params(champion, prepare={"seed": 7})
    succeed(invoke(champion, "prepare"))
    assert_refused(invoke(champion, "promote", "2"), "data/test.parquet", "version 2 was judged on", "dvc pull")
    shutil.rmtree(champion / "data")
    assert_refused(invoke(champion, "promote", "2"), "data/test.parquet", "does not exist")
    assert alias(champion, "champion") == 1


def test_a_champion_that_cannot_be_compared_with_stays(champion: Path) -> None:
    stored(champion, "bundle/model.onnx").write_bytes(b"")
    retrain(champion, 7)
    assert_refused(
        invoke(champion, "register", "--promote"), "version 1", "model.onnx", "so it stays", "margins: {}", code=3
    )
    edit_params(champion, gate={"champion": {"margins": {}}})
    succeed(invoke(champion, "gate"))
    assert "thresholds alone decide" in succeed(invoke(champion, "register", "--promote")).stdout
    assert alias(champion, "champion") == 2


def test_what_earlier_attempts_left_is_cleaned_up(champion: Path) -> None:
    """A slow server answered too late: the bundle is there twice, an alias is at the surplus version, a run still runs."""
    registry = client(champion)
    first = registry.get_model_version(NAME, "1")
    again = registry.create_model_version(NAME, source=first.source, run_id=first.run_id, tags=first.tags)
    registry.set_registered_model_alias(NAME, "champion", again.version)
    running = registry.create_run(
        registry.get_run(first.run_id).info.experiment_id, tags={"lockgate.digest": digest(champion)}
    )
    succeed(invoke(champion, "register"))
    assert versions(champion) == {1: digest(champion)}
    assert alias(champion, "champion") == 1
    assert client(champion).get_run(running.info.run_id).info.status == "KILLED"


def test_pull_fills_an_empty_folder(champion: Path) -> None:
    before = {name: content for name, content in tree(champion / "models").items() if name != "provenance.json"}
    verdict = (champion / "reports/gate.json").read_bytes()
    shutil.rmtree(champion / "models")
    shutil.rmtree(champion / "reports")
    succeed(invoke(champion, "pull"))
    after = {name: content for name, content in tree(champion / "models").items() if name != "provenance.json"}
    assert after == {**before, "gate.json": verdict}


def stored(project: Path, name: str) -> Path:
    (found,) = (project / "mlartifacts").rglob(name)
    return found


def test_what_a_version_was_accepted_on_is_stored_with_it(champion: Path) -> None:
    reports = tree(champion / "reports")
    kept = ("drift.json", "gate.json", "report.html", "report.md")
    assert tree(stored(champion, "evidence")) == {name: reports[name] for name in kept}


def test_reports_on_another_model_are_not_stored(project: Path, run: Run) -> None:
    succeed(run("drift"))
    assert set(Project(project).files_about(digest(project))) == {"gate.json", "drift.json"}
    assert set(Project(project).files_about("0" * 64)) == {"gate.json"}


def test_training_takes_a_pulled_verdict_away(project: Path, run: Run) -> None:
    (project / "models/gate.json").write_text("{}")
    succeed(run("train"))
    assert not (project / "models/gate.json").exists()


def untag(project: Path) -> None:
    client(project).delete_model_version_tag(NAME, "1", "lockgate.gate")


def forge(project: Path) -> None:
    """Another verdict, and the tag that goes with it."""
    path = stored(project, "evidence/gate.json")
    path.write_bytes(path.read_bytes().replace(digest(project).encode(), b"0" * 64))
    client(project).set_model_version_tag(NAME, "1", "lockgate.gate", sha256(path.read_bytes()).hexdigest())


# In this order: each adds to the damage before it.
SPOILT_VERDICTS: dict[str, Callable[[Path], Any]] = {
    "another model": forge,
    "not the one that was registered": lambda project: stored(project, "evidence/gate.json").write_text("{}"),
    "gone from the store": lambda project: stored(project, "evidence/gate.json").unlink(),
    "registered without its gate.json": untag,
}


def test_a_bundle_without_its_verdict_is_neither_pulled_nor_promoted_until_registered_again(champion: Path) -> None:
    before = tree(champion / "models")
    for words, spoil in SPOILT_VERDICTS.items():
        spoil(champion)
        assert_refused(invoke(champion, "pull"), words)
        assert_refused(invoke(champion, "promote", "1"), words)
    assert tree(champion / "models") == before
    succeed(invoke(champion, "register"))
    succeed(invoke(champion, "pull"))
    assert (champion / "models/gate.json").read_bytes() == (champion / "reports/gate.json").read_bytes()


def test_an_alias_that_somebody_moved_is_named_when_it_is_pulled(two_versions: Path) -> None:
    client(two_versions).set_registered_model_alias(NAME, "champion", "1")
    assert "at version 1, but the last promotion made version 2" in succeed(invoke(two_versions, "pull")).stderr
    succeed(invoke(two_versions, "promote", "2"))
    assert "warning" not in succeed(invoke(two_versions, "pull")).stderr


def test_a_release_that_is_rolled_back_is_champion_again(two_versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two_versions)
    assert promote_model(NAME, versions(two_versions)[1]) == 1
    assert alias(two_versions, "champion") == 1
    assert read_promotions(client(two_versions), NAME)[-1].reason == ROLLBACK
    with pytest.raises(InputError, match="no version of the bundle 000"):
        promote_model(NAME, "0" * 64)


def test_mlflow_numbers_the_versions_of_a_model_one_after_the_other(project: Path) -> None:
    """What the order of promotions rests on, in MLflow's own store and with several writers at once."""
    registry = client(project)
    registry.create_registered_model("log")

    def append(_writer: int) -> list[int]:
        seen: list[int] = []
        for _ in range(4):
            made = registry.create_model_version("log", source="s3://bucket/log", tags={"lockgate.after": "0"})
            known = {int(one.version) for one in registry.search_model_versions("name = 'log'")}
            assert known >= set(range(1, int(made.version) + 1))  # whoever sees a number sees all before it
            seen.append(int(made.version))
        return seen

    with ThreadPoolExecutor(3) as writers:
        numbers = [number for seen in writers.map(append, range(3)) for number in seen]
    assert sorted(numbers) == list(range(1, 13))


def test_unknown_versions_and_absent_champions_are_refused(project: Path, run: Run) -> None:
    assert_refused(run("promote", "1"), NAME, "no version 1")
    assert_refused(run("pull"), NAME, "no champion")
    assert run("promote", "zero").exit_code == 2
    assert run("promote", "0").exit_code == 2


def test_versions_that_others_made_are_not_promoted(project: Path, run: Run) -> None:
    succeed(run("register"))
    registry = client(project)
    run_id = registry.get_model_version(NAME, "1").run_id
    registry.create_model_version(NAME, source=f"runs:/{run_id}/anything", run_id=run_id)
    assert_refused(run("promote", "2"), "version 2", "passed gate")
    assert alias(project, "champion") is None


def _edit_gate(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(project: Path) -> None:
        path = project / "reports/gate.json"
        result = json.loads(path.read_text())
        edit(result)
        path.write_text(json.dumps(result))

    return spoil


def _raise_floor_then_forge(project: Path) -> None:
    """The model misses the floor; somebody turns the verdict and the status around."""
    edit_params(project, evaluate={"floors": {"roc_auc": 0.99}})
    assert invoke(project, "gate").exit_code == 3
    _edit_gate(lambda result: (result.update(verdict="pass"), [c.update(status="pass") for c in result["checks"]]))(
        project
    )


FORGED_OR_STALE: dict[str, Callable[[Path], None]] = {
    "missing": lambda project: (project / "reports/gate.json").unlink(),
    "empty": lambda project: (project / "reports/gate.json").write_text(""),
    "a list": lambda project: (project / "reports/gate.json").write_text("[]"),
    "verdict block": _edit_gate(lambda result: result.update(verdict="block")),
    "verdict inconclusive": _edit_gate(lambda result: result.update(verdict="inconclusive")),
    "no verdict": _edit_gate(lambda result: result.pop("verdict")),
    "another model": _edit_gate(lambda result: result.update(model="0" * 64)),
    "other data": _edit_gate(lambda result: result.update(data="0" * 64)),
    "another policy": _edit_gate(lambda result: result.update(policy="0" * 64)),
    "no checks": _edit_gate(lambda result: result.update(checks=[])),
    "a check taken out": _edit_gate(lambda result: result["checks"].pop(0)),
    "a better value": _edit_gate(lambda result: result["checks"][0].update(value=0.99)),
    "a lower threshold": _edit_gate(lambda result: result["checks"][0].update(threshold=0.1)),
    "a blocked check among passed ones": _edit_gate(
        lambda result: result["checks"].append({**result["checks"][0], "name": "other", "status": "block"})
    ),
    "verdict turned around": _raise_floor_then_forge,
    "policy changed since": lambda project: edit_params(project, evaluate={"floors": {"roc_auc": 0.71}}),
    "model trained since": lambda project: (
        edit_params(project, train={"seed": 7}),
        succeed(invoke(project, "train")),
    ),
}


def test_a_bundle_of_other_data_than_are_here_is_refused(project: Path, run: Run) -> None:
    edit_params(project, prepare={"seed": 7})
    succeed(run("prepare"))
    assert_refused(run("register"), "the bundle is stale", "prepare.seed is 7", "lockgate reproduce")
    assert versions(project) == {}


@pytest.mark.parametrize("case", FORGED_OR_STALE)
def test_a_forged_or_stale_verdict_is_refused(project: Path, run: Run, case: str) -> None:
    FORGED_OR_STALE[case](project)
    assert_refused(run("register", "--promote"), "gate.json")
    assert versions(project) == {}


def test_forged_predictions_are_refused(project: Path, run: Run) -> None:
    """Better scores with the right names on them pass the gate, but not the second scoring."""
    import pyarrow.parquet as pq

    path = project / "reports/predictions.parquet"
    table = pq.read_table(path)
    forged = table.set_column(2, "y_score", [table["y_true"].to_pandas().astype(float) * 0.8 + 0.1])
    pq.write_table(forged.replace_schema_metadata(table.schema.metadata), path)
    succeed(run("gate"))
    assert_refused(run("register"), "gate.json", "own scores")
    assert versions(project) == {}


def test_a_bundle_from_dvcs_run_cache_is_registered_where_nobody_trained(
    project: Path, run: Run, tmp_path: Path
) -> None:
    for name in ("mlflow.db", "models/provenance.json"):
        (project / name).unlink()
    shutil.rmtree(project / "mlartifacts")
    succeed(run("register", "--promote"))
    assert versions(project) == {1: digest(project)}
    run_id = client(project).get_model_version(NAME, "1").run_id
    assert client(project).get_run(run_id).data.tags["lockgate.origin"] == "restored from DVC's cache"
    assert json.loads((project / "models/provenance.json").read_text())["restored"] is True
    before = digest(project)
    shutil.rmtree(project / "models")
    succeed(run("pull"))
    assert digest(project) == before


def test_a_damaged_store_is_neither_pulled_nor_promoted(champion: Path) -> None:
    (stored,) = (champion / "mlartifacts").rglob("bundle/model.json")
    stored.write_bytes(stored.read_bytes().replace(b"1", b"2", 1))
    before = tree(champion / "models")
    assert_refused(invoke(champion, "pull"), "model.json", "corrupted")
    assert_refused(invoke(champion, "promote", "1"), "model.json", "corrupted")
    assert tree(champion / "models") == before


def test_a_bundle_swapped_in_the_store_is_not_pulled(champion: Path) -> None:
    """Whole, consistent, and not what was registered."""
    (stored,) = (champion / "mlartifacts").rglob("bundle/manifest.json")
    stored.write_bytes(stored.read_bytes() + b" ")
    assert_refused(invoke(champion, "pull"), "not", digest(champion)[:12])


def test_a_model_that_does_not_give_its_golden_answers_is_not_pulled(champion: Path) -> None:
    """Somebody who may write to MLflow registers, with a verdict that fits, a bundle whose parts are of two models."""
    folder = stored(champion, "bundle/golden.json").parent
    golden = json.loads((folder / "golden.json").read_text())
    golden["probabilities"] = [1 - probability for probability in golden["probabilities"]]
    (folder / "golden.json").write_text(json.dumps(golden))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["golden.json"] = sha256((folder / "golden.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    registry = client(champion)
    registry.set_model_version_tag(
        NAME, "1", "lockgate.digest", sha256((folder / "manifest.json").read_bytes()).hexdigest()
    )
    path = stored(champion, "evidence/gate.json")
    forged = sha256((folder / "manifest.json").read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes().replace(digest(champion).encode(), forged.encode()))
    registry.set_model_version_tag(NAME, "1", "lockgate.gate", sha256(path.read_bytes()).hexdigest())
    before = tree(champion / "models")
    assert_refused(invoke(champion, "pull"), "golden rows another probability", "register it again")
    assert tree(champion / "models") == before


def test_an_unreachable_server_changes_nothing(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    before = tree(project / "models")
    for command in (["register"], ["promote", "1"], ["pull"]):
        assert_refused(run(*command), "MLflow at http://127.0.0.1:9")
    assert tree(project / "models") == before


def test_two_registrations_at_once_make_one_version_and_one_champion(project: Path) -> None:
    command = [sys.executable, "-m", "lockgate", "register", "--promote"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    both = [
        subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outcomes = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    assert versions(project) == {1: digest(project)}
    assert alias(project, "champion") == 1
