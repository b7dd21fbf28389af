"""`lockgate doctor`: a line for each thing, exit code 2 where something is broken, and nothing changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from dask_cluster import running_cluster
from fake_github import FakeGitHub
from support import edit_params, invoke, succeed, tree

from lockgate.cli import doctor
from lockgate.config.version import __version__

# Nobody listens there: a connection is refused at once.
NO_SERVER = "http://127.0.0.1:9"


def findings(folder: Path, code: int = 0) -> dict[str, list[str]]:
    """The lines by their subject, each with its state in front."""
    result = invoke(folder, "doctor")
    assert result.exit_code == code, result.output
    found: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        found.setdefault(line[:12].strip(), []).append(" ".join(line[12:].split()))
    return found


def broken(folder: Path, subject: str) -> str:
    """The one line that says what is broken, which is of this subject."""
    lines = [
        (name, line) for name, found in findings(folder, 2).items() for line in found if line.startswith("broken ")
    ]
    assert [name for name, _ in lines] == [subject], lines
    return lines[0][1]


@pytest.fixture
def dvc(tmp_path: Path) -> Path:
    """A DVC repository that tracks one file."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "loans.csv").write_text("a\n1\n")
    for command in (["git", "init"], ["dvc", "init"], ["dvc", "add", "loans.csv"]):
        subprocess.run([*command, "--quiet"], cwd=folder, check=True)
    return folder


def write_workflow(folder: Path, text: str) -> None:
    workflows = folder / ".github/workflows"
    workflows.mkdir(parents=True, exist_ok=True)
    (workflows / "pr.yml").write_text(text)


def test_an_empty_folder_is_no_fault_and_stays_empty(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert "lockgate init FILE" in found["settings"][0]
    assert f"lockgate {__version__}" in found["versions"][0]
    assert set(found) == set(doctor.CHECKS)
    assert tree(tmp_path) == {}


def test_the_engine_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(tmp_path)["engine"] == ["ok local: 2 threads"]
    monkeypatch.setenv("LOCKGATE_ENGINE", "dask")
    assert findings(tmp_path)["engine"] == ["ok dask: a stage starts 2 workers of 4GiB here"]


@pytest.mark.full
def test_a_scheduler_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dask").mkdir()
    (tmp_path / "project").mkdir()
    with running_cluster(tmp_path / "dask") as cluster:
        monkeypatch.setenv("LOCKGATE_ENGINE", "dask")
        monkeypatch.setenv("LOCKGATE_SCHEDULER", cluster.address)
        assert findings(tmp_path / "project")["engine"] == [
            f"ok dask: {cluster.address} answers; its workers have 2 threads"
        ]


def test_a_project_that_passed_its_gate(project: Path) -> None:
    before = tree(project)
    found = findings(project)
    assert "passed its gate" in found["bundle"][0]
    assert found["data"][0].startswith("ok ")
    assert found["mlflow"][0].endswith("mlflow.db answers")
    assert {name: content for name, content in tree(project).items() if not name.startswith("mlflow.db")} == {
        name: content for name, content in before.items() if not name.startswith("mlflow.db")
    }


def test_a_project_that_init_began(tmp_path: Path) -> None:
    rows = [f"{number},{number % 7},{int(number % 4 == 0)}" for number in range(1000)]
    (tmp_path / "loans.csv").write_text("\n".join(["loan_id,amount,defaulted", *rows]))
    succeed(invoke(tmp_path, "init", "loans.csv", "--yes", "--callers", "OWNER/lockgate"))
    found = findings(tmp_path)
    assert found["settings"] == ["ok params.yaml: source loans.csv, target defaulted"]
    assert found["workflows"][0].startswith("ok ")


class TestBroken:
    def test_settings_are_named_once(self, project: Path) -> None:
        edit_params(project, train={"max_deph": 3})
        assert "max_deph" in broken(project, "settings")

    def test_a_stale_bundle(self, project: Path) -> None:
        edit_params(project, train={"max_depth": 5})
        assert "train.max_depth is 5" in broken(project, "bundle")

    def test_a_verdict_on_another_model(self, project: Path) -> None:
        edit_params(project, train={"max_depth": 5})
        succeed(invoke(project, "train"))
        assert "another model" in broken(project, "bundle")

    def test_data_that_do_not_fit_their_schema(self, project: Path) -> None:
        (project / "data/test.parquet").write_bytes(b"no Parquet")
        assert "data/test.parquet" in broken(project, "data")

    def test_stages_that_do_not_watch_the_settings(self, project: Path) -> None:
        (project / "dvc.yaml").write_text("stages: {}\n")
        lines = findings(project, 2)["stages"]
        assert any("names no number of results" in line for line in lines)

    def test_a_library_that_the_model_needs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "params.yaml").write_text("train: {model: lightgbm}\n")
        monkeypatch.setattr(doctor, "is_installed", lambda module: module != "lightgbm")
        assert "pip install 'lockgate[lightgbm]'" in broken(tmp_path, "extras")

    def test_two_packages_of_one_module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_version", lambda package: "3.0.6")
        assert "xgboost-cpu" in broken(tmp_path, "versions")

    def test_evidently_beside_a_pandas_that_it_does_not_take(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed = {"evidently": "0.7.23", "pandas": "3.1.0"}
        monkeypatch.setattr(doctor, "_version", installed.get)
        assert "pandas 3.1.0" in broken(tmp_path, "versions")

    def test_a_server_that_does_not_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", NO_SERVER)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        assert NO_SERVER in broken(tmp_path, "mlflow")

    @pytest.mark.full
    def test_a_scheduler_that_does_not_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lockgate.engine.dask_engine.CONNECT_SECONDS", 1)
        monkeypatch.setenv("LOCKGATE_ENGINE", "dask")
        monkeypatch.setenv("LOCKGATE_SCHEDULER", "tcp://127.0.0.1:9")
        assert "tcp://127.0.0.1:9 cannot be reached" in broken(tmp_path, "engine")

    def test_an_engine_whose_package_is_not_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCKGATE_ENGINE", "dask")
        monkeypatch.setattr(doctor, "is_installed", lambda module: module != "distributed")
        assert "run pip install 'lockgate[dask]'" in broken(tmp_path, "engine")

    def test_an_engine_that_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCKGATE_ENGINE", "spark")
        assert "LOCKGATE_ENGINE is 'spark'" in broken(tmp_path, "engine")

    def test_a_workflow_that_calls_a_branch(self, tmp_path: Path) -> None:
        write_workflow(tmp_path, "jobs: {m: {uses: OWNER/lockgate/.github/workflows/model.yml@main}}\n")
        line = broken(tmp_path, "workflows")
        assert "pr.yml: the kit at main, which moves" in line

    def test_a_workflow_that_calls_a_branch_of_a_kit_with_another_name(self, tmp_path: Path) -> None:
        write_workflow(
            tmp_path,
            "jobs:\n  m: {uses: BANK/gate/.github/workflows/model.yml@v9.0.0}\n"
            "  d: {uses: BANK/gate/.github/actions/drift-report@main}\n"
            "  s: {uses: BANK/other/.github/workflows/image.yml@main}\n",
        )
        assert "pr.yml: the kit at main, which moves" in broken(tmp_path, "workflows")

    def test_settings_of_dvc_that_are_none(self, tmp_path: Path) -> None:
        (tmp_path / ".dvc").mkdir()
        for content in (b"no section\n", b"[core]\n\tremote = \xff\n"):
            (tmp_path / ".dvc/config").write_bytes(content)
            assert "correct .dvc/config" in broken(tmp_path, "dvc remote")

    def test_a_runner_that_is_too_old(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_workflow(tmp_path, "jobs:\n  m:\n    runs-on: [self-hosted]\n")
        program = tmp_path / "runner/bin/Runner.Listener"
        program.parent.mkdir(parents=True)
        monkeypatch.setenv("RUNNER_TEMP", str(tmp_path / "runner/_work/_temp"))
        for version, state in (("2.335.9", "broken"), ("2.336.0", "ok"), ("3.0.0", "ok")):
            program.write_text(f"#!/bin/sh\necho {version}\n")
            program.chmod(0o755)
            line = findings(tmp_path, 2 if state == "broken" else 0)["workflows"][-1]
            assert line.startswith(f"{state} this runner is of version {version}")

    def test_workflows_that_an_enterprise_server_cannot_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example.com")
        write_workflow(tmp_path, "jobs: {m: {steps: [{uses: OWNER/lockgate@v1}]}}\n")
        assert "pr.yml: the root action at v1" in findings(tmp_path)["workflows"][0]
        write_workflow(tmp_path, f"jobs: {{m: {{uses: OWNER/lockgate/.github/workflows/model.yml@{'a' * 40}}}}}\n")
        assert "call the root action there" in broken(tmp_path, "github")

    def test_an_exception_to_the_policy_that_has_ended(self, tmp_path: Path) -> None:
        params = "gate: {exception: {reason: why, approved_by: who, until: %s}}\n"
        (tmp_path / "params.yaml").write_text(params % "9999-12-31")
        assert findings(tmp_path)["settings"][-1].startswith("note gate.exception holds until 9999-12-31")
        (tmp_path / "params.yaml").write_text(params % "2026-01-01")
        assert "ended on 2026-01-01" in broken(tmp_path, "settings")

    def test_a_remote_that_cannot_be_asked(self, dvc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for arguments in (["add", "--default", "far", "s3://bucket/x"], ["modify", "far", "endpointurl", NO_SERVER]):
            subprocess.run(["dvc", "remote", *arguments, "--quiet"], cwd=dvc, check=True)
        line = broken(dvc, "dvc remote")
        assert "the remote far (s3://bucket/x) cannot be asked: " in line
        assert "credentials" in line


class TestNoted:
    def test_what_a_remote_lacks(self, dvc: Path, tmp_path: Path) -> None:
        subprocess.run(["dvc", "remote", "add", "--default", "near", str(tmp_path / "remote")], cwd=dvc, check=True)
        assert "lacks 1 of the files here" in findings(dvc)["dvc remote"][0]
        subprocess.run(["dvc", "push", "--quiet"], cwd=dvc, check=True)
        assert findings(dvc)["dvc remote"][0].startswith("ok ")

    @pytest.mark.parametrize(
        ("ref", "state"), [(f"v{__version__}", "ok"), ("v0.0.1", "note"), ("0123456789" * 4, "ok")]
    )
    def test_the_version_that_workflows_call(self, tmp_path: Path, ref: str, state: str) -> None:
        write_workflow(tmp_path, f"jobs: {{m: {{uses: OWNER/lockgate/.github/workflows/model.yml@{ref}}}}}\n")
        assert findings(tmp_path)["workflows"][0].startswith(f"{state} pr.yml: the kit at ")

    def test_workflows_that_do_not_call_the_kit(self, tmp_path: Path) -> None:
        write_workflow(tmp_path, "jobs: {m: {uses: OWNER/other/.github/workflows/tests.yml@main}}\n")
        assert findings(tmp_path)["workflows"] == [
            "note none in .github/workflows/ calls the kit; `lockgate init FILE --callers OWNER/NAME` writes the callers"
        ]

    def test_a_runner_that_does_not_say_its_version(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_workflow(tmp_path, "jobs:\n  m:\n    runs-on: [self-hosted]\n")
        program = tmp_path / "runner/bin/Runner.Listener"
        program.parent.mkdir(parents=True)
        program.write_text("not executable")
        monkeypatch.setenv("RUNNER_TEMP", str(tmp_path / "runner/_work/_temp"))
        assert findings(tmp_path)["workflows"][-1].startswith("note self-hosted runners have to be of version")

    def test_runners_of_ones_own(self, tmp_path: Path) -> None:
        write_workflow(tmp_path, "jobs:\n  m:\n    runs-on: [self-hosted]\n")
        assert any("2.336.0" in line for line in findings(tmp_path)["workflows"])

    def test_github_enterprise_server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example.com")
        assert "Enterprise Server" in findings(tmp_path)["github"][0]

    @pytest.mark.parametrize(
        ("may_push", "words"), [(True, "ok the token may write to"), (False, "note the token may read")]
    )
    def test_what_the_token_may(self, tmp_path: Path, fake_github: FakeGitHub, may_push: bool, words: str) -> None:
        fake_github.state["may_push"] = may_push
        assert findings(tmp_path)["github"][0].startswith(f"{words} {fake_github.state['repository']}")

    def test_a_shallow_clone(self, dvc: Path, tmp_path: Path) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
        for message in ("One", "Two"):
            subprocess.run(["git", *names, "commit", "--quiet", "--allow-empty", "-m", message], cwd=dvc, check=True)
        subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{dvc}", tmp_path / "clone"], check=True)
        assert "--unshallow" in findings(tmp_path / "clone")["git"][0]
