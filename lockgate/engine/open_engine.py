"""The engine that `params.yaml` and the environment choose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from lockgate.config import params
from lockgate.config.errors import InputError
from lockgate.config.extras import extras_named
from lockgate.engine.engine import Engine, LocalEngine

NAME_VARIABLE = "LOCKGATE_ENGINE"
SCHEDULER_VARIABLE = "LOCKGATE_SCHEDULER"


def engine_settings(settings: params.Engine) -> params.Engine:
    """The section `engine` with what the environment says in its place. Raises InputError where that is nothing it can be."""
    given = {"name": os.environ.get(NAME_VARIABLE), "scheduler": os.environ.get(SCHEDULER_VARIABLE)}
    try:
        return params.Engine(**{**settings.model_dump(), **{key: text for key, text in given.items() if text}})
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        variable = {"name": NAME_VARIABLE, "scheduler": SCHEDULER_VARIABLE}[key]
        wanted = "local or dask" if key == "name" else "an address such as tcp://dask.internal:8786"
        raise InputError(f"{variable} is {given[key]!r}; it must be {wanted}") from None


@contextmanager
def open_engine(settings: params.Engine, announce: Callable[[str], None]) -> Iterator[Engine]:
    """The engine of these settings, until the block ends; `announce` is given the address at which it can be watched.

    Raises InputError where it is not to be had.
    """
    chosen = engine_settings(settings)
    if chosen.name == "local":
        yield LocalEngine(chosen.workers)
        return
    with extras_named():
        from lockgate.engine.dask_engine import connected_engine, started_engine
    address = chosen.scheduler
    with started_engine(chosen, announce) if address is None else connected_engine(address, announce) as engine:
        yield engine
