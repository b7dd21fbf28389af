"""`plots/*.json`: points of curves, as `dvc plots` reads them and the report paints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lockgate.documents.document import Count, Part, Share, read_value, value_to_bytes

MAX_POINTS = 20_000


class RocPoint(Part, frozen=True):
    """False and true positive rate at one threshold."""

    fpr: Share
    tpr: Share


class PrecisionRecallPoint(Part, frozen=True):
    """Recall and precision at one threshold."""

    recall: Share
    precision: Share


class CalibrationPoint(Part, frozen=True):
    """A bin of equally many rows: mean score and observed rate with its interval; None where it has no rows."""

    mean_score: Share | None
    observed: Share | None
    low: Share | None
    high: Share | None
    count: Count


class ScoreBin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"label": "class"}):
    """The share of a class's rows whose score lies around `score`."""

    score: Share
    label: Literal["negative", "positive"]
    share: Share | None


class Curves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The curves by the name of their file."""

    roc: Annotated[tuple[RocPoint, ...], Meta(max_length=MAX_POINTS)] = ()
    precision_recall: Annotated[tuple[PrecisionRecallPoint, ...], Meta(max_length=MAX_POINTS)] = ()
    calibration: Annotated[tuple[CalibrationPoint, ...], Meta(max_length=MAX_POINTS)] = ()
    scores: Annotated[tuple[ScoreBin, ...], Meta(max_length=MAX_POINTS)] = ()


CURVES = Curves.__struct_fields__
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Curves)}


def read_curves(contents: Mapping[str, bytes]) -> Curves:
    """The curves in files, `contents` by the names in `CURVES`. Raises InputError where one is something else."""
    points: dict[str, Any] = {
        name: read_value(content, _TYPES[name], f"plots/{name}.json", "run `lockgate evaluate` again")
        for name, content in contents.items()
    }
    return Curves(**points)


def curve_files(curves: Curves) -> dict[str, bytes]:
    """The files of all curves, by name in `plots/`."""
    return {f"{name}.json": value_to_bytes(getattr(curves, name), kind) for name, kind in _TYPES.items()}
