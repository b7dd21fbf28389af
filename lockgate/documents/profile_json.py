"""Reading `models/profile.json`: every reason to refuse one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.files import read_json
from lockgate.drift.frozen_bins import PROFILE_VERSION, SCORE, FeatureProfile, Profile
from lockgate.drift.outcomes import Calibration, LabelCounts

KINDS = ("numeric", "categorical", SCORE)
OUTCOMES = {"labels", "calibration"}  # absent from profiles of rows without labels
LARGEST = 2**53  # beyond it a float cannot count
PROFILE_MEND = "take the bundle whole from where it was made, or run `lockgate train` again"


def read_profile(path: Path) -> Profile:
    """The profile in `path`; InputError naming the file and what is wrong with it."""
    return profile_from_json(read_json(path, PROFILE_MEND), str(path))


def profile_from_json(value: Mapping[str, Any], where: str) -> Profile:
    """Checks every key, type, order and sum; InputError naming `where` and the first thing wrong."""
    try:
        keys = {"schema", "n", "features"}
        _demand(
            keys <= set(value) <= keys | OUTCOMES, "its keys are not schema, n and features, and labels, calibration"
        )
        _demand(value["schema"] == PROFILE_VERSION, f"its schema is {value['schema']!r}, not {PROFILE_VERSION}")
        _demand(_is_count(value["n"]) and value["n"] > 0, "n is not a positive whole number")
        _demand(isinstance(value["features"], list) and value["features"], "features is not a list of features")
        features = tuple(_feature_from_json(one) for one in value["features"])
        _demand(
            [one.kind for one in features].count(SCORE) == 1 and features[-1].kind == SCORE,
            "the score does not stand once and last",
        )
        names = [one.name for one in features[:-1]]
        _demand(len(set(names)) == len(names), "two features have the same name")
        for one in features[:-1]:
            _demand(one.n == value["n"], f"feature {one.name} counts {one.n} rows, not {value['n']}")
        labels = _labels_from_json(value["labels"]) if "labels" in value else None
        calibration = _calibration_from_json(value["calibration"]) if "calibration" in value else None
        _demand(labels is None or labels.n <= value["n"], "it counts more labels than rows")
    except _WrongProfileError as wrong:
        raise InputError(f"{where} is not a profile of this kit: {wrong}; {PROFILE_MEND}") from None
    return Profile(value["n"], features, labels, calibration)


class _WrongProfileError(Exception):
    pass


def _demand(holds: object, otherwise: str) -> None:
    if not holds:
        raise _WrongProfileError(otherwise)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _feature_from_json(value: Any) -> FeatureProfile:
    _demand(isinstance(value, dict) and isinstance(value.get("name"), str), "a feature is not an object with a name")
    name, kind = value["name"], value.get("kind")
    _demand(kind in KINDS, f"feature {name} is of kind {kind!r}, not one of {', '.join(KINDS)}")
    bins = "categories" if kind == "categorical" else "edges"
    _demand(set(value) == {"name", "kind", bins, "counts", "n"}, f"feature {name} has other keys than it should")
    given, counts = value[bins], value["counts"]
    _demand(isinstance(given, list), f"feature {name}: {bins} is not a list")
    if kind == "categorical":
        _demand(all(isinstance(one, str) for one in given), f"feature {name}: a category is not a string")
        _demand(len(set(given)) == len(given), f"feature {name}: a category stands twice")
    else:
        _demand(all(_is_finite(one) for one in given), f"feature {name}: an edge is not a finite number")
        increasing = all(here < after for here, after in pairwise(given))
        _demand(increasing, f"feature {name}: its edges do not increase")
    length = len(given) + (1 if kind == "categorical" else 2)
    _demand(isinstance(counts, list) and len(counts) == length, f"feature {name}: counts are not {length} numbers")
    _demand(all(map(_is_count, counts)), f"feature {name}: a count is not a whole number from 0")
    _demand(_is_count(value["n"]) and sum(counts) == value["n"], f"feature {name}: its counts do not add up to n")
    numbers = () if kind == "categorical" else tuple(map(float, given))
    return FeatureProfile(name, kind, numbers, tuple(given) if kind == "categorical" else (), tuple(counts))


def _labels_from_json(value: Any) -> LabelCounts:
    _demand(isinstance(value, dict) and set(value) == {"n", "positives"}, "labels are not n and positives")
    _demand(all(map(_is_count, value.values())), "labels are not whole numbers from 0")
    _demand(value["positives"] <= value["n"], "labels have more positives than rows")
    return LabelCounts(value["n"], value["positives"])


def _calibration_from_json(value: Any) -> Calibration:
    keys = {"n", "intercept", "slope", "covariance"}
    _demand(isinstance(value, dict) and set(value) == keys, "calibration is not n, intercept, slope and covariance")
    covariance = value["covariance"]
    _demand(isinstance(covariance, list) and len(covariance) == 3, "calibration's covariance is not three numbers")
    numbers = [value["intercept"], value["slope"], *covariance]
    _demand(_is_count(value["n"]) and all(map(_is_finite, numbers)), "calibration is not of finite numbers")
    _demand(covariance[0] >= 0 and covariance[2] >= 0, "calibration has a negative variance")
    intercept, slope, *entries = map(float, numbers)
    return Calibration(value["n"], intercept, slope, (entries[0], entries[1], entries[2]))


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST
