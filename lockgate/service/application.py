"""The service as an ASGI application, for any ASGI server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import FastAPI

from lockgate.config.errors import InputError
from lockgate.service.bundle import read_gated_bundle
from lockgate.service.scoring.shadow import read_challenger
from lockgate.service.settings import Settings, settings_of_environment
from lockgate.service.worker import Worker


@dataclass
class GivenApp:
    """The application that `create_app` is to give, and whether it was asked for that."""

    app: FastAPI
    is_taken: bool = False


_given: ContextVar[GivenApp | None] = ContextVar("given", default=None)


@contextmanager
def create_app_gives(app: FastAPI) -> Iterator[GivenApp]:
    """Meanwhile `create_app` gives `app`: for a server that has made a worker of its own, whose settings are its options."""
    given = GivenApp(app)
    before = _given.set(given)
    try:
        yield given
    finally:
        _given.reset(before)


def create_app(bundle: str | Path | None = None, settings: Settings | None = None) -> FastAPI:
    """The application that serves the bundle in the folder `bundle`, by default that of `settings`, models/.

    It is FastAPI's: routes and middleware can be added, and any ASGI server runs it, in one process. Settings are those of
    `lockgate serve`; by default only LOCKGATE_REQUIRE_SIGNED and LOCKGATE_VERIFY_KEY are read from the environment. What limits
    connections, their time and their number is the server's: `lockgate serve` runs the same application behind its own. With
    `lockgate serve --app` the application is that of the worker, whose settings are the command's.

    Raises InputError where the bundle is damaged or did not pass its gate, or where `lockgate serve --app` and a parameter both
    say what is served.
    """
    given = _given.get()
    if given is not None:
        if bundle is not None or settings is not None:
            raise InputError(
                "with `lockgate serve --app` its options say what is served; call create_app() without any"
            )
        given.is_taken = True
        return given.app
    settings = settings or settings_of_environment()
    if bundle is not None:
        settings = replace(settings, bundle=Path(bundle))
    served = read_gated_bundle(settings)
    challenger = read_challenger(settings.shadow, served.bundle)
    return Worker(served.bundle, served.verdict, settings, challenger=challenger).app
