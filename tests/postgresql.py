"""A PostgreSQL server of Debian's on 127.0.0.1, with one empty database, for as long as a test needs it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "mlflow"


def _program(name: str) -> str:
    """Debian has the server's programs in a folder a version, not on PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which(name)
    assert found, f"not installed: {name} of postgresql; scripts/test installs it before it runs the tests"
    return found


@contextmanager
def postgresql(port: int) -> Iterator[str]:
    """The database's address as SQLAlchemy takes it, with its password."""
    # The server refuses to run as root, and another user does not get into the tests' own folder.
    as_user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="lockgate-postgresql-", dir="/tmp") as name:
        folder, password = Path(name), secrets.token_hex(16)
        (folder / "password").write_text(password)
        if as_user:
            for path in (folder, folder / "password"):
                shutil.chown(path, as_user)
        subprocess.run(
            [
                _program("initdb"), "--pgdata", str(folder / "data"), "--username", USER, "--pwfile", str(folder / "password"),
                "--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8", "--no-locale",
            ],
            user=as_user, cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        process = subprocess.Popen(
            [
                _program("postgres"), "-D", str(folder / "data"), "-p", str(port), "-c", "listen_addresses=127.0.0.1",
                "-c", "unix_socket_directories=", "-c", "fsync=off",
            ],
            user=as_user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait(port, process)
            yield f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(2)  # a fast shutdown: it does not wait for its clients
            process.wait(timeout=60)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert process.poll() is None, "PostgreSQL ended by itself"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("PostgreSQL does not answer")
