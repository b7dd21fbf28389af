"""Making a bundle's manifest; reading and verifying one is in bundle.py, which the service runs without pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.core.common.files import canonical_json, readable_json, sha256_bytes
from pipeline.core.model.bundle import MANIFEST_VERSION

if TYPE_CHECKING:
    from pipeline.core.common.params import Params


def make_manifest(files: Mapping[str, bytes], training_data: str, params: Params) -> bytes:
    """The manifest of `files` (name to content): nothing in it differs between two equal runs.

    `training_data` is the sha256 of the training rows. The sha256 of the returned bytes is the model's digest.
    """
    return readable_json(
        {
            "schema": MANIFEST_VERSION,
            "files": {name: sha256_bytes(files[name]) for name in sorted(files)},
            "training_data": training_data,
            "params": sha256_bytes(canonical_json(effective_params(params))),
        }
    )


def effective_params(params: Params) -> dict[str, Any]:
    """The parameters that shape a bundle given its training data; how many threads work on it is not one."""
    return {
        "train": params.train.model_dump(exclude={"nthread"}),
        "drift": {"bins": params.drift.bins},
        "decision": params.decision.model_dump(),
    }
