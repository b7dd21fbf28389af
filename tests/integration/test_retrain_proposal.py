"""A retrained model on a GitHub: one branch, one pull request, one answer, and nothing for a model that was blocked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fake_github import FakeGitHub
from fake_github.faults import Fault
from ruamel.yaml import YAML
from support import assert_refused, invoke, succeed

from lockgate.documents.nightly_json import Decision, NightlyDecision, NightlyRun

RUN, ISSUE = 77, 5
REPORTS = ("gate", "metrics", "train")


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=ann", "-c", "user.email=ann@example.invalid")
    ran = subprocess.run(["git", "-C", folder, *author, *arguments], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


@pytest.fixture
def remote(fake_github: FakeGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository as GitHub has it, with one commit on main and an issue about drift."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch", "main")
    (work / "params.yaml").write_text("train: {max_depth: 4}\n")
    (work / "dvc.lock").write_text("stages: {}\n")
    (work / "README.md").write_text("a project\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "Begin")
    folder = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(work), str(folder))
    fake_github.state["git_dir"] = str(folder)
    fake_github.state["issues"] = [{"id": 1, "number": ISSUE, "title": "drift", "labels": ["drift"], "state": "open"}]
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    monkeypatch.setenv("GITHUB_SHA", git(folder, "rev-parse", "main"))
    monkeypatch.setenv("GITHUB_RUN_ID", str(RUN))
    return folder


@pytest.fixture
def artifact(tmp_path: Path, trained_project: Path) -> Path:
    """What the training job hands over: a model that passed."""
    return make_artifact(tmp_path / "artifact", trained_project)


def make_artifact(folder: Path, trained_project: Path, verdict: str = "pass") -> Path:
    """The trained project's own files; for another verdict than theirs, a check is made to deserve it."""
    for name in ("models/manifest.json", "models/schema.json", *(f"reports/{name}.json" for name in REPORTS)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(trained_project / name, folder / name)
    gate = json.loads((folder / "reports/gate.json").read_text())
    assert gate["verdict"] == "pass"
    gate["verdict"] = verdict
    gate["checks"][0]["status"] = verdict
    (folder / "reports/gate.json").write_text(json.dumps(gate))
    (folder / "params.yaml").write_text("train: {max_depth: 5}\n")
    md5 = hashlib.md5((folder / "models/manifest.json").read_bytes()).hexdigest()  # noqa: S324
    lock = {"stages": {"train": {"outs": [{"path": "models/manifest.json", "md5": md5}]}}}
    with (folder / "dvc.lock").open("w") as stream:
        YAML().dump(lock, stream)
    return folder


def propose(artifact: Path, *options: str, issue: int | None = ISSUE) -> Result:
    asked = ("--issue", str(issue)) if issue else ()
    return invoke(artifact.parent, "retrain", "propose", "--folder", str(artifact), *asked, *options)


def branches(remote: Path) -> list[str]:
    return [
        name
        for name in git(remote, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        if name != "main"
    ]


def comments(fake: FakeGitHub, issue: int = ISSUE) -> list[str]:
    return [comment["body"] for comment in fake.state.get("comments", []) if comment["issue"] == issue]


def test_a_pass_becomes_a_branch_a_status_and_one_pull_request_with_the_report(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    succeed(propose(artifact))

    (branch,) = branches(remote)
    assert git(remote, "diff", "--name-only", "main", branch).split() == ["dvc.lock", "params.yaml"]
    assert git(remote, "show", f"{branch}:params.yaml") == "train: {max_depth: 5}"
    assert git(remote, "rev-list", "--count", f"main..{branch}") == "1"
    (status,) = fake_github.state["statuses"]
    assert (status["sha"], status["state"], status["context"]) == (
        git(remote, "rev-parse", branch),
        "success",
        "lockgate gate",
    )
    (pull,) = fake_github.state["pulls"]
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (branch, "main")
    assert "✅ Gate passed" in pull["body"]
    assert f"actions/runs/{RUN}" in pull["body"]
    (answer,) = comments(fake_github)
    assert f"passed the gate: #{pull['number']}" in answer


def add_night(fake: FakeGitHub, run: int, **decided: Any) -> None:
    """The artifact of a nightly run on main, with what it decided."""
    decision = Decision(state="alarm", alarmed=2, judged=2, k=2, n=3, began=None, **decided)
    time = datetime(2026, 11, run, tzinfo=UTC)
    this = NightlyRun(
        run=run, attempt=1, time=time, model="a" * 64, status="alert", rows=9, moved=1, worst="", psi=None
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        document = NightlyDecision(decision=decision, run=this, problems=(), issue=None)
        archive.writestr("nightly.json", document.to_bytes())
    content = base64.b64encode(stream.getvalue()).decode()
    fake.state.setdefault("runs", []).append({"id": run, "head_sha": "c" * 40, "head_branch": "main"})
    fake.state.setdefault("artifacts", []).append({"id": 700 + run, "run": run, "name": "drift", "content": content})


def test_the_retrain_says_why_it_was_called_and_no_name_in_the_reason_is_markdown(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    add_night(fake_github, 1, retrain=True, fact="an older reason")
    add_night(fake_github, 2, retrain=True, fact="The model no longer ranks: <b>ROC-AUC</b> 0.577, says @octocat")
    add_night(fake_github, 3, fact="The batch is stale")  # which no training answers
    succeed(propose(artifact))

    (pull,), (answer,) = fake_github.state["pulls"], comments(fake_github)
    for text in (pull["body"], answer):
        assert "The model no longer ranks: &#60;b&#62;ROC-AUC&#60;/b&#62; 0.577, says @\u2060octocat." in text
        assert "older reason" not in text
        assert "stale" not in text.split("passed the gate")[0]
    assert f"It is for #{ISSUE}, which says: The model no longer ranks" in pull["body"]


def test_a_retrain_by_hand_or_without_a_night_has_no_reason(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    fake_github.faults.plan("actions/list-artifacts-for-repo", Fault(403))
    ended = succeed(propose(artifact))
    assert "why this retrain was called could not be read" in ended.stderr
    assert f"It is for #{ISSUE}." in fake_github.state["pulls"][0]["body"]
    assert "called for this" not in comments(fake_github)[0]


def test_what_the_judge_packs_is_what_is_proposed(
    fake_github: FakeGitHub, remote: Path, artifact: Path, trained_project: Path, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(trained_project, checkout)
    for name in ("params.yaml", "dvc.lock"):
        shutil.copy(artifact / name, checkout)
    for folder, etag in ((checkout, "1"), (tmp_path / "imports", "2")):
        folder.mkdir(exist_ok=True)
        (folder / "loans.csv.dvc").write_text(f"deps:\n- path: https://data.example/loans.csv\n  etag: '{etag}'\n")
    imports = ("--dvc-update", "loans.csv.dvc", "--imports", str(tmp_path / "imports"))
    succeed(invoke(checkout, "retrain", "pack", *imports, "--folder", str(tmp_path / "packed")))
    succeed(propose(tmp_path / "packed"))

    (branch,) = branches(remote)
    assert git(remote, "diff", "--name-only", "main", branch).split() == ["dvc.lock", "loans.csv.dvc", "params.yaml"]
    assert "etag: '2'" in git(remote, "show", f"{branch}:loans.csv.dvc")
    assert "✅ Gate passed" in fake_github.state["pulls"][0]["body"]


def test_of_several_models_each_has_its_folder_status_and_title(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    named = ("--working-directory", "./models/cards", "--name", "cards")
    succeed(propose(artifact, *named))

    (branch,) = branches(remote)
    changed = git(remote, "diff", "--name-only", "main", branch).split()
    assert changed == ["models/cards/dvc.lock", "models/cards/params.yaml"]
    assert fake_github.state["statuses"][0]["context"] == "lockgate gate-cards"
    (pull,) = fake_github.state["pulls"]
    assert pull["title"].startswith("Retrain of cards: model ")
    succeed(propose(artifact, *named))
    assert len(fake_github.state["pulls"]) == 1

    git(remote, "update-ref", "refs/heads/main", branch)
    succeed(propose(artifact, *named, "--commit", git(remote, "rev-parse", "main")))
    assert "already has" in comments(fake_github)[-1]


@pytest.mark.parametrize("folder", ["/etc", "../other", "a/../../b"])
def test_a_folder_outside_of_the_repository_is_refused(
    fake_github: FakeGitHub, remote: Path, artifact: Path, folder: str
) -> None:
    assert_refused(propose(artifact, "--working-directory", folder), "working-directory")
    assert not branches(remote)


def test_the_same_retrain_again_changes_nothing(fake_github: FakeGitHub, remote: Path, artifact: Path) -> None:
    succeed(propose(artifact))
    head = git(remote, "rev-parse", branches(remote)[0])
    pulls = [dict(pull) for pull in fake_github.state["pulls"]]
    succeed(propose(artifact))

    assert git(remote, "rev-parse", branches(remote)[0]) == head
    assert fake_github.state["pulls"] == pulls
    assert len(comments(fake_github)) == 1


def test_what_somebody_added_to_the_branch_stays(fake_github: FakeGitHub, remote: Path, artifact: Path) -> None:
    succeed(propose(artifact))
    (branch,) = branches(remote)
    theirs = git(remote, "commit-tree", f"{branch}^{{tree}}", "-p", branch, "-m", "A word of mine")
    git(remote, "update-ref", f"refs/heads/{branch}", theirs)
    succeed(propose(artifact))

    assert git(remote, "rev-parse", branch) == theirs
    assert len(fake_github.state["pulls"]) == 1


def test_a_branch_of_that_name_with_another_model_is_left_alone(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    digest = hashlib.sha256((artifact / "models/manifest.json").read_bytes()).hexdigest()
    git(remote, "update-ref", f"refs/heads/lockgate/retrain-{digest[:12]}", "main")
    succeed(propose(artifact))

    assert branches(remote) == [f"lockgate/retrain-{digest[:12]}", f"lockgate/retrain-{digest[:12]}-{RUN}"]
    assert git(remote, "rev-parse", branches(remote)[0]) == git(remote, "rev-parse", "main")
    assert fake_github.state["pulls"][0]["head"]["ref"] == branches(remote)[1]


@pytest.mark.parametrize("status", [403, 422])
def test_where_pull_requests_are_forbidden_an_issue_carries_the_compare_link(
    fake_github: FakeGitHub, remote: Path, artifact: Path, status: int
) -> None:
    said = "GitHub Actions is not permitted to create or approve pull requests."
    fake_github.faults.plan("pulls/create", Fault(status, message=said), times=2)
    succeed(propose(artifact))
    succeed(propose(artifact))

    (branch,) = branches(remote)
    made = [issue for issue in fake_github.state["issues"] if issue["number"] != ISSUE]
    assert len(made) == 1
    assert f"https://github.com/acme/credit/compare/main...{branch}?expand=1" in made[0]["body"]
    assert len(comments(fake_github)) == 1
    assert not fake_github.state.get("pulls")


@pytest.mark.parametrize("verdict", ["block", "inconclusive"])
def test_a_block_pushes_nothing_and_says_so(
    fake_github: FakeGitHub, remote: Path, tmp_path: Path, trained_project: Path, verdict: str
) -> None:
    assert_refused(
        propose(make_artifact(tmp_path / "artifact", trained_project, verdict)), "nothing was pushed", code=3
    )

    assert not branches(remote)
    assert not fake_github.state.get("pulls")
    (answer,) = comments(fake_github)
    assert "did not let it pass" in answer
    assert {request.method for request in fake_github.requests} <= {"GET", "POST"}
    assert [request.operation for request in fake_github.requests if request.method == "POST"] == [
        "issues/create-comment"
    ]


def test_a_forged_pass_beside_a_blocking_check_pushes_nothing(
    fake_github: FakeGitHub, remote: Path, tmp_path: Path, trained_project: Path
) -> None:
    artifact = make_artifact(tmp_path / "artifact", trained_project, "block")
    gate = artifact / "reports/gate.json"
    gate.write_text(gate.read_text().replace('"verdict": "block"', '"verdict": "pass"'))
    assert_refused(propose(artifact), "nothing was pushed", code=3)

    assert not branches(remote)


def test_the_model_the_branch_has_already_is_not_proposed(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    succeed(propose(artifact))
    git(remote, "update-ref", "refs/heads/main", branches(remote)[0])
    fake_github.state["pulls"] = []
    commit = git(remote, "rev-parse", "main")
    succeed(propose(artifact, "--commit", commit))

    assert not fake_github.state["pulls"]
    assert "already has" in comments(fake_github)[-1]


def test_without_a_wish_for_a_pull_request_nothing_is_pushed(
    fake_github: FakeGitHub, remote: Path, artifact: Path
) -> None:
    succeed(propose(artifact, "--no-pull-request"))

    assert not branches(remote)


def cml(folder: Path, url: str, behaviour: str) -> Path:
    """A stand-in for CML 0.20.6's `cml pr create` on a branch that exists; `behaviour` is what it does then."""
    program = folder / "cml"
    program.write_text(
        f"""#!{sys.executable}
import json, os, sys, urllib.request
given = dict(part[2:].split("=", 1) for part in sys.argv[3:])
assert sys.argv[1:3] == ["pr", "create"] and given["driver"] == "github", sys.argv
assert os.environ["HOME"] == os.getcwd() and os.path.isdir(".git") and "MARKER" not in os.environ
def post(**body):
    request = urllib.request.Request("{url}/repos/acme/credit/pulls", json.dumps(body).encode(), method="POST",
        headers={{"Authorization": "token " + os.environ["REPO_TOKEN"]}})
    print(json.load(urllib.request.urlopen(request))["html_url"])
{behaviour}
"""
    )
    program.chmod(0o755)
    return program


OPENS = 'post(head=given["branch"], base=given["target-branch"], title=given["title"], body=given["body"])'


@pytest.mark.parametrize(
    ("behaviour", "posts"),
    [
        (OPENS, 1),
        (OPENS.replace('given["body"]', '"Automated commits created by CML."'), 1),
        (OPENS + "\nsys.exit(1)", 1),
        ("sys.exit(1)", 1),
        ("print('https://github.com/acme/credit/pull/1')", 1),  # says so, and did not
    ],
)
def test_whatever_cml_does_there_is_one_pull_request_with_the_report(
    fake_github: FakeGitHub, remote: Path, artifact: Path, tmp_path: Path, behaviour: str, posts: int, monkeypatch: Any
) -> None:
    monkeypatch.setenv("MARKER", "of the job")
    succeed(propose(artifact, "--cml", str(cml(tmp_path, fake_github.url, behaviour))))

    (pull,) = fake_github.state["pulls"]
    assert "✅ Gate passed" in pull["body"]
    assert pull["title"].startswith("Retrain: model ")
    assert len(fake_github.asked("pulls/create")) == posts


def test_what_cml_failed_at_is_said_in_a_line(
    fake_github: FakeGitHub, remote: Path, artifact: Path, tmp_path: Path
) -> None:
    failing = """print(json.dumps({"level": "error", "message": "Bad day", "request": "x" * 999})); sys.exit(1)"""
    result = succeed(propose(artifact, "--cml", str(cml(tmp_path, fake_github.url, failing))))

    assert "warning: CML ended with 1: Bad day\n" in result.stderr


def test_a_lost_answer_opens_no_second_pull_request(fake_github: FakeGitHub, remote: Path, artifact: Path) -> None:
    fake_github.faults.plan("pulls/create", Fault(502, performed=True))
    succeed(propose(artifact))

    assert len(fake_github.state["pulls"]) == 1
    assert len(fake_github.asked("pulls/create")) == 1


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("models/manifest.json", lambda text: text + " ", ["another model"]),
        ("dvc.lock", lambda text: text.replace("md5: ", "md5: 0"), ["dvc.lock", "another model"]),
        ("params.yaml", lambda text: text.replace("max_depth", "max_dept"), ["max_dept", "did you mean"]),
        ("reports/gate.json", lambda text: text[:-5], ["gate.json", "not valid JSON"]),
        ("reports/gate.json", lambda text: '{"more": 1, ' + text[1:], ["gate.json", "unknown key `more`"]),
        ("reports/metrics.json", lambda text: '{"roc_auc": NaN, ' + text[1:], ["metrics.json"]),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    fake_github: FakeGitHub, remote: Path, artifact: Path, file: str, change: Any, words: list[str]
) -> None:
    (artifact / file).write_text(change((artifact / file).read_text()))

    assert_refused(propose(artifact), *words)
    assert not fake_github.requests
    assert not branches(remote)


def test_a_link_out_of_the_artifact_is_refused(
    fake_github: FakeGitHub, remote: Path, artifact: Path, tmp_path: Path
) -> None:
    shutil.move(artifact / "params.yaml", tmp_path / "elsewhere.yaml")
    (artifact / "params.yaml").symlink_to(tmp_path / "elsewhere.yaml")

    assert_refused(propose(artifact), "params.yaml")


@pytest.mark.parametrize("issue", ["0", "12; curl", "$(id)", "-1"])
def test_an_issue_that_is_no_number_is_refused(
    fake_github: FakeGitHub, remote: Path, artifact: Path, issue: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("LOCKGATE_ISSUE", issue)

    assert_refused(propose(artifact, issue=None), "give its number")
