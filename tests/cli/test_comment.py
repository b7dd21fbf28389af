"""`lockgate comment` against the fake GitHub: whose pull request it is, what is said, and that it is said once."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from commented import ACTIONS, HEAD, RUN, add_run, bodies, documents, finished_run, say, zip_of
from drift_results import drift_result, feature_drift
from fake_github import FakeGitHub
from fake_github.faults import PRIMARY_LIMIT, Fault
from markdown_it import MarkdownIt
from support import FULL, assert_refused, edit_params, invoke, succeed

from lockgate.config.files import sha256_bytes
from lockgate.config.metric_names import metric_title

Comment = Callable[..., Result]
ANN = "ann"


@pytest.fixture(scope="module")
def passed(trained_project: Path) -> dict[str, bytes]:
    return documents(trained_project)


@pytest.fixture(scope="module")
def blocked(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = shutil.copytree(trained_project, tmp_path_factory.mktemp("blocked") / "project")
    edit_params(folder, evaluate={"floors": {"roc_auc": 0.99}})
    assert invoke(folder, "gate", "--first-model").exit_code == 3
    return documents(folder)


@pytest.fixture
def comment(tmp_path: Path, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> Comment:
    """`comment(...)` runs the command; outputs and summary go to files in tmp_path."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setattr("lockgate.ci.pr_comment.post.time.sleep", lambda _: None)

    def run(*arguments: str, run_id: int = RUN) -> Result:
        return invoke(tmp_path, "comment", "--run-id", str(run_id), *arguments)

    return run


def outputs(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "outputs").read_text().splitlines()[-4:])


def headline(body: str) -> str:
    return body.splitlines()[0]


def test_a_passed_run_is_one_comment_with_everything(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], tmp_path: Path
) -> None:
    finished_run(fake_github, passed)
    succeed(comment())
    (body,) = bodies(fake_github)
    assert headline(body).startswith("## ✅ Gate passed")
    assert "### Drift" in body
    assert f"https://github.com/acme/credit/actions/runs/{RUN}" in body
    assert json.loads(passed["manifest.json"])["training_data"] in body
    assert outputs(tmp_path)["posted"] == "true"
    assert outputs(tmp_path)["pull-request"] == "7"
    assert "#issuecomment-" in outputs(tmp_path)["comment-url"]
    assert "Gate passed" in (tmp_path / "summary").read_text()


def test_a_blocked_run_says_which_check_blocks(
    comment: Comment, fake_github: FakeGitHub, blocked: dict[str, bytes]
) -> None:
    finished_run(fake_github, blocked, run={"conclusion": "failure"})
    succeed(comment())
    assert headline(bodies(fake_github)[0]).startswith("## ❌ Gate blocked: ROC-AUC")


def test_after_many_pushes_there_is_one_comment(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    few = {name: passed[name] for name in ("gate.json", "metrics.json")}
    finished_run(fake_github, few)
    pushes = 100 if FULL else 10
    for push in range(pushes):
        sha = f"{push:040x}"
        fake_github.state["pulls"][0]["head"]["sha"] = sha
        say(fake_github, f"remark {push}", ANN)
        add_run(fake_github, few, id=RUN + 1 + push, head_sha=sha)
        succeed(comment(run_id=RUN + 1 + push))
    (body,) = bodies(fake_github)
    assert f"runs/{RUN + pushes}" in body
    assert len(fake_github.asked("issues/create-comment")) == 1


def test_two_models_on_one_pull_request_keep_two_comments(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], blocked: dict[str, bytes]
) -> None:
    finished_run(fake_github, None, run={"conclusion": "failure"})
    fake_github.state["artifacts"] = [
        {"id": 1, "run": RUN, "name": "report-loans", "content": zip_of(passed)},
        {"id": 2, "run": RUN, "name": "report-credit-cards", "content": zip_of(blocked)},
    ]
    for _ in range(2):
        for name in ("loans", "credit-cards"):
            succeed(comment("--name", name))
    loans, cards = bodies(fake_github)
    assert headline(loans).startswith("## loans: ❌ The run failed, although its report says that the gate passed")
    assert headline(cards).startswith("## credit-cards: ❌ Gate blocked: ROC-AUC")
    assert "lockgate report-loans" in loans
    assert "lockgate report-credit-cards" in cards
    succeed(comment())  # a model without a name is none of them
    assert "would be its artifact report." in bodies(fake_github)[2]


@pytest.mark.parametrize("origin", ["bob/credit", "acme/credit"])
def test_the_pull_request_is_found_by_its_head(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], origin: str
) -> None:
    head = {"ref": "change", "sha": HEAD, "repo": origin}
    finished_run(fake_github, passed, run={"head_repository": origin}, pull={"head": head})
    fake_github.state["pulls"].append(
        {"id": 8, "number": 8, "head": {"ref": "other", "sha": "b" * 40}, "base": {"ref": "main"}}
    )
    succeed(comment())
    assert len(bodies(fake_github)) == 1
    assert fake_github.state["comments"][0]["issue"] == 7


@pytest.mark.parametrize(
    ("pull", "run", "why"),
    [
        ({"head": {"ref": "change", "sha": "b" * 40}, "commits": [HEAD]}, {}, "head of #7 is no longer"),
        ({"head": {"ref": "f", "sha": "b" * 40, "repo": "bob/credit"}}, {"head_branch": "f", "head_repository": "bob/credit"},
         "head of #7 is no longer"),
        ({"state": "closed"}, {}, "no open pull request"),
        ({"head": {"ref": "change", "sha": "b" * 40}}, {"head_branch": "gone"}, "no open pull request"),
        ({}, {"event": "push"}, "not for a pull request"),
        ({}, {"event": "merge_group"}, "not for a pull request"),
        ({}, {"status": "in_progress"}, "has not ended"),
        ({}, {"conclusion": "action_required"}, "nothing of run 500 has run (action_required)"),
        ({}, {"conclusion": "skipped"}, "nothing of run 500 has run (skipped)"),
    ],
)  # fmt: skip
def test_nothing_is_posted_where_it_would_be_out_of_place(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], tmp_path: Path,
    pull: dict[str, object], run: dict[str, object], why: str,
) -> None:  # fmt: skip
    finished_run(fake_github, passed, run=run, pull=pull)
    result = succeed(comment())
    assert why in result.stdout
    assert not bodies(fake_github)
    assert outputs(tmp_path)["posted"] == "false"
    assert why in outputs(tmp_path)["note"]


def test_two_pull_requests_with_one_head_get_nothing_rather_than_each_others_report(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    finished_run(fake_github, passed)
    fake_github.state["pulls"].append({**fake_github.state["pulls"][0], "id": 8, "number": 8})
    assert "#7, #8" in succeed(comment()).stdout
    assert not bodies(fake_github)


def test_an_earlier_run_does_not_overwrite_a_later_one(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], tmp_path: Path
) -> None:
    finished_run(fake_github, passed)
    add_run(fake_github, passed, id=RUN + 1)
    succeed(comment(run_id=RUN + 1))
    assert f"run {RUN + 1} is a later one of the same commit" in succeed(comment()).stdout
    assert f"runs/{RUN + 1}" in bodies(fake_github)[0]
    assert outputs(tmp_path)["posted"] == "false"


@pytest.mark.parametrize(
    ("later", "posts"),
    [
        ({"status": "in_progress", "conclusion": None}, 0),
        ({"conclusion": "skipped"}, 1),  # a label was set: it has nothing to report
        ({"path": ".github/workflows/lint.yml"}, 1),
        ({"head_branch": "same-commit"}, 1),
        ({"event": "push"}, 1),
    ],
)
def test_a_run_that_a_later_one_superseded_says_nothing(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], later: dict[str, object], posts: int
) -> None:
    finished_run(fake_github, passed, run={"conclusion": "cancelled"})
    add_run(fake_github, None, id=RUN + 1, **later)
    succeed(comment())
    assert len(bodies(fake_github)) == posts


def test_a_second_attempt_takes_the_place_of_the_first(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], blocked: dict[str, bytes]
) -> None:
    finished_run(fake_github, blocked, run={"conclusion": "failure"})
    succeed(comment())
    fake_github.state["runs"] = []
    add_run(fake_github, passed, attempt=2)
    succeed(comment())
    (body,) = bodies(fake_github)
    assert headline(body).startswith("## ✅")
    assert "attempt 2" in body


@pytest.mark.parametrize(
    ("conclusion", "words"),
    [
        ("failure", "❌ The run failed, although its report says that the gate passed"),
        ("cancelled", "⚪ No verdict: the run ended as cancelled"),
        ("timed_out", "⚪ No verdict: the run ended as timed&#95;out"),
        ("success", "✅ Gate passed"),
    ],
)
def test_the_headline_is_the_runs_own_conclusion(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], conclusion: str, words: str
) -> None:
    finished_run(fake_github, passed, run={"conclusion": conclusion})
    succeed(comment())
    assert words in headline(bodies(fake_github)[0])


def test_a_run_that_succeeded_with_a_blocked_verdict_is_a_contradiction(
    comment: Comment, fake_github: FakeGitHub, blocked: dict[str, bytes]
) -> None:
    finished_run(fake_github, blocked)
    succeed(comment())
    assert "Contradiction: the run succeeded, but its report says block" in headline(bodies(fake_github)[0])


@pytest.mark.parametrize(
    ("conclusion", "words"), [("failure", "❌ The run failed before"), ("success", "⚠️ No verdict")]
)
def test_a_run_without_a_report_is_said(comment: Comment, fake_github: FakeGitHub, conclusion: str, words: str) -> None:
    finished_run(fake_github, None, run={"conclusion": conclusion})
    succeed(comment())
    (body,) = bodies(fake_github)
    assert words in headline(body)
    assert "left no report" in body


@pytest.mark.parametrize(("values_too", "words"), [(False, "No verdict is believed"), (True, "The run failed")])
def test_an_edited_pass_does_not_make_a_failed_run_pass(
    comment: Comment, fake_github: FakeGitHub, blocked: dict[str, bytes], values_too: bool, words: str
) -> None:
    gate = json.loads(blocked["gate.json"])
    gate |= {"verdict": "pass", "checks": [dict(check) for check in gate["checks"]]}
    for check in gate["checks"]:
        if check["status"] == "block":
            check["status"] = "pass"
            if values_too:
                check |= {"value": check["threshold"], "high": max(check["high"], check["threshold"])}
    finished_run(fake_github, {**blocked, "gate.json": json.dumps(gate).encode()}, run={"conclusion": "failure"})
    succeed(comment())
    assert headline(bodies(fake_github)[0]).startswith(f"## ❌ {words}")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"evil.sh": b"rm -rf /"}, "which no report has"),
        ({"../../gate.json": b"{}"}, "leads outside"),
        ({"gate.json": b"{}"}, "gate.json lacks the key"),
        ({"drift.json": b"[" * 10_000}, "drift.json is not valid JSON"),
        ({"manifest.json": None}, "manifest.json is not of the model"),
        ({"drift.json": b" " * 6_000_000}, "larger than a report"),
    ],
)
def test_a_hostile_artifact_is_not_shown(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], files: dict[str, bytes | None], why: str
) -> None:
    manifest = json.dumps({**json.loads(passed["manifest.json"]), "training_data": "0" * 64}).encode()
    finished_run(fake_github, {**passed, **{name: content or manifest for name, content in files.items()}})
    succeed(comment())
    (body,) = bodies(fake_github)
    assert headline(body).startswith("## ⚠️ No verdict")
    assert why in body
    assert "ROC-AUC" not in body


def test_drift_of_another_batch_than_the_one_here_is_not_shown(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], tmp_path: Path
) -> None:
    batch = tmp_path / "data/current.parquet"
    batch.parent.mkdir()
    batch.write_bytes(b"another batch")
    measured = drift_result(feature_drift(), current=sha256_bytes(b"the batch of the run")).to_bytes()
    finished_run(fake_github, {**passed, "drift.json": measured})
    succeed(comment())
    assert "another batch" in bodies(fake_github)[0]
    assert headline(bodies(fake_github)[0]).startswith("## ⚠️ No verdict")


def test_names_from_the_artifact_do_nothing_in_the_comment(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    gate = json.loads(passed["gate.json"])
    name = "@everyone <img src=x> [a](http://evil) | #1 <!-- lockgate-comment"
    gate["checks"][0] |= {"name": name, "slice": f"`{name}`", "status": "warn", "reason": f"{name}\n## ✅ Gate passed"}
    finished_run(fake_github, {**passed, "gate.json": json.dumps(gate).encode()})
    succeed(comment())
    (body,) = bodies(fake_github)
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert "&lt;img src=x&gt;" in page
    for forbidden in ("<img src=x", 'href="http://evil', "@everyone &lt;img src=x&gt; &#", "<h2>✅ Gate passed</h2>"):
        assert forbidden not in page
    assert page.count("<!--") == 1


def test_a_lowered_threshold_is_shown(comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]) -> None:
    changes = [
        {"key": "evaluate.floors.roc_auc", "base": 0.7, "head": 0.5, "used": 0.7, "kind": "policy"},
        {"key": "evaluate.leakage.plain", "base": "block", "head": "warn", "used": "block", "kind": "policy"},
        {"key": "evaluate.leakage.other", "base": "warn", "head": "block", "used": "warn", "kind": "policy"},
        {"key": "evaluate.leakage.expected", "base": [], "head": ["x"], "used": [], "kind": "policy"},
        {"key": "evaluate.event_rate_ratio", "base": 4.0, "head": 9.0, "used": 4.0, "kind": "policy"},
        {"key": "train.max_depth", "base": 4, "head": 6, "used": 6, "kind": "other"},
    ]
    policy = {"schema": 1, "changed": True, "first": False, "changes": changes}
    finished_run(fake_github, {**passed, "policy.json": json.dumps(policy).encode()})
    succeed(comment())
    (body,) = bodies(fake_github)
    assert "| `evaluate.floors.roc_auc` | `0.7` | `0.5` | `0.7` | ⚠️ looser |" in body
    assert '| `evaluate.leakage.plain` | `"block"` | `"warn"` | `"block"` | ⚠️ looser |' in body
    assert '| `evaluate.leakage.other` | `"warn"` | `"block"` | `"warn"` | tighter |' in body
    assert "| `evaluate.event_rate_ratio` | `4.0` | `9.0` | `4.0` | ⚠️ looser |" in body
    assert "looser in 4 places." in body
    assert "| `train.max_depth` | `4` | `6` |" in body


def test_a_platforms_minimum_is_no_change_of_the_pull_request(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    changes = [{"key": "evaluate.floors.roc_auc", "base": 0.7, "head": 0.7, "used": 0.75, "kind": "minimum"}]
    policy = {"schema": 1, "changed": False, "first": False, "changes": changes}
    finished_run(fake_github, {**passed, "policy.json": json.dumps(policy).encode()})
    succeed(comment())
    (body,) = bodies(fake_github)
    assert "### Policy: the platform's minimums raise it" in body
    assert "| `evaluate.floors.roc_auc` | `0.7` | `0.7` | `0.75` | platform minimum |" in body


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        (["README.md", ".github/workflows/pr.yml"], [], "changes `.github/`, which judges it."),
        (
            ["lockgate/gate/judge.py", "requirements/judge.txt"],
            [],
            "changes `lockgate/` and `requirements/`, which judge it.",
        ),
        (["action.yml"], ["--kit", "acme/credit"], "changes `action.yml`, which judges it."),
        (["pipeline/prepare.py", "pipeline/train.py"], [], "changes `pipeline/prepare.py`, which makes the rows that"),
        (["cards/dvc.yaml"], ["--working-directory", "cards"], "changes `cards/dvc.yaml`, which makes the rows that"),
    ],
)
def test_a_change_of_what_judges_it_or_makes_its_rows_is_pointed_out(
    comment: Comment,
    fake_github: FakeGitHub,
    passed: dict[str, bytes],
    files: list[str],
    options: list[str],
    words: str,
) -> None:
    finished_run(fake_github, passed, pull={"files": files})
    succeed(comment(*options))
    (line,) = [line for line in bodies(fake_github)[0].splitlines() if line.startswith("> **Careful:**")]
    assert words in line


@pytest.mark.parametrize(
    ("files", "options"),
    [
        (["README.md", "docs/lockgate/x.md", "params.yaml", "pipeline/train.py"], []),
        (["lockgate/x.py", "requirements/dev.txt", "action.yml"], ["--kit", "somebody/lockgate"]),  # not the kit's
        (["dvc.yaml", "pipeline/prepare.py"], ["--working-directory", "./cards/"]),  # another model's
    ],
)
def test_another_change_is_not(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], files: list[str], options: list[str]
) -> None:
    finished_run(fake_github, passed, pull={"files": files})
    succeed(comment(*options))
    assert "Careful" not in bodies(fake_github)[0]


def test_whose_word_the_rows_are_and_who_can_read_them_is_said(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    finished_run(fake_github, passed)
    succeed(comment())
    last = [line for line in bodies(fake_github)[0].splitlines() if line.startswith("<sub>")][-1]
    assert "That the rows are the source's is the word of the project's `prepare`" in last
    assert "artifacts of a public repository are public" in last


def tables(body: str) -> list[list[list[str]]]:
    """The tables of a comment, folded ones too, as GitHub shows them: rows of cells, the head first."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    found: list[list[list[str]]] = []
    for table in re.findall(r"<table>(.*?)</table>", page, re.DOTALL):
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("<tr>")[1:]]
        found.append(
            [[html.unescape(re.sub(r"<[^>]+>", "", cell)).replace("\u00a0", " ") for cell in row] for row in rows]
        )
    return found


def test_the_comment_has_every_metric_with_interval_and_threshold_and_the_psi_of_every_feature_and_the_score(
    comment: Comment, fake_github: FakeGitHub, trained_project: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained_project, tmp_path / "project")
    succeed(invoke(folder, "drift"))
    passed = documents(folder)
    finished_run(fake_github, passed)
    succeed(comment())
    shown = tables(bodies(fake_github)[0])

    checks = [row for table in shown if table[0][0] == "Check" for row in table[1:]]
    gate = json.loads(passed["gate.json"])
    assert len(checks) == len(gate["checks"])
    for check in gate["checks"]:
        if check["kind"] in {"floor", "ceiling"} and not check["slice"]:
            sign = {">=": "≥", "<=": "≤"}[check["op"]]
            (row,) = [row for row in checks if row[0] == f"{metric_title(check['metric'])} {check['kind']}"]
            assert row[1] == f"{check['value']:.4f}"
            assert row[2].startswith(f"[{check['low']:.4f}, {check['high']:.4f}]")
            assert row[3] == f"{sign} {check['threshold']:.4f}"
            assert row[5].startswith("✅ pass")

    # Where a table says what a move does, PSI stands one column further.
    features = [
        [row[0], row[table[0].index("PSI")], row[table[0].index("Threshold")]]
        for table in shown
        if {"Feature", "PSI", "Threshold"} <= {*table[0]}
        for row in table[1:]
    ]
    drift = json.loads(passed["drift.json"])["features"]
    assert features[0][0] == "score, the model's"
    assert {row[0].removesuffix(", the model's"): row[1:] for row in features} == {
        one["name"]: [f"{one['psi']:.3f}", f"{one['threshold']:.3f}"] for one in drift
    }


def test_a_report_from_a_folder_needs_no_artifact(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], tmp_path: Path
) -> None:
    finished_run(fake_github, None)
    for name, content in passed.items():
        (tmp_path / "report" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "report" / name).write_bytes(content)
    succeed(comment("--report", "report"))
    assert headline(bodies(fake_github)[0]).startswith("## ✅")


def test_strangers_comments_stay_as_they_are(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    finished_run(fake_github, passed)
    succeed(comment())
    copied = bodies(fake_github)[0]
    fake_github.state["comments"] = []
    say(fake_github, copied, ANN)
    succeed(comment())
    succeed(comment())
    assert bodies(fake_github, ANN) == [copied]
    assert bodies(fake_github) == [copied]


def test_our_surplus_comments_go_and_the_oldest_stays(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    finished_run(fake_github, passed)
    succeed(comment())
    stale = bodies(fake_github)[0].replace(f"run={RUN}/", "run=400/").replace("Gate passed", "Older")
    first = fake_github.state["comments"][0]["id"]
    fake_github.state["comments"][0]["body"] = stale
    say(fake_github, stale, ACTIONS)
    say(fake_github, "thanks, bot", ACTIONS)
    succeed(comment())
    assert fake_github.state["comments"][0]["id"] == first
    assert len(bodies(fake_github)) == 2
    assert bodies(fake_github)[1] == "thanks, bot"
    assert "Gate passed" in bodies(fake_github)[0]


@pytest.mark.parametrize("performed", [False, True])
def test_a_lost_answer_makes_no_second_comment(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], performed: bool
) -> None:
    finished_run(fake_github, passed)
    fake_github.faults.plan("issues/create-comment", Fault(502, performed=performed), Fault(502, performed=performed))
    succeed(comment())
    assert len(bodies(fake_github)) == 1


@pytest.mark.parametrize(
    ("operation", "fault", "times"),
    [
        ("issues/create-comment", Fault(500), 9),
        ("issues/create-comment", Fault(403, {"Retry-After": "4000"}, PRIMARY_LIMIT), 1),
        ("issues/create-comment", Fault(403, message="Resource not accessible by integration"), 1),
    ],
)
def test_a_post_that_fails_is_said_and_the_summary_has_the_report(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], tmp_path: Path,
    operation: str, fault: Fault, times: int,
) -> None:  # fmt: skip
    finished_run(fake_github, passed)
    fake_github.faults.plan(operation, fault, times=times)
    assert_refused(comment(), "cannot comment on #7")
    assert outputs(tmp_path)["posted"] == "false"
    assert "cannot comment on #7" in outputs(tmp_path)["note"]
    assert "Gate passed" in (tmp_path / "summary").read_text()


def test_a_token_of_another_app_is_noticed(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "of-an-app")
    fake_github.state["logins"] = {"of-an-app": "kit[bot]"}
    finished_run(fake_github, passed)
    assert "comments with this token are by kit[bot]" in succeed(comment()).stderr
    succeed(comment("--author", "kit[bot]"))
    assert len(bodies(fake_github, "kit[bot]")) == 1


def test_a_report_too_long_is_cut_at_a_section(
    comment: Comment, fake_github: FakeGitHub, passed: dict[str, bytes]
) -> None:
    gate = json.loads(passed["gate.json"])
    check = {**gate["checks"][0], "status": "warn", "reason": "ü" * 230, "kind": "fairness"}
    gate["checks"] += [{**check, "name": f"{number} {'n' * 50}"} for number in range(200)]
    finished_run(fake_github, {**passed, "gate.json": json.dumps(gate).encode()})
    succeed(comment())
    (body,) = bodies(fake_github)
    assert len(body) < 65_536
    assert "[The run's summary](https://github.com/acme/credit/actions/runs/500) has everything" in body


@pytest.mark.parametrize("name", ["Loans", "a" * 40, "a\nb", 'a"b', "<!--", "a_b"])
def test_a_name_that_could_break_the_marker_is_refused(comment: Comment, fake_github: FakeGitHub, name: str) -> None:
    assert_refused(comment("--name", name), "`--name` is")
