"""The service as an ASGI application, for any ASGI server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

from lockgate.service.bundle import read_gated_bundle
from lockgate.service.scoring.shadow import read_challenger
from lockgate.service.settings import Settings, settings_of_environment
from lockgate.service.worker import Worker


def create_app(bundle: str | Path | None = None, settings: Settings | None = None) -> FastAPI:
    """The application that serves the bundle in the folder `bundle`, by default that of `settings`, models/.

    It is FastAPI's: routes and middleware can be added, and any ASGI server runs it, in one process. Settings are those of
    `lockgate serve`; by default only LOCKGATE_REQUIRE_SIGNED and LOCKGATE_VERIFY_KEY are read from the environment. What limits
    connections, their time and their number is the server's: `lockgate serve` runs the same application behind its own.

    Raises InputError where the bundle is damaged or did not pass its gate.
    """
    settings = settings or settings_of_environment()
    if bundle is not None:
        settings = replace(settings, bundle=Path(bundle))
    served = read_gated_bundle(settings)
    challenger = read_challenger(settings.shadow, served.bundle)
    return Worker(served.bundle, served.verdict, settings, challenger=challenger).app
