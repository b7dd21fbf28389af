"""How much may come in, so that a small file cannot fill the memory: a limit each, and the line that says how to raise it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lockgate.config.errors import InputError


@dataclass(frozen=True)
class Limit:
    """At most `default` of `unit`, or as many as the environment variable `variable` says.

    The environment, because it holds for whatever is read, params.yaml itself included.
    """

    variable: str
    default: int
    unit: str

    @property
    def value(self) -> int:
        """The limit in force; raises InputError where the environment holds something else than a number above 0."""
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**63):
            raise InputError(f"{self.variable} must be a whole number above 0, such as {self.default}")
        return int(text)

    def require(self, found: int, what: str) -> None:
        """Raises InputError, one line, where `what` has more."""
        if found > (limit := self.value):
            raise InputError(
                f"{what} has {found:,} {self.unit}, and the limit is {limit:,}; make it smaller, or raise the limit: "
                f"{self.variable}={found} in the environment"
            )


YAML_BYTES = Limit("LOCKGATE_MAX_YAML_BYTES", 1_000_000, "bytes")
YAML_VALUES = Limit("LOCKGATE_MAX_YAML_VALUES", 100_000, "values once its aliases are written out")
YAML_DEPTH = Limit("LOCKGATE_MAX_YAML_DEPTH", 50, "levels of nesting")
JSON_BYTES = Limit("LOCKGATE_MAX_JSON_BYTES", 20_000_000, "bytes")
BUNDLE_FILE_BYTES = Limit("LOCKGATE_MAX_BUNDLE_FILE_BYTES", 100_000_000, "bytes")
BUNDLE_BYTES = Limit("LOCKGATE_MAX_BUNDLE_BYTES", 200_000_000, "bytes")
# Of a feature: the PSI that chance reaches takes 200 kB of memory for each.
BINS = Limit("LOCKGATE_MAX_BINS", 2_000, "bins")
TABLE_ROWS = Limit("LOCKGATE_MAX_TABLE_ROWS", 50_000_000, "rows")
TABLE_COLUMNS = Limit("LOCKGATE_MAX_TABLE_COLUMNS", 10_000, "columns")
TABLE_BYTES = Limit("LOCKGATE_MAX_TABLE_BYTES", 4_000_000_000, "bytes in memory")
# Beyond it a source is read part by part. Not refused: what comes out is the same.
IN_MEMORY_BYTES = Limit("LOCKGATE_MAX_IN_MEMORY_BYTES", 500_000_000, "bytes")
LINE_BYTES = Limit("LOCKGATE_MAX_LINE_BYTES", 1_000_000, "bytes in a line")
# One file that a job hands to the next: rows, or a table of predictions.
HAND_OVER_BYTES = Limit("LOCKGATE_MAX_HAND_OVER_BYTES", 4_000_000_000, "bytes")
DOWNLOAD_BYTES = Limit("LOCKGATE_MAX_DOWNLOAD_BYTES", 4_000_000_000, "bytes")
DOWNLOAD_SECONDS = Limit("LOCKGATE_MAX_DOWNLOAD_SECONDS", 900, "seconds behind it")
