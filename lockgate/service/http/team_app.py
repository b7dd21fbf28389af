"""A team's own application around the service's, for `lockgate serve --app`."""

from __future__ import annotations

import os
import sys
from typing import cast

from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.importer import ImportFromStringError, import_from_string

from lockgate.config.errors import InputError
from lockgate.service.application import create_app_gives


def load_team_app(name: str, app: FastAPI) -> ASGIApp:
    """What `name`, MODULE:NAME from the working directory, is, with `app` in the place of what `create_app` makes.

    Raises InputError where there is no such application, or it is not made of the service's.
    """
    sys.path.insert(0, os.getcwd())  # as other servers do
    try:
        with create_app_gives(app) as given:
            found = import_from_string(name)
    except InputError:
        raise
    except ImportFromStringError as error:
        raise InputError(f"--app {name}: {error} It is MODULE:NAME, such as app.main:app") from None
    except Exception as error:
        raise InputError(f"--app {name} cannot be imported: {type(error).__name__}: {error}") from error
    if not given.is_taken or not callable(found):
        raise InputError(f"--app {name} is no application made by lockgate.service.create_app(); see docs/service.md")
    return cast(ASGIApp, found)
