"""From settings to a running service."""

from __future__ import annotations

import socket
import sys

from app.gate_verdict import require_verdict
from app.settings import Settings
from app.verified_bundle import read_bundle
from pipeline.core.common.errors import InputError


def run(settings: Settings) -> None:
    """Serve until told to end; InputError for what the operator can mend."""
    bundle = read_bundle(settings.bundle)
    verdict = require_verdict(bundle.digest, settings.bundle, settings.verdict, settings.allow_ungated)
    listener = listen(settings.host, settings.port)
    from app.main import Worker
    from app.server import serve

    worker = Worker(bundle, verdict, settings)
    host, port = listener.getsockname()[:2]
    print(f"serving {bundle.digest[:12]} ({verdict}) on http://{host}:{port}", file=sys.stderr, flush=True)  # noqa: T201
    serve(worker, listener)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port`; InputError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port") from None
    return listener
