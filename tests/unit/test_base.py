"""The commit that a change is measured against, by what an event says, in real repositories."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lockgate.ci.base import Event, GitHistory, base_of, read_event
from lockgate.config.errors import InputError

ZEROS = "0" * 40
MAIN = "refs/heads/main"


class Repository:
    """A repository in which commits are made by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        ran = subprocess.run(["git", *identity, *arguments], cwd=self.path, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    def commit(self, name: str) -> str:
        (self.path / name).write_text(name)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", name)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str) -> str:
        self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        return self.git("rev-parse", "HEAD")

    def clone(self, *options: str) -> Repository:
        """A clone as the checkout makes it, with HEAD where it is here."""
        clone = object.__new__(Repository)
        clone.path = self.path.parent / "clone"
        subprocess.run(
            ["git", "clone", "--quiet", *options, f"file://{self.path}", str(clone.path)],
            check=True,
            capture_output=True,
        )
        return clone


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    """A default branch of two commits, with a branch `change` that left after the first."""
    made = Repository(tmp_path / "origin")
    made.commit("first")
    made.git("switch", "--quiet", "--create", "change")
    made.commit("change")
    made.git("switch", "--quiet", "main")
    made.commit("second")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    return made


@pytest.fixture
def head(origin: Repository) -> str:
    """The commit to which the default branch moved on after the change had left it."""
    return origin.git("rev-parse", "main")


def merged(origin: Repository) -> str:
    """The merge of the change into the default branch as it is now, as GitHub makes it for a pull request."""
    origin.git("switch", "--quiet", "--detach", "main")
    return origin.merge("change")


def found(repository: Repository, event: Event, monkeypatch: pytest.MonkeyPatch, stated: str = "") -> str | None:
    monkeypatch.chdir(repository.path)
    return base_of(event, GitHistory(), stated).commit


def refused(
    repository: Repository, event: Event, monkeypatch: pytest.MonkeyPatch, words: str, stated: str = ""
) -> None:
    with pytest.raises(InputError, match=words) as error:
        found(repository, event, monkeypatch, stated)
    assert len(str(error.value).splitlines()) == 1


class TestMerge:
    @pytest.mark.parametrize("name", ["pull_request", "merge_group"])
    def test_the_base_is_what_the_change_is_merged_into_now(
        self, origin: Repository, head: str, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """The payload's base is the commit that the change left, which is older."""
        event = Event(name, merged(origin), "refs/pull/7/merge", "main", queue_base=origin.git("rev-parse", "main^"))
        assert found(origin, event, monkeypatch) == head

    def test_another_checkout_has_no_base(self, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        event = Event("pull_request", merged(origin), "refs/pull/7/merge", "main")
        origin.git("switch", "--quiet", "change")
        refused(origin, event, monkeypatch, "the event is about .*; check out without `ref`, or say which commit")

    def test_a_pull_requests_head_has_none_either(self, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        origin.git("switch", "--quiet", "change")
        event = Event("pull_request", origin.git("rev-parse", "HEAD"), "refs/pull/7/merge", "main")
        refused(origin, event, monkeypatch, "is no merge of the change into its base; say which commit")

    def test_a_shallow_clone_is_an_error_that_names_the_depth(
        self, origin: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = Event("pull_request", merged(origin), "refs/pull/7/merge", "main")
        origin.git("branch", "--force", "main", "HEAD")
        origin.git("switch", "--quiet", "main")
        clone = origin.clone("--depth=1")
        refused(
            clone, event, monkeypatch, r"first parent of HEAD.* is not in this clone; check out with `fetch-depth: 0`"
        )

    @pytest.mark.parametrize("commits", [1, 3])
    def test_a_queue_that_squashes_or_rebases_says_its_base(
        self, origin: Repository, head: str, monkeypatch: pytest.MonkeyPatch, commits: int
    ) -> None:
        names = [origin.commit(f"rebased{number}") for number in range(commits)]
        event = Event("merge_group", names[-1], "refs/heads/gh-readonly-queue/main/pr-7", "main", queue_base=head)
        assert found(origin, event, monkeypatch) == head
        shallow = origin.clone("--depth=1")
        refused(shallow, event, monkeypatch, "on which the merge group is queued, is not in this clone")

    def test_a_queues_base_has_to_be_below_it(self, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        event = Event("merge_group", origin.commit("squashed"), queue_base=origin.git("rev-parse", "change"))
        refused(origin, event, monkeypatch, "the first parents of HEAD do not lead to")


class TestPush:
    def test_the_base_is_what_was_there_before_however_many_commits_came(
        self, origin: Repository, head: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        origin.commit("third")
        event = Event("push", origin.commit("fourth"), MAIN, "main", before=head)
        assert found(origin, event, monkeypatch) == head

    def test_a_force_push_is_measured_against_what_it_took_away(
        self, origin: Repository, head: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        origin.git("reset", "--quiet", "--hard", "main^")
        event = Event("push", origin.commit("other"), MAIN, "main", before=head)
        clone = origin.clone()
        assert clone.git("rev-list", "--all").count(head) == 0
        assert found(clone, event, monkeypatch) == head

    def test_what_a_force_push_took_away_for_good_has_to_be_named(
        self, origin: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = Event("push", origin.git("rev-parse", "main"), MAIN, "main", before="f" * 40)
        refused(origin, event, monkeypatch, "before the push, is not in this clone and cannot be fetched; .* `base`")

    def test_the_push_that_makes_the_default_branch_has_none(
        self, origin: Repository, head: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(origin.path)
        base = base_of(Event("push", head, MAIN, "main", before=ZEROS), GitHistory())
        assert (base.commit, base.is_known) == (None, True)

    def test_a_new_branch_is_measured_against_where_it_left(
        self, origin: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = origin.git("rev-parse", "main^")
        clone = origin.clone("--branch=change")
        event = Event("push", clone.git("rev-parse", "HEAD"), "refs/heads/change", "main", before=ZEROS)
        assert found(clone, event, monkeypatch) == left
        clone.git("update-ref", "-d", "refs/remotes/origin/main")
        refused(clone, event, monkeypatch, "have in common is in this clone; check out with `fetch-depth: 0`")


class TestOthers:
    @pytest.mark.parametrize("ref", [MAIN, "refs/tags/model-v1.2.3"])
    def test_the_default_branch_is_measured_against_the_commit_before(
        self, origin: Repository, monkeypatch: pytest.MonkeyPatch, ref: str
    ) -> None:
        before, head = origin.git("rev-parse", "main^"), origin.git("rev-parse", "main")
        clone = origin.clone()
        assert found(clone, Event("workflow_dispatch", head, ref, "main"), monkeypatch) == before

    def test_the_first_commit_has_none(self, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        origin.git("switch", "--quiet", "--detach", "main^")
        first = origin.git("rev-parse", "HEAD")
        assert found(origin, Event("workflow_dispatch", first, MAIN, "main"), monkeypatch) is None

    def test_a_shallow_clone_is_no_first_commit(self, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        clone = origin.clone("--depth=1")
        event = Event("schedule", clone.git("rev-parse", "HEAD"), MAIN, "main")
        refused(
            clone, event, monkeypatch, "the commit before HEAD is not in this clone; check out with `fetch-depth: 0`"
        )

    def test_outside_of_a_workflow_nothing_says_what_came_before(
        self, origin: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(origin.path)
        assert base_of(Event(), GitHistory()).is_known is False

    def test_an_event_without_a_default_branch_needs_a_base(
        self, origin: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused(origin, Event("schedule", "a", MAIN), monkeypatch, "names no default branch; say which commit")

    def test_a_base_that_is_given_is_taken(self, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        event = Event("pull_request", merged(origin), "refs/pull/7/merge", "main")
        assert found(origin, event, monkeypatch, "change") == origin.git("rev-parse", "change")
        for name in ("--upload-pack=touch ran", '"; touch ran; "', "$(touch ran)"):
            refused(origin, event, monkeypatch, "is no name of a commit", name)
        refused(origin, event, monkeypatch, "cannot be fetched", "e" * 40)
        assert not (origin.path / "ran").exists()

    def test_without_a_repository_it_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match="is in no git repository with a commit; check out first"):
            base_of(Event("pull_request", "a" * 40), GitHistory())


class TestPayload:
    def test_what_the_event_says_is_read(self, tmp_path: Path) -> None:
        payload = tmp_path / "event.json"
        payload.write_text(
            json.dumps(
                {
                    "before": "b" * 40,
                    "merge_group": {"base_sha": "c" * 40, "head_sha": "d" * 40},
                    "repository": {"default_branch": "main", "id": 1},
                }
            )
        )
        environment = {
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(payload),
            "GITHUB_SHA": "a" * 40,
            "GITHUB_REF": MAIN,
        }
        assert read_event(environment) == Event("push", "a" * 40, MAIN, "main", "b" * 40, "c" * 40)
        payload.write_text("{}")
        assert read_event(environment) == Event("push", "a" * 40, MAIN)
        assert read_event({}) == Event()
        payload.write_text("[")
        with pytest.raises(InputError, match=r"the event's payload .* cannot be read"):
            read_event(environment)
