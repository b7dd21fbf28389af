"""The service as an ASGI application, for any ASGI server."""

from __future__ import annotations

from fastapi import FastAPI

from lockgate.service.bundle import read_bundle, require_verdict
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application that serves the bundle of `settings`, by default models/ with its verdict.

    `lockgate serve` runs the same application behind its own server, which sets limits of time, size and number that
    other servers do not have. Raises InputError where the bundle is damaged or did not pass its gate.
    """
    settings = settings or Settings()
    bundle = read_bundle(settings.bundle)
    verdict = require_verdict(bundle.digest, settings.bundle, settings.verdict, settings.allow_ungated)
    return Worker(bundle, verdict, settings).app
