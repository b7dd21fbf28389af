"""Run the real workflows on this machine with nektos/act: a copy of the tree, stand-ins for third-party actions, a log read back.

    project = copy_of_the_tree(folder / "kit")
    ran = project.run("pr.yml", "pull_request", state=folder / "state", payload=pull_request(project))
    assert ran.jobs["model / judge"] == "success"

Jobs run as processes of this machine, in workspaces below the state folder. The state folder is what GitHub keeps
between runs: caches, artifacts, attestations. Two runs that share one see each other's.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.act_log import Run, read_log
from e2e.act_tree import KIT, STAND_INS, copy_tree, export, git, pin, real_actions, stand_ins_for, use_from_elsewhere

_run_ids = itertools.count(1000)
# Names that would take a run to this machine's own servers and accounts.
VERIFIER = Path(__file__).parent / "release_tools" / "gh_stand_in"
NOT_PASSED = ("MLFLOW_", "DVC_", "GIT_", "GITHUB_", "ACTIONS_", "RUNNER_", "LOCKGATE_", "PYTHON", "VIRTUAL_ENV", "AWS_")


def tool_cache() -> Path:
    """Where environments made by setup-dvc stay from run to run; LOCKGATE_ACT_TOOLS moves it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LOCKGATE_ACT_TOOLS") or cache / "lockgate-act")


@dataclass(frozen=True)
class Project:
    """A repository that workflows run for: its checkout, its name on GitHub, and where the kit's copy is."""

    path: Path
    name: str
    kit: Path

    def git(self, *arguments: str) -> str:
        """What `git` says, in this repository."""
        return git(self.path, *arguments)

    def commit(self, message: str, **contents: str | bytes | Callable[[str], str]) -> str:
        """Write files (`path="text"`, or a function of the text that is there; None removes) and commit; the new commit's SHA."""
        for name, content in contents.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content = content(file.read_text())
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def run(
        self,
        workflow: str,
        event: str,
        *,
        state: Path,
        payload: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        run_id: int | None = None,
        job: str | None = None,
        api_url: str | None = None,
        ref: str | None = None,
        actions: Path | None = None,
        own_environments: bool = False,
        show: Callable[[str], None] | None = None,
    ) -> Run:
        """Run a workflow file for an event and wait for it.

        `payload` is the event as GitHub would send it; `inputs` are of workflow_dispatch; `api_url` is a fake of the
        API; `ref` is what GITHUB_REF shall be; `actions` has clones of the actions that act runs as they are, in place of
        their stand-ins; with `own_environments` each job that decides makes an environment of its own, as on GitHub, and else
        they share one that no other job writes to; `show` gets each line of the log as it comes. `secrets` has a GITHUB_TOKEN
        of its own unless given.
        """
        state.mkdir(parents=True, exist_ok=True)
        run_id = next(_run_ids) if run_id is None else run_id
        stand_ins = stand_ins_for(self.path, self.kit)
        event_payload = dict(payload or {})
        if inputs is not None:
            event_payload["inputs"] = dict(inputs)
        event_payload.setdefault("repository", repository(self.name))
        sha = self.git("rev-parse", "HEAD")
        with tempfile.TemporaryDirectory(prefix="lockgate-act-") as name:
            scratch = Path(name)
            (scratch / "event.json").write_text(json.dumps(event_payload))
            (scratch / "workspaces").mkdir()
            kit = export(self.kit, scratch / "kit")
            tools = tool_cache()
            tools.mkdir(parents=True, exist_ok=True)
            (scratch / "workspaces/tool_cache").symlink_to(tools)
            if actions:
                stand_ins |= real_actions(actions, stand_ins, scratch / "actions")
            given = {
                **(_served_from({self.name: self.path}) if actions else {}),
                "LOCKGATE_ACT_STATE": str(state),
                "LOCKGATE_ACT_STAND_INS": str(STAND_INS),
                "LOCKGATE_ACT_REPOSITORIES": json.dumps({self.name: str(self.path), KIT: str(self.kit)}),
                "GITHUB_RUN_ID": str(run_id),
                "GITHUB_SHA": sha,
                "GITHUB_REPOSITORY": self.name,
                "RUNNER_ENVIRONMENT": "self-hosted",
                # Where the stand-ins are, for steps that look for programs in the system's folders alone.
                "LOCKGATE_ACT_PATH": (environment or {}).get("PATH", str(VERIFIER)),
                "BASH_ENV": str(Path(__file__).with_name("act_bash_env.sh")),
                **({} if own_environments else {"LOCKGATE_ACT_JUDGES": str(tools / "judges")}),
                **({"GITHUB_API_URL": api_url} if api_url else {}),
                **({"GITHUB_REF": ref, "GITHUB_REF_NAME": ref.split("/", 2)[2]} if ref else {}),
                **(environment or {}),
            }
            options = [
                *("--directory", str(self.path), "--workflows", str(self.path / ".github/workflows" / workflow)),
                *("--eventpath", str(scratch / "event.json"), "--json", "--pull=false", "--no-skip-checkout"),
                *("--platform", "ubuntu-latest=-self-hosted", "--platform", "ubuntu-24.04=-self-hosted"),
                *("--action-cache-path", str(scratch / "workspaces")),
                *(_cache_server(state) if actions else ("--no-cache-server",)),
                *("--local-repository", f"{KIT}@{pin(self.kit)}={kit}"),
                *("--local-repository", f"{KIT}@v1={kit}"),  # the root action's
                *(
                    part
                    for action, folder in stand_ins.items()
                    for part in ("--local-repository", f"{action}={folder}")
                ),
                *(
                    part
                    for item in _pairs({"GITHUB_TOKEN": "of-this-run", **(secrets or {})})
                    for part in ("--secret", item)
                ),
                *(part for item in _pairs(variables or {}) for part in ("--var", item)),
                *(part for item in _pairs(given) for part in ("--env", item)),
                *(("--job", job) if job else ()),
            ]
            code, log = _follow([_act(), event, *options], scratch, show)
        return read_log(log, code, run_id, state)


def repository(name: str) -> dict[str, Any]:
    """What every event's payload says about the repository."""
    owner, short = name.split("/")
    return {
        "name": short,
        "full_name": name,
        "owner": {"login": owner},
        "default_branch": "main",
        "html_url": f"https://github.com/{name}",
        "fork": False,
        "is_template": name == KIT,
    }


def pull_request(project: Project, base: str, number: int = 7) -> dict[str, Any]:
    """The payload of `pull_request` for what is checked out, against the commit `base` of main.

    HEAD becomes its merge into `base`, which is what GitHub checks out, unless it is a merge already.
    """
    if project.git("rev-parse", "HEAD") == project.git("rev-parse", base):
        project.git("commit", "--quiet", "--allow-empty", "--message", "A change")
    head = {"sha": project.git("rev-parse", "HEAD"), "ref": "change", "repo": repository(project.name)}
    if len(project.git("rev-list", "--max-count=1", "--parents", "HEAD").split()) < 3:
        merge = project.git("commit-tree", "-p", base, "-p", "HEAD", "-m", "Merge", "HEAD^{tree}")
        project.git("switch", "--quiet", "--detach", merge)
    return {
        "action": "synchronize",
        "number": number,
        "pull_request": {
            "number": number,
            "head": head,
            "base": {"sha": base, "ref": "main", "repo": repository(project.name)},
        },
    }


def pushed(project: Project, branch: str = "main") -> dict[str, Any]:
    """The payload of `push` of the last commit to a branch."""
    before, after = project.git("rev-list", "--max-count=2", "--reverse", "HEAD").splitlines()
    return {"ref": f"refs/heads/{branch}", "before": before, "after": after}


def copy_of_the_tree(folder: Path, name: str = KIT, own_project: bool = True) -> Project:
    """The kit's own repository, as git has it and as it is being edited, with what act cannot read rewritten.

    With the small project of the tests in it, or else with the one that lies here.
    """
    copy_tree(folder, name, own_project)
    return Project(folder, name, folder)


def caller(folder: Path, source: Path, kit: Path, name: str = "octo/caller") -> Project:
    """Another repository made from the folder `source`, whose `OWNER/lockgate/...@<sha>` is the kit's copy."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    use_from_elsewhere(folder, kit, name)
    return Project(folder, name, kit)


def example(folder: Path, which: str, kit: Path, name: str = "octo/loans", beside: Path | None = None) -> Project:
    """One of `examples/`, as the kit's copy has it, as somebody else's repository, with what lies in the folder `beside`."""
    if beside:
        shutil.copytree(beside, folder)
    return caller(folder, kit / "examples" / which, kit, name)


def _served_from(repositories: Mapping[str, Path]) -> dict[str, str]:
    """Let git find on this machine what the real actions/checkout fetches from GitHub."""
    settings = [(f"url.file://{path}.insteadOf", f"https://github.com/{name}") for name, path in repositories.items()]
    given = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        given |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return given


def _cache_server(state: Path) -> tuple[str, ...]:
    """act's own, for the real actions/cache; on this machine's address alone."""
    return ("--cache-server-path", str(state / "cache-server"), "--cache-server-addr", "127.0.0.1")


def _pairs(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _act() -> str:
    beside = Path(sys.executable).parent / "act"
    found = str(beside) if beside.exists() else shutil.which("act")
    assert found, "act is not installed; run scripts/environment dev"
    return found


def _follow(command: list[str], scratch: Path, show: Callable[[str], None] | None) -> tuple[int, list[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED)}
    own = str(Path(sys.executable).parent)
    kept = [folder for folder in environment["PATH"].split(os.pathsep) if folder != own]
    environment |= {
        # What the stand-in of actions/attest recorded, only its fellow can verify.
        "PATH": os.pathsep.join([str(VERIFIER), *kept]),
        "PAGER": "cat",
        "GIT_CONFIG_NOSYSTEM": "1",
        "DO_NOT_TRACK": "1",
    }
    lines = []
    with subprocess.Popen(
        command, cwd=scratch, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if show:
                show(line)
        return process.wait(), lines
