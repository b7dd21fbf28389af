"""What a platform asks of every model, whatever the project's own params say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from pipeline.core.common.errors import InputError
from pipeline.core.common.params import Evaluate, Finite, Name, Section
from pipeline.core.common.thresholds import check_ceilings, check_floors
from pipeline.core.common.yaml_file import read_yaml


class Minimums(Section):
    """Floors that no params file lowers and ceilings that none raises."""

    floors: Annotated[dict[Name, Finite], AfterValidator(check_floors)] = Field(default={})
    ceilings: Annotated[dict[Name, Finite], AfterValidator(check_ceilings)] = Field(default={})


def read_minimums(path: Path) -> Minimums:
    """The minimums in a YAML file.

    Raises InputError with one line naming the file and the key.
    """
    document = read_yaml(path)
    try:
        return Minimums.model_validate(document)
    except ValidationError as failure:
        error = failure.errors(include_url=False)[0]
        key = ".".join(map(str, error["loc"]))
        if error["type"] == "extra_forbidden":
            raise InputError(f"{path}: unknown key `{key}`; minimums are `floors` and `ceilings`") from None
        raise InputError(f"{path}: `{key}`: {error['msg'].removeprefix('Value error, ')}") from None


def with_minimums(evaluate: Evaluate, minimums: Minimums) -> Evaluate:
    """`evaluate` with each floor at least, and each ceiling at most, what the minimums say."""
    floors, ceilings = dict(evaluate.floors), dict(evaluate.ceilings)
    for name, floor in minimums.floors.items():
        floors[name] = max(floor, floors.get(name, floor))
    for name, ceiling in minimums.ceilings.items():
        ceilings[name] = min(ceiling, ceilings.get(name, ceiling))
    return evaluate.model_copy(update={"floors": floors, "ceilings": ceilings})
