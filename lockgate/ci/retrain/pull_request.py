"""A retrained model that passed becomes a branch, a commit status and one pull request, whatever was there before."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from lockgate.ci.nightly.publish import read_published
from lockgate.ci.retrain.issue import commit_message, pull_body, pull_mark, pull_title
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.model_name import suffixed
from lockgate.config.params import read_params
from lockgate.config.yaml_file import read_yaml
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.metrics_json import read_metrics
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import TrainingReport
from lockgate.github.branch import create_branch, head_of, make_commit
from lockgate.github.client import GitHubError, asking
from lockgate.report.facts import ReportFacts

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository

CONTEXT = "lockgate gate"
ATTEMPTS = 3
Document = TypeVar("Document")
Open = Callable[[str, str, str, str], str]


@dataclass(frozen=True)
class Target:
    """Where a proposal goes: the default branch, its commit that the model was trained on, and this run.

    `name` is the model's where the repository has several; `reason` says why the retrain was called, empty where nobody knows.
    """

    base: str
    commit: str
    run_url: str
    run: int
    issue: int | None
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Proposed:
    """The branch and its commit; the pull request's number, or None where this repository forbids opening one."""

    branch: str
    commit: str
    pull: int | None
    problem: str


def is_unchanged(repository: Repository, proposal: Proposal, target: Target) -> bool:
    """Whether the commit that was trained on has these very files already."""
    return all(read_published(repository, target.commit, name) == content for name, content in proposal.files.items())


def propose(repository: Repository, proposal: Proposal, target: Target, cml: Open | None) -> Proposed:
    """Push the branch if it is not there, mark its commit as judged, and see to exactly one open pull request.

    A branch that exists is never moved: if it has this model it is used as it is, with whatever people have added, and
    if not, the proposal takes a name with the run's number. Raises GitHubError where GitHub stays away.
    """
    branch, commit = _push(repository, proposal, target)
    with asking(f"set the status of {commit[:12]}"):
        repository.get_commit(commit).create_status(
            "success", target.run_url, "The retrained model passed the gate", suffixed(CONTEXT, target.name)
        )
    pull, problem = _one_pull(repository, proposal, target, branch, cml)
    return Proposed(branch, commit, None if pull is None else pull.number, problem)


def _push(repository: Repository, proposal: Proposal, target: Target) -> tuple[str, str]:
    parent = None
    for branch in (proposal.branch, f"{proposal.branch}-{target.run}"):
        head = head_of(repository, branch)
        if head is None:
            with asking(f"look at commit {target.commit[:12]}"):
                parent = parent or repository.get_git_commit(target.commit)
            message = commit_message(proposal.digest, target.name, target.run_url)
            made = make_commit(repository, proposal.files, message, parent, keep_others=True)
            create_branch(repository, branch, made.sha)
            head = head_of(repository, branch)
        if head is not None and read_published(repository, branch, proposal.lock) == proposal.files[proposal.lock]:
            return branch, head.sha
    raise GitHubError(f"branches {proposal.branch} and {branch} hold other models; delete the older one")


def _one_pull(
    repository: Repository, proposal: Proposal, target: Target, branch: str, cml: Open | None
) -> tuple[PullRequest | None, str]:
    """The open pull request, as GitHub has it, and what went wrong on the way to it."""
    title = pull_title(proposal.digest, target.name)
    body = pull_body(proposal.facts, proposal.digest, target.run_url, target.issue, target.reason)
    problem = ""
    pull = find_pull(repository, branch, target.base)
    if pull is None and cml is not None:
        problem = cml(branch, target.base, title, body)
        pull = find_pull(repository, branch, target.base)
    for _ in range(ATTEMPTS):
        if pull is not None:
            break
        try:
            with asking(f"open a pull request from {branch}"):
                pull = repository.create_pull(target.base, branch, title=title, body=body)
        except GitHubError as error:
            problem = str(error)
            if is_forbidden(error):
                return None, problem
            pull = find_pull(repository, branch, target.base)
            if pull is None and error.status is not None and error.status < 500:
                raise
    if pull is None:
        raise GitHubError(problem)
    if pull_mark(proposal.digest) not in (pull.body or ""):
        with asking(f"put the report into #{pull.number}"):
            pull.edit(title=title, body=body)
    return pull, problem


def find_pull(repository: Repository, branch: str, base: str) -> PullRequest | None:
    """The open pull request from this branch of this repository; GitHub allows one for each base."""
    owner = repository.full_name.partition("/")[0]
    with asking(f"look for a pull request from {branch}"):
        found = repository.get_pulls(state="open", head=f"{owner}:{branch}", base=base)
        return next((pull for pull in found if pull.head.ref == branch), None)


def is_forbidden(error: GitHubError) -> bool:
    """Whether the repository's settings keep workflows from opening pull requests, or the token may not."""
    return error.status == 403 or "not permitted to create" in str(error).lower()


PARAMS, LOCK = "params.yaml", "dvc.lock"
GATE, MANIFEST = "reports/gate.json", "models/manifest.json"
METRICS, DRIFT, TRAIN, SCHEMA = REPORTED = (
    "reports/metrics.json", "reports/drift.json", "reports/train.json", "models/schema.json",
)  # fmt: skip
MAX_BYTES = 5_000_000
HOW_TO_FIX = "run the retrain again"


@dataclass(frozen=True)
class Proposal:
    """A retrained model: its digest, the verdict on it, the files to commit, and what its report is made from.

    `files` are named by their places in the repository, `lock` is the name of dvc.lock among them.
    """

    digest: str
    verdict: str
    files: Mapping[str, bytes]
    lock: str
    facts: ReportFacts

    @property
    def branch(self) -> str:
        """Named after the model, so that the same retrain twice is one branch and one pull request."""
        return f"lockgate/retrain-{self.digest[:12]}"


def pack_proposal(project: Path, imports: Iterable[Path], folder: Path) -> None:
    """Copy what `read_proposal` reads from `project` into the new folder `folder`, with the `.dvc` files `imports`."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in (PARAMS, LOCK, GATE, MANIFEST, *REPORTED, *map(str, imports)):
        if (project / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / name, folder / name)


def read_proposal(folder: Path, working_directory: str = ".") -> Proposal:
    """The proposal in a downloaded artifact, whose files have to be of one and the same model.

    `working_directory` is the project's folder in the repository. The job that packed it checked what a job that ran
    training code had left; what can be checked without that is checked once more. Raises InputError where the files do not
    agree with each other, where `params.yaml` is not valid, or where a file is a link or too large.
    """
    directory = PurePosixPath(working_directory)
    if directory.is_absolute() or ".." in directory.parts:
        raise InputError(f"`working-directory` is {working_directory!r}; give a folder of the repository")
    gate = GateResult.read(_content(folder, GATE), GATE)
    digest = sha256_bytes(_content(folder, MANIFEST))
    if gate.model != digest:
        raise InputError(f"{GATE} is about another model than {MANIFEST}; {HOW_TO_FIX}")
    lock = _content(folder, LOCK)
    if lock_entry(_file(folder, LOCK), MANIFEST) != _md5(_content(folder, MANIFEST)):
        raise InputError(f"{LOCK} is about another model than {MANIFEST}; {HOW_TO_FIX}")
    read_params(_file(folder, PARAMS))
    pointers = {
        str(path.relative_to(folder)): _content(folder, str(path.relative_to(folder)))
        for path in sorted(folder.rglob("*.dvc"))
    }
    facts = ReportFacts(
        gate=gate,
        metrics=_read(folder, METRICS, read_metrics),
        drift=_read(folder, DRIFT, DriftResult.read),
        train=_read(folder, TRAIN, TrainingReport.read),
        schema=_read(folder, SCHEMA, Schema.read),
    )
    named = {PARAMS: _content(folder, PARAMS), LOCK: lock, **pointers}
    files = {str(directory / name): content for name, content in named.items()}
    return Proposal(digest, _believed_verdict(gate, digest), files, str(directory / LOCK), facts)


def _believed_verdict(gate: GateResult, digest: str) -> str:
    try:
        gate.require_pass(digest, GATE)
    except GateBlockedError:
        return "contradictory" if gate.contradiction else gate.verdict
    return "pass"


def lock_entry(path: Path, output: str) -> str | None:
    """The hash that a `dvc.lock` has for an output of any stage, or None."""
    stages = read_yaml(path).get("stages")
    for stage in (stages if isinstance(stages, Mapping) else {}).values():
        for entry in (stage.get("outs") if isinstance(stage, Mapping) else None) or []:
            if isinstance(entry, Mapping) and entry.get("path") == output:
                found = entry.get("md5")
                return str(found) if found else None
    return None


def _read(folder: Path, name: str, reader: Callable[[bytes, str], Document]) -> Document | None:
    return reader(_content(folder, name), name) if (folder / name).exists() else None


def _content(folder: Path, name: str) -> bytes:
    content = _file(folder, name).read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text; {HOW_TO_FIX}") from None
    return content


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"the retrain left no file {name}; {HOW_TO_FIX}")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{name} is over {MAX_BYTES:,} bytes; {HOW_TO_FIX}")
    return path


def _md5(content: bytes) -> str:
    """DVC's own name of a content; what is trusted is the sha256."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
