"""Decisions on a test set kept on an MLflow server, so that every machine that judges with it counts the same."""

from __future__ import annotations

import os
from typing import Any

from msgspec.structs import asdict, fields

from lockgate.documents.test_set_history_json import PastDecision
from lockgate.registry.mlflow_client import experiment_id, mlflow_errors

PREFIX = "lockgate.decision."
PAGE = 1000


def has_server() -> bool:
    """Whether MLFLOW_TRACKING_URI names a server, rather than a database that only this machine sees."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return bool(uri) and not uri.startswith(("sqlite:", "file:")) and "://" in uri


def read_decisions(client: Any, model_name: str, test_set: str) -> list[PastDecision]:
    """What the server knows that `test_set` has decided. Raises InputError where it cannot be asked."""
    found: list[PastDecision] = []
    token = None
    with mlflow_errors():
        experiment = experiment_id(client, _experiment(model_name))
        while True:
            page = client.search_runs(
                [experiment], f"tags.`{PREFIX}test_set` = '{test_set}'", max_results=PAGE, page_token=token
            )
            found += [
                PastDecision(*(run.data.tags.get(f"{PREFIX}{key.name}", "") for key in fields(PastDecision)))
                for run in page
            ]
            token = page.token
            if not token:
                return found


def record_decision(client: Any, model_name: str, decision: PastDecision) -> None:
    """Add `decision` to what the server knows. Records are only ever added: two at once both count, and once."""
    with mlflow_errors():
        run = client.create_run(
            experiment_id(client, _experiment(model_name)),
            run_name=f"{decision.verdict} {decision.model[:12]}",
            tags={f"{PREFIX}{key}": value for key, value in asdict(decision).items()},
        )
        client.set_terminated(run.info.run_id)


def _experiment(model_name: str) -> str:
    return f"{model_name} decisions"
