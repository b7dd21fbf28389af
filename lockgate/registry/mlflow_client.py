"""Connecting to MLflow: SQLite beside the project by default, a server by MLFLOW_TRACKING_URI."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.errors import InputError
from lockgate.config.limits import BUNDLE_BYTES, Limit
from lockgate.config.machine_lock import machine_lock
from lockgate.config.request_budget import RequestBudget

DATABASE = Path("mlflow.db")
DATABASE_TRIES = 5
ARTIFACTS = Path("mlartifacts")

SECONDS = Limit("LOCKGATE_MLFLOW_SECONDS", 120, "seconds")  # for all that a command asks MLflow
HTTP_VARIABLE = "LOCKGATE_MLFLOW_HTTP"
BUNDLES = (
    3  # that one command fetches at most: its own back from the store, and the champions of the alias and of the log
)
OTHER_BYTES = 100_000_000  # of all other answers to a command

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
STORES = ("", "file", *DATABASES, "https", "databricks", "databricks-uc", "uc")

# MLflow's own defaults wait 10 s for each of ten tries, follow redirects anywhere, send usage data, and draw bars for downloads
# of some kilobytes.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}

_budget = RequestBudget(SECONDS.default, OTHER_BYTES)
_object_store: str | None = None


class MlflowError(InputError):
    """MLflow could not be asked, or said no."""


def connect() -> Any:
    """An `mlflow.MlflowClient` that has been answered once; from here on the command's limits of time and size count.

    Raises InputError where MLFLOW_TRACKING_URI is no store that may be asked, MlflowError where it cannot be reached.
    """
    global _budget, _object_store
    uri = tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", ""))
    _budget = RequestBudget(SECONDS.value, BUNDLES * BUNDLE_BYTES.value + OTHER_BYTES)
    _object_store = None
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.store.db.utils
    import mlflow.utils.request_utils

    from lockgate.registry.transport import make_session  # requests comes with MLflow

    session = make_session(_budget)
    mlflow.utils.request_utils._get_request_session = lambda *_options: session
    # Ten tries by default: 100 s for a database file that will never open.
    mlflow.store.db.utils.MAX_RETRY_COUNT = DATABASE_TRIES
    for noisy in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # Two at once would both make the tables of a new database, and one would fail half way.
    with machine_lock(uri), mlflow_errors():
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client


def tracking_uri(stated: str) -> str:
    """The store that MLFLOW_TRACKING_URI names, or the project's own database.

    Raises InputError for what is no store of MLflow's, and for one that anybody on the way could read and change.
    """
    if not stated:
        return f"sqlite:///{DATABASE.resolve()}"
    if stated == "databricks":
        return stated
    try:
        address = urlsplit(stated)
        host = address.hostname or ""
        _ = address.port
    except ValueError:
        raise InputError(f"MLFLOW_TRACKING_URI is {safe_url(stated)}, which is no address; give https://HOST") from None
    scheme = address.scheme.lower().partition("+")[0]
    if scheme == "http":
        if not host:
            raise InputError(f"MLFLOW_TRACKING_URI is {safe_url(stated)}, which names no host; give https://HOST")
        if not _is_loopback(host) and os.environ.get(HTTP_VARIABLE) != "1":
            raise InputError(
                f"MLFLOW_TRACKING_URI is {safe_url(stated)}: over http anybody on the way reads the credentials and changes "
                f"the model; give https://, or set {HTTP_VARIABLE}=1 where the network is your own"
            )
    elif scheme not in STORES or (scheme == "https" and not host):
        known = "https://, a database (sqlite, postgresql, mysql, mssql), databricks or a folder"
        raise InputError(f"MLFLOW_TRACKING_URI is {safe_url(stated)}, which is no store of MLflow's; give {known}")
    return stated


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Whatever goes wrong between us and MLflow, as one line that names the server; what is asked inside spends the budget."""
    import mlflow
    import requests
    from google.protobuf.json_format import Error as ProtobufError  # type: ignore[import-untyped]
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError
    from urllib3.exceptions import HTTPError

    budget = _budget
    try:
        with budget.spending(_failed):
            yield
    except (
        MlflowException,
        requests.RequestException,
        HTTPError,
        SQLAlchemyError,
        ProtobufError,
        OSError,
        ModuleNotFoundError,
    ) as error:
        reason = _system_error(error) or (str(error).splitlines()[0] if str(error) else type(error).__name__)
        reason = budget.exceeded or without_credentials(reason, mlflow.get_tracking_uri())[:200]
        raise MlflowError(_failed(reason)) from error


def _system_error(error: BaseException) -> str | None:
    """What the operating system said, such as `Connection refused`: MLflow's own error has its address and tries around it."""
    found, cause = None, error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            found = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return found


def _failed(reason: str) -> str:
    if _object_store is None:
        return f"MLflow at {shown_uri()} failed: {reason}; check MLFLOW_TRACKING_URI and that the server is up"
    return (
        f"MLflow at {shown_uri()}, or the store of its artifacts at {_object_store}, failed: {reason}; check both, and the "
        "credentials for the store"
    )


def note_object_store(uri: str) -> None:
    """Name the store at `uri`, which MLflow asks by a client of its own from here on, in errors."""
    global _object_store
    _object_store = safe_url(uri)


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
