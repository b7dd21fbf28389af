"""The bundle as the service needs it: every byte hashed before it is parsed, and the parts checked against each other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lockgate.config.errors import InputError
from lockgate.config.files import read_json
from lockgate.config.layout import GATE
from lockgate.data.schema import LARGEST, Schema, schema_from_json
from lockgate.documents.gate_json import read_verdict
from lockgate.documents.profile_json import profile_from_json
from lockgate.drift.frozen_bins import Profile
from lockgate.model.bundle import (
    GOLDEN,
    MODEL,
    ONNX_MODEL,
    PROFILE,
    PROVENANCE,
    SCHEMA,
    VERDICT,
    verify_bundle,
)

MEND = "take a bundle made by this version: `lockgate train`, `dvc repro` or `lockgate pull`"


@dataclass(frozen=True)
class Golden:
    """Rows made from the bins and the categories, and the probabilities that the model gave them when it was trained."""

    rows: tuple[dict[str, Any], ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class DecisionRule:
    """At or above `threshold` is one decision, below it the other."""

    threshold: float
    favourable_below: bool

    def is_favourable(self, probability: float) -> bool:
        """Whether an applicant with this probability of the positive class gets the favourable decision."""
        return (probability < self.threshold) == self.favourable_below


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle whose every file was hashed, then parsed from those same bytes."""

    digest: str
    schema: Schema
    profile: Profile
    decision: DecisionRule
    golden: Golden
    onnx: bytes
    booster: bytes
    version: str | None  # of the registry, where the bundle came from one


def read_bundle(folder: Path) -> VerifiedBundle:
    """The bundle in `folder`; raises InputError, one line, for any reason not to serve it."""
    bundle = verify_bundle(folder)
    contents = bundle.contents
    schema = schema_from_json(_object(contents[SCHEMA], bundle.path(SCHEMA)), bundle.path(SCHEMA))
    _check_features(schema, folder)
    profile = profile_from_json(_object(contents[PROFILE], bundle.path(PROFILE)), str(bundle.path(PROFILE)))
    _check_profile(profile, schema, folder)
    return VerifiedBundle(
        digest=bundle.digest,
        schema=schema,
        profile=profile,
        decision=_decision(schema, folder),
        golden=_golden(_object(contents[GOLDEN], bundle.path(GOLDEN)), schema, bundle.path(GOLDEN)),
        onnx=contents[ONNX_MODEL],
        booster=contents[MODEL],
        version=_version(folder, bundle.digest),
    )


def _object(content: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not valid JSON; {MEND}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object; {MEND}")
    return value


def _check_features(schema: Schema, folder: Path) -> None:
    if not schema.features:
        raise InputError(f"{folder / SCHEMA} has no features; {MEND}")
    for feature in schema.features:
        if feature.kind == "categorical" and not feature.categories:
            raise InputError(f"{folder / SCHEMA}: `{feature.name}` is categorical and has no categories; {MEND}")


def _check_profile(profile: Profile, schema: Schema, folder: Path) -> None:
    binned = [(one.name, one.kind, one.categories) for one in profile.features[:-1]]
    if binned != [(one.name, one.kind, one.categories) for one in schema.features]:
        raise InputError(f"{folder / PROFILE} does not have the features of {SCHEMA}, in its order; {MEND}")


def _decision(schema: Schema, folder: Path) -> DecisionRule:
    decision = schema.decision or {}
    threshold, favourable = decision.get("threshold"), decision.get("favourable")
    if not _is_finite(threshold) or not 0.0 <= float(threshold or 0.0) <= 1.0:
        raise InputError(f"{folder / SCHEMA}: decision.threshold is not a number from 0 to 1; {MEND}")
    if favourable not in ("below", "above"):
        raise InputError(f"{folder / SCHEMA}: decision.favourable is neither `below` nor `above`; {MEND}")
    return DecisionRule(float(threshold or 0.0), favourable == "below")


def _golden(value: dict[str, Any], schema: Schema, path: Path) -> Golden:
    rows, probabilities = value.get("rows"), value.get("probabilities")
    names = set(schema.feature_names)
    whole = (
        isinstance(rows, list)
        and isinstance(probabilities, list)
        and 0 < len(rows) == len(probabilities)
        and all(isinstance(row, dict) and set(row) == names for row in rows)
        and all(_is_finite(one) and 0.0 <= one <= 1.0 for one in probabilities)
    )
    if not whole:
        raise InputError(f"{path} is not rows of the schema's features with their probabilities; {MEND}")
    return Golden(tuple(rows or ()), tuple(map(float, probabilities or ())))


def _version(folder: Path, digest: str) -> str | None:
    """The registry's version, from a provenance.json that is about this digest; it stands outside the digest."""
    try:
        provenance = read_json(folder / PROVENANCE, "")
        version = provenance["registry_version"] if provenance["digest"] == digest else None
    except (InputError, KeyError):
        return None
    return str(version)[:100] if isinstance(version, str | int) else None


def _is_finite(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= LARGEST  # of a whole number beyond it `math.isfinite` makes an error


GateVerdict = Literal["pass", "ungated"]

OVERRIDE = "or serve it all the same with --allow-ungated"
AGAIN = f"run `lockgate gate` (or `lockgate pull`), {OVERRIDE}"


def require_verdict(digest: str, folder: Path, given: Path | None, allow_ungated: bool) -> GateVerdict:
    """`pass` where a consistent one for exactly this digest is found, `ungated` where there is none and that is allowed.

    Looked for in `given`, else `gate.json` in the bundle's folder, else `reports/gate.json`: the first that is about this
    digest. Raises InputError otherwise, also for a `given` file that is missing.
    """
    try:
        _require_pass(given or _found(digest, folder), digest)
    except InputError:
        if allow_ungated:
            return "ungated"
        raise
    return "pass"


def _found(digest: str, folder: Path) -> Path:
    """A bundle that a cache restored may lie beside the verdict on the one before it, which says nothing about it."""
    there = [path for path in (folder / VERDICT, GATE) if path.is_file()]
    about = (path for path in there if read_json(path, AGAIN).get("model") == digest)
    return next(about, there[0] if there else folder / VERDICT)


def _require_pass(path: Path, digest: str) -> None:
    result = read_json(path, AGAIN)
    if result.get("model") != digest:
        raise InputError(f"{path} is a verdict on another model than {digest[:12]}; run `lockgate gate`, {OVERRIDE}")
    verdict = read_verdict(result)
    if verdict.outcome != "pass":
        problem = f" ({verdict.problem})" if verdict.problem else ""
        raise InputError(f"{path} says {verdict.outcome}{problem}, not pass; mend the model, {OVERRIDE}")
