"""`lockgate ci judge` on what another job measured: whose champion, whose policy, whose word."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import Result
from support import assert_refused, edit_params, invoke, succeed

from lockgate.ci.hand_over import pack_champion, pack_project, read_champion
from lockgate.config.files import sha256_bytes
from lockgate.documents.manifest_json import Manifest, Source
from lockgate.documents.schema_json import Schema
from lockgate.documents.test_set_history_json import DecisionHistory, PastDecision
from lockgate.model.bundle import BESIDE, verify_bundle

if TYPE_CHECKING:
    from fake_github import FakeGitHub

OTHER_TEST_SET = PastDecision("f" * 64, "e" * 64, "d" * 64, "pass")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Job:
    """The job `judge`: a clean checkout of a merge, and what the jobs before it left."""

    def __init__(self, project: Path, folder: Path, base_has_params: bool = True) -> None:
        self.measured, self.champion, self.checkout = folder / "measured", folder / "champion", folder / "checkout"
        pack_project(project, self.measured)
        self.checkout.mkdir()
        git(folder, "init", "--quiet", "--initial-branch", "main", str(self.checkout))
        if base_has_params:
            shutil.copy2(project / "params.yaml", self.checkout)
        self.base = self.commit()
        git(self.checkout, "switch", "--quiet", "--create", "change")
        shutil.copy2(project / "params.yaml", self.checkout)
        self.commit()
        git(self.checkout, "switch", "--quiet", "main")

    def commit(self) -> str:
        git(self.checkout, "add", "--all")
        git(self.checkout, "commit", "--quiet", "--allow-empty", "--message", "x")
        return git(self.checkout, "rev-parse", "HEAD")

    def move_main(self, **sections: dict[str, Any]) -> None:
        """Another change is merged before this one."""
        edit_params(self.checkout, **sections)
        self.base = self.commit()

    def store(self, github: FakeGitHub, artifact: str, files: dict[str, bytes], **run: Any) -> None:
        """What an earlier run left: a push of the base commit to main, unless `run` says otherwise."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        runs = github.state.setdefault("runs", [])
        artifacts = github.state.setdefault("artifacts", [])
        number = len(runs) + 1
        runs.append({"id": number, "head_sha": self.base, "head_branch": "main", "event": "push", **run})
        content = base64.b64encode(stream.getvalue()).decode()
        artifacts.append({"id": 100 + number, "run": number, "name": artifact, "content": content})

    def judge(self, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
        """Merge the change into main as it is now, and judge that."""
        git(self.checkout, "switch", "--quiet", "--detach", "main")
        git(self.checkout, "merge", "--quiet", "--no-ff", "--no-edit", "change")
        folder = self.checkout.parent
        event = folder / "event.json"
        event.write_text(json.dumps({"repository": {"default_branch": "main"}}))
        for name, value in {
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_SHA": git(self.checkout, "rev-parse", "HEAD"),
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_OUTPUT": str(folder / "outputs"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(folder),
        }.items():
            monkeypatch.setenv(name, value)
        return invoke(
            self.checkout,
            *("ci", "judge", "--default-branch=main", f"--measured={self.measured}", f"--report={folder / 'report'}"),
            *options,
        )

    @property
    def outputs(self) -> dict[str, str]:
        """The last value of each output."""
        return dict(line.split("=", 1) for line in (self.checkout.parent / "outputs").read_text().splitlines())

    @property
    def summary(self) -> str:
        return (self.checkout.parent / "summary").read_text()

    def report(self, name: str) -> Any:
        return json.loads((self.checkout.parent / "report" / name).read_text())

    def check(self, name: str) -> Any:
        return next(one for one in self.report("gate.json")["checks"] if one["name"] == name)


@pytest.fixture
def job(project: Path, tmp_path: Path) -> Job:
    """A project whose champion is the base commit's model."""
    edit_params(project, gate={"champion": {"source": "base"}})
    (tmp_path / "job").mkdir()
    return Job(project, tmp_path / "job")


@pytest.fixture
def bundle(project: Path) -> dict[str, bytes]:
    """The files of the project's bundle, as the artifact `bundle` has them."""
    return {path.name: path.read_bytes() for path in (project / "models").iterdir() if path.name not in BESIDE}


class TestWithoutAHandOver:
    def test_it_says_that_earlier_steps_of_its_job_could_have_forged_the_verdict(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copy2(project / "reports/predictions.parquet", tmp_path / "scores.parquet")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
        succeed(
            invoke(
                tmp_path,
                "ci",
                "judge",
                "--predictions=scores.parquet",
                "--first-model=true",
                f"--report={tmp_path / 'report'}",
            )
        )
        assert "Judged in one job with whatever ran before it" in (tmp_path / "summary").read_text()

    def test_and_nothing_of_the_kind_with_one(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        succeed(job.judge(monkeypatch))
        assert "whatever ran before it" not in job.summary


class TestChampion:
    def test_the_one_that_the_base_commits_run_stored(
        self, job: Job, bundle: dict[str, bytes], fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.store(fake_github, "bundle", bundle)
        succeed(job.judge(monkeypatch))
        assert job.outputs["verdict"] == "pass"
        assert "model unchanged" in job.check("champion")["reason"]
        assert job.report("gate.json")["model"] == verify_bundle(job.measured.parent / "checkout/models").digest
        assert {"metrics.json", "drift.json", "train.json", "schema.json", "manifest.json"} <= {
            path.name for path in (job.checkout.parent / "report").iterdir()
        }
        assert (
            f"Measured against the base commit `{job.base[:12]}`: it is what the change was merged into." in job.summary
        )
        assert "is the word of the project's `prepare`. Artifacts of a public repository are public." in job.summary

    @pytest.mark.parametrize(
        "run",
        [
            {"event": "pull_request"},
            {"head_branch": "change"},
            {"head_sha": "a" * 40},
            {"path": ".github/workflows/ci.yml"},
        ],
        ids=lambda run: next(iter(run)),
    )
    def test_no_other_run_is_believed(
        self,
        job: Job,
        bundle: dict[str, bytes],
        fake_github: FakeGitHub,
        monkeypatch: pytest.MonkeyPatch,
        run: dict[str, str],
    ) -> None:
        job.store(fake_github, "bundle", bundle, **run)
        job.store(fake_github, "bundle-other", bundle)
        succeed(job.judge(monkeypatch))
        assert (job.outputs["verdict"], job.check("champion")["status"]) == ("block", "block")
        assert f"no run stored the model of the base commit {job.base[:12]}" in job.summary

    def test_the_one_that_a_job_reproduced_where_there_is_no_token(
        self, job: Job, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack_champion(verify_bundle(project / "models"), project / "data/test.parquet", job.champion)
        judged = succeed(job.judge(monkeypatch, f"--champion-bundle={job.champion}"))
        assert job.outputs["verdict"] == "pass"
        assert "as the job `champion` reproduced it" in judged.stdout

    def test_a_reproduced_one_that_was_changed_is_none(
        self, job: Job, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack_champion(verify_bundle(project / "models"), project / "data/test.parquet", job.champion)
        (job.champion / "models/model.onnx").write_bytes(b"other")
        succeed(job.judge(monkeypatch, f"--champion-bundle={job.champion}"))
        assert job.outputs["verdict"] == "block"
        assert "is corrupted" in job.summary


class TestNewData:
    """A change that brings other data than the base commit's model knows, of which only the run's bundle is left."""

    @pytest.fixture
    def job(self, job: Job, project: Path, tmp_path: Path) -> Job:
        """The change is judged as if main's model had predicted something else."""
        self.base = Path(shutil.copytree(project, tmp_path / "base"))
        return job

    def store(self, job: Job, github: FakeGitHub, **origin: Any) -> None:
        """The base commit's run stored a model with the target `bad`."""
        models = self.base / "models"
        schema = msgspec.structs.replace(Schema.read_file(models / "schema.json"), target="bad").to_bytes()
        manifest = Manifest.read_file(models / "manifest.json")
        assert manifest.origin is not None
        manifest = msgspec.structs.replace(
            manifest,
            files={**manifest.files, "schema.json": sha256_bytes(schema)},
            origin=msgspec.structs.replace(manifest.origin, **origin),
        )
        (models / "schema.json").write_bytes(schema)
        (models / "manifest.json").write_bytes(manifest.to_bytes())
        files = {path.name: path.read_bytes() for path in models.iterdir() if path.name not in BESIDE}
        job.store(github, "bundle", files)

    def test_after_synthetic_data_get_a_verdict_by_the_thresholds(
        self, job: Job, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.store(job, fake_github)
        succeed(job.judge(monkeypatch))
        assert (job.outputs["verdict"], job.check("champion")["status"]) == ("pass", "not-applicable")
        assert job.report("gate.json")["new_data"]["champion"] == verify_bundle(self.base / "models").digest
        assert "by the thresholds alone on data defined anew" in job.summary
        assert "the target is `default`, the champion's was `bad`" in job.check("champion")["reason"]

    def test_after_others_block_unless_mains_policy_says_otherwise(
        self, job: Job, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the change's own policy says does not count."""
        git(job.checkout, "switch", "--quiet", "change")
        edit_params(job.checkout, gate={"champion": {"source": "base", "new_data": "thresholds"}})
        job.commit()
        git(job.checkout, "switch", "--quiet", "main")
        self.store(job, fake_github, source=Source("loans.csv", "5e" * 32))
        succeed(job.judge(monkeypatch))
        assert (job.outputs["verdict"], job.check("champion")["status"]) == ("block", "block")
        assert "`gate.champion.new_data: thresholds` in the policy that judges" in job.check("champion")["reason"]

    def test_of_another_definition_need_no_reproduction(
        self, job: Job, project: Path, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.store(job, fake_github)
        assert TestFindChampion().find(job, project, monkeypatch) == "false"

    def test_of_another_source_alone_are_held_against_the_base_commits_rows(
        self, job: Job, project: Path, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether rows are in both only those tell."""
        manifest = Manifest.read_file(project / "models/manifest.json")
        assert manifest.origin is not None
        origin = msgspec.structs.replace(manifest.origin, source=Source("loans.csv", "5e" * 32))
        stored = msgspec.structs.replace(manifest, origin=origin).to_bytes()
        files = {path.name: path.read_bytes() for path in (project / "models").iterdir() if path.name not in BESIDE}
        job.store(fake_github, "bundle", {**files, "manifest.json": stored})
        assert TestFindChampion().find(job, project, monkeypatch) == "true"


class TestPolicy:
    def test_is_mains_of_today_and_the_author_is_not_blamed(
        self, job: Job, bundle: dict[str, bytes], fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.move_main(evaluate={"floors": {"roc_auc": 0.99}})
        job.store(fake_github, "bundle", bundle)
        succeed(job.judge(monkeypatch))
        assert (job.outputs["verdict"], job.outputs["policy-changed"]) == ("block", "false")
        assert job.check("roc_auc floor")["threshold"] == 0.99
        assert job.report("policy.json")["changes"] == []

    def test_overrides_are_those_of_the_job_that_measured(
        self, job: Job, bundle: dict[str, bytes], fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bundle that was trained with others than these is stale."""
        job.store(fake_github, "bundle", bundle)
        succeed(job.judge(monkeypatch, "--override=train.max_depth=5"))
        assert job.outputs["verdict"] == "block"
        assert any("train.max_depth is 5 in params.yaml" in reason for reason in job.report("gate.json")["stale"])
        assert_refused(job.judge(monkeypatch, "--override=gate.decide_on=point"), "which judges the model")
        assert job.outputs["verdict"] == "error"

    def test_a_base_without_params_makes_a_first_model(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "job").mkdir()
        job = Job(project, tmp_path / "job", base_has_params=False)
        succeed(job.judge(monkeypatch))
        assert job.outputs["verdict"] == "pass"
        assert f"The base commit `{job.base[:12]}` has no params.yaml: this is the first model." in job.summary


class TestNothingToJudge:
    @pytest.mark.parametrize("result", ["failure", "cancelled", "skipped"])
    def test_where_nothing_was_measured_the_verdict_is_an_error_with_a_report(
        self, job: Job, monkeypatch: pytest.MonkeyPatch, result: str
    ) -> None:
        (job.checkout / "reports").mkdir()
        (job.checkout / "reports/gate.json").write_text('{"verdict": "pass"}')
        (job.checkout / "reports/metrics.json").write_text('{"roc_auc": 1.0}')
        judged = job.judge(monkeypatch, f"--measured-result={result}")
        assert_refused(judged, f"nothing was measured: the job `measure` ended with {result}")
        assert job.outputs["verdict"] == "error"
        assert [path.name for path in (job.checkout.parent / "report").iterdir()] == ["policy.json"]

    def test_what_is_not_the_kits_is_refused(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        (job.measured / "reports/gate.json").write_text('{"verdict": "pass"}')
        assert_refused(job.judge(monkeypatch), "nobody hands over 'reports/gate.json'")
        assert job.outputs["verdict"] == "error"
        assert [path.name for path in (job.checkout.parent / "report").iterdir()] == ["policy.json"]


class TestTable:
    def test_is_the_one_that_was_handed_over(self, job: Job, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import pandas as pd

        shutil.rmtree(job.measured)
        (job.measured / "predictions").mkdir(parents=True)
        table = pd.read_parquet(project / "reports/predictions.parquet", columns=["y_true", "y_score"])
        table.to_csv(job.measured / "predictions/scores.csv", index=False)
        succeed(job.judge(monkeypatch, "--predictions=scores/scores.csv", "--champion=none"))
        assert job.outputs["verdict"] == "pass"
        assert job.report("gate.json")["predictions"] == "scores/scores.csv"
        assert {path.name for path in (job.checkout.parent / "report").iterdir()} == {
            "gate.json",
            "metrics.json",
            "policy.json",
        }


class TestHistory:
    def test_is_the_default_branchs_newest_beside_the_commits(
        self, job: Job, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = DecisionHistory(decisions=(OTHER_TEST_SET,)).to_bytes()
        job.store(fake_github, "test-set-history", {"test_set_history.json": known})
        for run in ({"path": ".github/workflows/ci.yml"}, {"event": "workflow_dispatch"}, {"head_branch": "change"}):
            job.store(fake_github, "test-set-history", {"test_set_history.json": b"{}"}, **run)
        job.store(fake_github, "test-set-history-other", {"test_set_history.json": b"{}"})
        succeed(job.judge(monkeypatch, "--first-model=true"))
        kept = DecisionHistory.read_file(job.checkout / "reports/test_set_history.json").decisions
        assert OTHER_TEST_SET in kept
        assert len(kept) == 2

    def test_a_broken_one_is_a_warning(
        self, job: Job, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job.store(fake_github, "test-set-history", {"test_set_history.json": b"{}"})
        judged = succeed(job.judge(monkeypatch, "--first-model=true"))
        assert "decisions that were taken before are not counted" in judged.stderr
        assert job.outputs["verdict"] == "pass"


class TestFindChampion:
    def find(self, job: Job, project: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
        """The output `reproduce`, in the job that measured."""
        job.judge(monkeypatch, "--measured-result=failure")
        for name in ("data", "models"):
            shutil.copytree(project / name, job.checkout / name)
        succeed(invoke(job.checkout, "ci", "find-champion", "--default-branch=main", *options))
        return job.outputs["reproduce"]

    def test_a_stored_one_need_not_be_reproduced(
        self,
        job: Job,
        project: Path,
        bundle: dict[str, bytes],
        fake_github: FakeGitHub,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        job.store(fake_github, "bundle", bundle)
        assert self.find(job, project, monkeypatch) == "false"

    def test_a_stored_one_that_does_not_take_these_rows_does(
        self,
        job: Job,
        project: Path,
        bundle: dict[str, bytes],
        fake_github: FakeGitHub,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        import pandas as pd

        job.store(fake_github, "bundle", bundle)
        rows = pd.read_parquet(project / "data/test.parquet")
        rows.drop(columns=rows.columns[0]).to_parquet(project / "data/test.parquet", index=False)
        assert self.find(job, project, monkeypatch) == "true"

    @pytest.mark.parametrize(
        ("options", "reproduce"), [((), "true"), (("--champion=none",), "false"), (("--first-model=true",), "false")]
    )
    def test_where_none_is_stored_the_policy_decides(
        self,
        job: Job,
        project: Path,
        fake_github: FakeGitHub,
        monkeypatch: pytest.MonkeyPatch,
        options: tuple[str, ...],
        reproduce: str,
    ) -> None:
        assert self.find(job, project, monkeypatch, *options) == reproduce


class TestReproduceChampion:
    def test_of_a_project_in_a_folder_of_its_repository(self, project: Path, tmp_path: Path) -> None:
        folder = tmp_path / "repository/credit"
        folder.mkdir(parents=True)
        git(tmp_path, "init", "--quiet", str(folder.parent))
        shutil.copy2(project / "params.yaml", folder)
        copied = (
            f"mkdir models && cp {project}/models/* models && rm -f models/provenance.json && cp -r {project}/data data"
        )
        (folder / "dvc.yaml").write_text(f"stages:\n  train:\n    cmd: {copied}\n    outs:\n      - data\n")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "x")
        (folder / "params.yaml").write_text("not the commit's")
        succeed(invoke(folder, "ci", "reproduce-champion", "--base=HEAD", f"--hand-over={tmp_path / 'champion'}"))
        bundle, rows = read_champion(tmp_path / "champion")
        assert bundle.digest == verify_bundle(project / "models").digest
        assert rows.read_bytes() == (project / "data/test.parquet").read_bytes()
        assert git(folder, "worktree", "list").count("\n") == 0

    def test_needs_a_base(self, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("GITHUB_EVENT_NAME", raising=False)
        assert_refused(
            invoke(project, "ci", "reproduce-champion", f"--hand-over={tmp_path / 'champion'}"),
            "there is no base commit to reproduce: no event says what came before",
        )
