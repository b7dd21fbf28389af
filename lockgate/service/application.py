"""The service as an ASGI application, for any ASGI server."""

from __future__ import annotations

from fastapi import FastAPI

from lockgate.service.bundle import read_bundle, require_verdict
from lockgate.service.settings import Settings, settings_of_environment
from lockgate.service.worker import Worker


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application that serves the bundle of `settings`, by default models/ with its verdict, signed where that is asked for.

    `lockgate serve` runs the same application behind its own server, which sets limits of time, size and number that
    other servers do not have. Raises InputError where the bundle is damaged or did not pass its gate.
    """
    settings = settings or settings_of_environment()
    bundle = read_bundle(settings.bundle)
    verdict = require_verdict(
        bundle.digest, settings.bundle, settings.verdict, settings.allow_ungated, settings.verify_key
    )
    return Worker(bundle, verdict, settings).app
