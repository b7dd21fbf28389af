"""Whether a bundle is of the settings, the source and the data that are there now: one rule for all who ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.params import Params
from lockgate.data.origin import make_origin
from lockgate.documents.manifest_json import Manifest, Origin, Partitioning, SourceCheck
from lockgate.model.bundle import effective_params


@dataclass(frozen=True)
class Staleness:
    """`reasons`: what differs, a sentence each, none where the bundle is up to date; `source`: how its source was judged."""

    reasons: list[str]
    source: SourceCheck

    def require_none(self) -> None:
        """Raises InputError where anything differs."""
        if self.reasons:
            raise InputError(f"the bundle is stale: {'; '.join(self.reasons)}; run `lockgate reproduce`")


def spread_rows(partitioning: Partitioning) -> str:
    """What whoever makes the bundle again has to know."""
    return f"trained by {partitioning.workers} Dask workers: as many give the same bytes again, any other number another model"


def staleness(
    manifest: Manifest,
    params: Params,
    source_sha256: str | None,
    prepared: Origin | None,
    training_data: str | None,
) -> list[str]:
    """What differs between the bundle and what is there now, a sentence each.

    `source_sha256` is of the source that `params` name, None where it is synthetic or cannot be read here; then the data
    decide: `prepared`, the origin in data/schema.json, and `training_data`, the sha256 of data/train.parquet, each None
    where the file is not there. The current batch is no part of a model, and how it is made is not asked.
    """
    origin = manifest.origin
    if origin is None:
        return ["it does not say from which source its rows were prepared"]
    wanted = make_origin(params.prepare, source_sha256)
    reasons = [
        *_differences(effective_params(params), manifest.params, "", "was trained with"),
        *_differences(wanted.prepare, origin.prepare, "prepare.", "has rows prepared with"),
    ]
    if wanted.source.name != origin.source.name:
        reasons.append(f"prepare.source is {wanted.source.name}, the bundle was trained on {origin.source.name}")
    elif source_sha256 not in (None, origin.source.sha256):
        reasons.append(f"prepare.source ({wanted.source.name}) has other content than the bundle was trained on")
    if prepared not in (None, origin):
        reasons.append(
            f"{layout.DATA}/ was prepared from another source, or with other settings, than the bundle's rows"
        )
    elif training_data not in (None, manifest.training_data):
        reasons.append(f"{layout.TRAIN_DATA} is not what the bundle was trained on")
    return reasons


def _differences(now: Mapping[str, Any], then: Mapping[str, Any], prefix: str, trained: str) -> Iterator[str]:
    for key in dict.fromkeys([*now, *then]):
        new, old = now.get(key), then.get(key)
        if isinstance(new, Mapping) and isinstance(old, Mapping):
            yield from _differences(new, old, f"{prefix}{key}.", trained)
        elif new != old:
            yield f"{prefix}{key} is {_shown(new)} in {layout.PARAMS}, the bundle {trained} {_shown(old)}"


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
