"""The number of the kit's results: two kits of one number make the same bytes from the same data and settings.

A stage's code is no dependency in `dvc.yaml`, so that a comment or a new check makes no lock stale; this number is, as
`vars: [{results: N}]` given to each command.
"""

from __future__ import annotations

from lockgate.config.errors import InputError

RESULTS = 5


def require_results(stated: int | None) -> None:
    """Raises InputError where a stage was written for other results than this kit's; None states nothing."""
    if stated is not None and stated != RESULTS:
        raise InputError(
            f"--results is {stated}, and this version of Lockgate makes results {RESULTS}; set `vars: [results: {RESULTS}]` "
            "in dvc.yaml and run `dvc repro`"
        )
