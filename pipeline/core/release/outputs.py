"""Outputs of a step, for the steps after it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def set_outputs(values: Mapping[str, str]) -> list[str]:
    """Append to the file that GitHub Actions names in GITHUB_OUTPUT, where it does; the lines, to be shown.

    Raises ValueError for a value with a line's end, which could set another output.
    """
    for name, value in values.items():
        if len(value.splitlines()) > 1 or value.endswith(("\n", "\r")):
            raise ValueError(f"the output {name} has more than one line")
    lines = [f"{name}={value}" for name, value in values.items()]
    file = os.environ.get("GITHUB_OUTPUT")
    if file:
        with Path(file).open("a") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
    return lines
