"""What an explanation says of a feature."""

from __future__ import annotations

import msgspec

DEFAULT_REASONS = 4  # what adverse action notices usually carry


class Reason(msgspec.Struct, frozen=True):
    """A feature that pushed towards the unfavourable decision, its value, and its wording from the schema."""

    feature: str
    value: float | str | None
    contribution: float
    text: str
