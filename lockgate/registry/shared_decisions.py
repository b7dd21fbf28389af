"""Decisions on a test set kept on an MLflow server, so that every machine that judges with it counts the same."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict, fields

from lockgate.documents.test_set_history_json import PastDecision
from lockgate.registry.mlflow_client import connect, experiment_id, mlflow_errors

PREFIX = "lockgate.decision."
PAGE = 1000


@dataclass(frozen=True)
class SharedDecisions:
    """What a server knows that a test set has decided."""

    client: Any
    experiment: str
    test_set: str
    known: tuple[PastDecision, ...]

    def add(self, decisions: Iterable[PastDecision]) -> None:
        """Tell the server what it does not know. Records are only ever added: two at once both count, and once."""
        with mlflow_errors():
            for decision in decisions:
                if decision.test_set == self.test_set and decision not in self.known:
                    run = self.client.create_run(
                        experiment_id(self.client, self.experiment),
                        run_name=f"{decision.verdict} {decision.model[:12]}",
                        tags={f"{PREFIX}{key}": value for key, value in asdict(decision).items()},
                    )
                    self.client.set_terminated(run.info.run_id)


def has_server() -> bool:
    """Whether MLFLOW_TRACKING_URI names a server, rather than a database that only this machine sees."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return bool(uri) and not uri.startswith(("sqlite:", "file:")) and "://" in uri


def read_shared_decisions(model_name: str, test_set: str) -> SharedDecisions | None:
    """What the server knows, or None where there is none. Raises InputError where it cannot be asked."""
    if not has_server():
        return None
    client, experiment = connect(), f"{model_name} decisions"
    found: list[PastDecision] = []
    token = None
    with mlflow_errors():
        number = experiment_id(client, experiment)
        while True:
            page = client.search_runs(
                [number], f"tags.`{PREFIX}test_set` = '{test_set}'", max_results=PAGE, page_token=token
            )
            found += [
                PastDecision(*(run.data.tags.get(f"{PREFIX}{key.name}", "") for key in fields(PastDecision)))
                for run in page
            ]
            token = page.token
            if not token:
                return SharedDecisions(client, experiment, test_set, tuple(found))
