"""What earlier runs on the default branch left as artifacts, as far as a judge believes it.

Believed are the runs of this repository that a push started, by one workflow's file: whoever may merge decides what they
run. What a pull request's own earlier runs left is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from github.Repository import Repository

from lockgate.ci.release.stored import find_artifact
from lockgate.ci.stored_bundle import ARTIFACT, read_stored_bundle
from lockgate.config.layout import TEST_SET_HISTORY
from lockgate.config.limits import JSON_BYTES
from lockgate.config.model_name import suffixed
from lockgate.documents.test_set_history_json import DecisionHistory, PastDecision
from lockgate.github.artifacts import StoredArtifact, newest_artifacts, read_member
from lockgate.github.client import GitHubSettings, asking, open_repository
from lockgate.model.bundle import Bundle, bundle_from

HISTORY = "test-set-history"
MAX_RUNS = 20  # a run of another workflow, or for another event, may be newer


@dataclass(frozen=True)
class DefaultBranch:
    """Pushes to `branch`, run by the workflow whose file's name is `workflow`, and what they stored for the model `name`."""

    settings: GitHubSettings
    workflow: str
    branch: str
    name: str

    def stored_bundle(self, commit: str) -> Bundle | None:
        """The bundle that the run for exactly this commit stored; None where it stored none, or it has expired.

        Raises GitHubError where GitHub cannot be asked, and InputError where the artifact is no bundle.
        """
        artifact = find_artifact(self._repository, suffixed(ARTIFACT, self.name), commit, self.workflow, self.branch)
        if artifact is None:
            return None
        contents = read_stored_bundle(self.settings, artifact)
        return bundle_from(contents, Path(f"the bundle that run {artifact.run} stored"))

    def decisions(self) -> tuple[PastDecision, ...]:
        """What the newest of its runs knew of decisions on test sets; none where no run left any.

        Raises GitHubError and InputError as `stored_bundle` does.
        """
        repository = self._repository
        for artifact in newest_artifacts(repository, suffixed(HISTORY, self.name), self.branch, MAX_RUNS):
            if self._is_push(repository, artifact):
                content = read_member(self.settings, artifact, TEST_SET_HISTORY.name, JSON_BYTES.value)
                return DecisionHistory.read(content, f"{HISTORY} of run {artifact.run}").decisions
        return ()

    def _is_push(self, repository: Repository, artifact: StoredArtifact) -> bool:
        with asking(f"look up run {artifact.run}"):
            run = repository.get_workflow_run(artifact.run)
            path = run.path.split("@")[0]
            return bool(run.event == "push" and path == f".github/workflows/{self.workflow}")

    @property
    def _repository(self) -> Repository:
        return open_repository(self.settings)
