"""What prepared rows are of: the source's bytes, and the settings that shape training and test rows."""

from __future__ import annotations

from lockgate.config.credentials import safe_url
from lockgate.config.params import SYNTHETIC, Prepare
from lockgate.documents.manifest_json import Origin, Source

# The current batch is no part of a model, and which rows are refused is no part of those that were not.
WITHOUT_EFFECT = {"current", "current_rows", "shock", "future_times"}


def make_origin(prepare: Prepare, source_sha256: str | None) -> Origin:
    """The origin of rows prepared with these settings from a source with this sha256 (None: synthetic, or not read)."""
    synthetic = {"rows"} if prepare.source != SYNTHETIC else set()  # how many applicants to make up
    settings = prepare.model_dump(mode="json", exclude={"source", *WITHOUT_EFFECT, *synthetic})
    return Origin(Source(source_name(prepare.source), source_sha256), settings)


def source_name(location: str) -> str:
    """A path as it is; a URL without what may be secret in it."""
    return safe_url(location)
