"""The service around the small trained project's bundle: in this process for most tests, as a process of its own for some."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Client, StartServer, applicants, starting_servers

from lockgate.service.bundle import VerifiedBundle, read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

MakeClient = Callable[..., Client]


@pytest.fixture(scope="session")
def bundle(trained_project: Path) -> VerifiedBundle:
    """The trained project's bundle."""
    return read_bundle(trained_project / "models")


@pytest.fixture(scope="session")
def rows(trained_project: Path, bundle: VerifiedBundle) -> list[dict[str, Any]]:
    """The current batch's applicants as a client sends them; some have missing values."""
    return applicants(trained_project / "data" / "current.parquet", bundle.schema)


@pytest.fixture
def make_client(bundle: VerifiedBundle) -> MakeClient:
    """`make_client(unseen_categories="missing")`: a service with these settings, asked without a server."""
    return lambda **settings: Client(Worker(bundle, "pass", Settings(**settings)))


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """A service with the default settings."""
    return make_client()


@pytest.fixture
def start_server(trained_project: Path, tmp_path: Path) -> Iterator[StartServer]:
    """`start_server("--workers", "2")`: the command as a process, which ends with the test."""
    with starting_servers(trained_project, tmp_path) as start:
        yield start


@pytest.fixture
def body(rows: list[dict[str, Any]]) -> bytes:
    """One applicant as JSON."""
    return json.dumps(rows[0]).encode()
