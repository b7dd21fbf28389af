"""Connecting to MLflow: SQLite beside the project by default, a server by MLFLOW_TRACKING_URI."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.errors import InputError
from lockgate.config.machine_lock import machine_lock

DATABASE = Path("mlflow.db")
DATABASE_TRIES = 5
ARTIFACTS = Path("mlartifacts")

# MLflow's own defaults wait 250 s on a refused port, send usage data, and draw bars for downloads of some kilobytes.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def connect() -> Any:
    """An `mlflow.MlflowClient` that has been answered once.

    Raises InputError within a minute where the server cannot be reached or the database cannot be opened.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DATABASE.resolve()}"
    import mlflow
    import mlflow.store.db.utils

    # Ten tries by default: 100 s for a database file that will never open.
    mlflow.store.db.utils.MAX_RETRY_COUNT = DATABASE_TRIES
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # Two at once would both make the tables of a new database, and one would fail half way.
    with machine_lock(uri), mlflow_errors():
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Whatever goes wrong between us and MLflow, as one line that names the server."""
    import mlflow
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, requests.RequestException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = without_credentials(reason, mlflow.get_tracking_uri())[:200]
        raise InputError(
            f"MLflow at {shown_uri()} failed: {reason}; check MLFLOW_TRACKING_URI and that the server is up"
        ) from error


def shown_uri() -> str:
    """The tracking URI without credentials."""
    import mlflow

    return safe_url(mlflow.get_tracking_uri())


def experiment_id(client: Any, name: str) -> str:
    """The id of the experiment `name`, made where it is missing; local artifacts go beside the project."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    import mlflow

    local = mlflow.get_tracking_uri().startswith("sqlite:")
    return str(client.create_experiment(name, artifact_location=ARTIFACTS.resolve().as_uri() if local else None))
