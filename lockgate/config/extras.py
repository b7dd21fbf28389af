"""Packages that only an extra installs: where one is missing, one line names the extra that brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from lockgate.config.errors import InputError

# The extra of pyproject.toml that brings a module; tests/contract/test_extras.py holds the two together. What trains a
# model stands in lockgate/model/flavours/table.py.
EXTRAS = {
    "adlfs": "azure",
    "arro3": "service",
    "bokeh": "dask",
    "cryptography": "signed",
    "dask": "dask",
    "distributed": "dask",
    "dvc": "dvc",
    "evidently": "evidently",
    "fastapi": "service",
    "gcsfs": "gs",
    "github": "github",
    "httptools": "service",
    "matplotlib": "plots",
    "mlflow": "mlflow",
    "onnxruntime": "service",
    "prometheus_client": "service",
    "python_calamine": "excel",
    "s3fs": "s3",
    "starlette": "service",
    "uvicorn": "service",
    "uvloop": "service",
}


@contextmanager
def extras_named() -> Iterator[None]:
    """A package that is imported inside, is not installed and belongs to an extra, is an InputError naming the extra.

    So is a part of the kit that the serving image leaves out.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module == "lockgate":
            raise InputError(
                f"{error.name} is not here: the serving image has what serving needs; "
                "run this where lockgate is installed with pip"
            ) from error
        if module not in EXTRAS or is_installed(module):
            raise
        raise InputError(
            f"this needs the package {module}, which is not installed; {how_to_install(module)}"
        ) from error


def is_installed(module: str) -> bool:
    """Whether the module can be imported; it is not."""
    return find_spec(module) is not None


def how_to_install(module: str) -> str:
    """The command that brings the module, in words to end a sentence with."""
    return f"run pip install 'lockgate[{EXTRAS[module]}]'"
