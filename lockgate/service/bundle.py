"""The bundle as the service needs it: every byte hashed before it is parsed, and the parts checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import read_bytes, read_json
from lockgate.config.layout import GATE
from lockgate.config.limits import BINS
from lockgate.documents.gate_json import GateResult
from lockgate.documents.golden_json import GoldenPredictions, GoldenValue
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import LARGEST_NUMBER, DecisionRule, Feature, Schema
from lockgate.model.bundle import (
    GOLDEN,
    HOW_TO_FIX,
    PROFILE,
    PROVENANCE,
    SCHEMA,
    VERDICT,
    verify_bundle,
)
from lockgate.model.onnx_check import CheckedOnnx
from lockgate.model.protocol import NativeForm
from lockgate.service.settings import Settings
from lockgate.signature.signed_verdict import require_signed_file, verify_keys

# What the decoder of requests does not take in a key: a quote, a backslash, and control characters.
NO_NAME = {'"', "\\", *map(chr, range(32))}


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle whose every file was hashed, then parsed from those same bytes, and what it says checked against itself."""

    digest: str
    schema: Schema
    profile: Profile
    decision: DecisionRule
    golden: GoldenPredictions
    onnx: CheckedOnnx
    native: NativeForm | None  # what explains the model, where it is there
    version: str | None  # of the registry, where the bundle came from one

    @property
    def golden_rows(self) -> list[tuple[GoldenValue, ...]]:
        """The rows of golden.json, as the rows of requests are."""
        return [tuple(row[name] for name in self.schema.feature_names) for row in self.golden.rows]


def read_bundle(folder: Path) -> VerifiedBundle:
    """The bundle in `folder`; raises InputError, one line, for any reason not to serve it."""
    bundle = verify_bundle(folder)
    schema, profile = bundle.schema, bundle.profile
    decision = _decision(schema, folder)
    _check_profile(profile, schema, folder)
    golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN), HOW_TO_FIX)
    _check_golden(golden, schema, folder)
    return VerifiedBundle(
        digest=bundle.digest,
        schema=schema,
        profile=profile,
        decision=decision,
        golden=golden,
        onnx=bundle.onnx,
        native=bundle.native,
        version=_version(folder, bundle.digest),
    )


def _decision(schema: Schema, folder: Path) -> DecisionRule:
    if not schema.features:
        raise InputError(f"{folder / SCHEMA} has no features; {HOW_TO_FIX}")
    for feature in schema.features:
        if not NO_NAME.isdisjoint(feature.name):
            raise InputError(f"{folder / SCHEMA}: `{feature.name}` is a name that no request can have; {HOW_TO_FIX}")
        if feature.kind == "categorical" and not feature.categories:
            raise InputError(f"{folder / SCHEMA}: `{feature.name}` is categorical and has no categories; {HOW_TO_FIX}")
    if schema.decision is None:
        raise InputError(f"{folder / SCHEMA} has no decision, so it is not the schema of a trained model; {HOW_TO_FIX}")
    return schema.decision


def _check_profile(profile: Profile, schema: Schema, folder: Path) -> None:
    binned = [(one.name, one.kind, one.categories) for one in profile.features[:-1]]
    if binned != [(one.name, one.kind, one.categories) for one in schema.features]:
        raise InputError(f"{folder / PROFILE} does not have the features of {SCHEMA}, in its order; {HOW_TO_FIX}")
    for one in profile.features:
        BINS.require(len(one.counts), f"{folder / PROFILE}: feature `{one.name}`")


def _check_golden(golden: GoldenPredictions, schema: Schema, folder: Path) -> None:
    names = set(schema.feature_names)
    if any(set(row) != names for row in golden.rows):
        raise InputError(f"{folder / GOLDEN} has rows of other columns than the features of {SCHEMA}; {HOW_TO_FIX}")
    for feature in schema.features:
        if not all(_is_value(row[feature.name], feature) for row in golden.rows):
            raise InputError(f"{folder / GOLDEN} has a value of `{feature.name}` that is none of its; {HOW_TO_FIX}")


def _is_value(value: GoldenValue, feature: Feature) -> bool:
    """Whether it is missing, a category of the feature, or a number that the model can take."""
    if value is None or feature.kind == "categorical":
        return value is None or value in feature.categories
    return not isinstance(value, str) and abs(value) <= LARGEST_NUMBER


def _version(folder: Path, digest: str) -> str | None:
    """The registry's version, from a provenance.json that is about this digest; it stands outside the digest."""
    try:
        provenance = read_json(folder / PROVENANCE, "")
        version = provenance["registry_version"] if provenance["digest"] == digest else None
    except (InputError, KeyError):
        return None
    return str(version)[:100] if isinstance(version, str | int) else None


GateVerdict = Literal["pass", "ungated"]


@dataclass(frozen=True)
class GatedBundle:
    """A bundle that may be served, and by which verdict."""

    bundle: VerifiedBundle
    verdict: GateVerdict


def read_gated_bundle(settings: Settings) -> GatedBundle:
    """The bundle of `settings` with its verdict; raises InputError, one line, for any reason not to serve it."""
    bundle = read_bundle(settings.bundle)
    verdict = require_verdict(
        bundle.digest, settings.bundle, settings.verdict, settings.allow_ungated, settings.verify_key
    )
    return GatedBundle(bundle, verdict)


HOW_TO_GET_VERDICT = "run `lockgate gate` (or `lockgate pull`), or serve it all the same with --allow-ungated"


def require_verdict(
    digest: str, folder: Path, given: Path | None, allow_ungated: bool, verify_key: str | None = None
) -> GateVerdict:
    """`pass` where a consistent one for exactly this digest is found, `ungated` where there is none and that is allowed.

    Looked for in `given`, else `gate.json` in the bundle's folder, else `reports/gate.json`: the first that is about this
    digest. With `verify_key`, public keys or the path of them, one of them has to have signed it, in the file of the same
    name and `.dsse`. Raises InputError otherwise, also for a `given` file that is missing.
    """
    try:
        _require_pass(given or _verdict_file(digest, folder), digest, verify_key)
    except InputError:
        if allow_ungated:
            return "ungated"
        raise
    return "pass"


def _verdict_file(digest: str, folder: Path) -> Path:
    """The first of the usual files that is about this digest: a cache can restore a bundle beside an older one's verdict."""
    there = [path for path in (folder / VERDICT, GATE) if path.is_file()]
    about = (path for path in there if GateResult.read_file(path, HOW_TO_GET_VERDICT).model == digest)
    return next(about, there[0] if there else folder / VERDICT)


def _require_pass(path: Path, digest: str, verify_key: str | None) -> None:
    content = read_bytes(path, HOW_TO_GET_VERDICT)
    try:
        GateResult.read(content, path, HOW_TO_GET_VERDICT).require_pass(digest, path, HOW_TO_GET_VERDICT)
    except GateBlockedError as blocked:
        raise InputError(str(blocked)) from None
    if verify_key is not None:
        require_signed_file(path, content, digest, verify_keys(verify_key))
