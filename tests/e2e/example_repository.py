"""One of `examples/` as somebody else's repository on GitHub, from its first commit on: what one run leaves, the next one finds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from e2e.act import Project, example, pull_request, repository
from e2e.act_log import Run
from e2e.act_tree import git
from e2e.earlier_runs import keep
from fake_github import FakeGitHub

TOOLS = Path(__file__).parent / "release_tools"


class ExampleRepository:
    """The checkout, GitHub with its bare repository, and what GitHub keeps between runs."""

    def __init__(self, folder: Path, which: str, kit: Project, fake: FakeGitHub) -> None:
        self.fake, self.state, self.remote = fake, folder / "state", folder / "remote.git"
        self.project = example(folder / "project", which, kit.path)
        git(folder, "clone", "--quiet", "--bare", str(self.project.path), str(self.remote))
        fake.state |= {"repository": self.project.name, "git_dir": str(self.remote)}

    def push(self) -> Run:
        """pr.yml for the newest commit of main, the repository's first push, whose artifacts GitHub keeps."""
        commit = self.project.git("rev-parse", "main")
        payload = {"ref": "refs/heads/main", "before": "0" * 40, "after": commit}
        run = self.run("pr.yml", "push", payload=payload)
        keep(self.fake, run, commit, path=".github/workflows/pr.yml")
        return run

    def open_pull_request(self, **changes: Any) -> Run:
        """pr.yml for a pull request that changes files as `Project.commit` does; GitHub keeps its report."""
        base = self.project.git("rev-parse", "main")
        self.project.git("switch", "--quiet", "--create", "change")
        head = self.project.commit("A change", **changes)
        payload = pull_request(self.project, base)
        run = self.run("pr.yml", "pull_request", payload=payload)
        self.fake.state["pulls"] = [
            {"id": 7, "number": 7, "head": {"ref": "change", "sha": head}, "base": {"ref": "main"}}
        ]
        keep(self.fake, run, head, head_branch="change", event="pull_request")
        self.project.git("switch", "--quiet", "main")
        return run

    def comment(self, measured: Run) -> Run:
        """pr-comment.yml after a pull request's run."""
        payload = {
            "action": "completed",
            "workflow_run": {
                "id": measured.run_id,
                "event": "pull_request",
                "conclusion": "success" if measured.code == 0 else "failure",
                "head_sha": self.project.git("rev-parse", "change"),
                "head_branch": "change",
                "head_repository": {"full_name": self.project.name},
                "pull_requests": [],
            },
        }
        return self.run("pr-comment.yml", "workflow_run", payload=payload, variables={"LOCKGATE_CML": "none"})

    def release(self, tag: str, image: str) -> Run:
        """release.yml for a tag on main, its image in the repository `image` of a registry on this machine."""
        self.project.git("tag", tag)
        self.project.git("push", "--quiet", str(self.remote), tag)
        payload = {"ref": f"refs/tags/{tag}", "repository": repository(self.project.name)}
        return self.run("release.yml", "push", ref=f"refs/tags/{tag}", payload=payload, **self._with_docker(image))

    def roll_back(self, tag: str, image: str) -> Run:
        """release.yml by hand, to go back to a release."""
        return self.run("release.yml", "workflow_dispatch", inputs={"rollback-to": tag}, **self._with_docker(image))

    def run(self, workflow: str, event: str, **given: Any) -> Run:
        """Run one of the repository's workflows."""
        return self.project.run(workflow, event, state=self.state, api_url=self.fake.url, **given)

    def show(self, file: str) -> str:
        """A file in the repository on GitHub, `BRANCH:PATH`."""
        return git(self.remote, "show", file)

    def _with_docker(self, image: str) -> dict[str, Any]:
        return {
            "variables": {"LOCKGATE_IMAGE": image},
            "environment": {
                "PATH": f"{TOOLS / 'docker_stand_in'}:{TOOLS / 'gh_stand_in'}:{os.environ['PATH']}",
                "DOCKER_STAND_IN": str(self.state / "docker"),
                "DOCKER_STAND_IN_PYTHON": sys.executable,
            },
        }
