"""What a step of a job leaves for the steps and people after it: outputs and the summary."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Output = str | int | float | bool | Path | None


def set_outputs(values: Mapping[str, Output], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Append to the file that GITHUB_OUTPUT names, if any; the lines `name=value`, to be shown.

    Numbers and words as they are, booleans as `true`/`false`.

    Raises ValueError on a value of several lines, which could set another output.
    """
    lines = []
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
        if len(text.splitlines()) > 1 or text.endswith(("\n", "\r")):
            raise ValueError(f"output {name} has several lines")
        lines.append(f"{name}={text}")
    _append(environment.get("GITHUB_OUTPUT"), "".join(f"{line}\n" for line in lines))
    return lines


def add_summary(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """A part of the job's summary; nothing outside of a workflow."""
    _append(environment.get("GITHUB_STEP_SUMMARY"), markdown.rstrip("\n") + "\n\n")


@contextmanager
def timed(name: str, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Note how long what runs inside took, for `add_times`; nothing outside of a workflow."""
    start = time.monotonic()
    try:
        yield
    finally:
        if (file := _times(environment)) is not None:
            _append(str(file), f"| {name} | {time.monotonic() - start:.1f} |\n")


def add_times(environment: Mapping[str, str] = os.environ) -> None:
    """What was timed since the last call, in this step and in those before, as a table in the job's summary."""
    file = _times(environment)
    if file is not None and file.is_file():
        add_summary(f"| step | seconds |\n|---|---:|\n{file.read_text(encoding='utf-8')}", environment)
        file.unlink()


def _times(environment: Mapping[str, str]) -> Path | None:
    """The file that .github/actions/common.sh writes to as well."""
    folder = environment.get("RUNNER_TEMP")
    return Path(folder, "lockgate-seconds") if folder else None


def _append(file: str | None, text: str) -> None:
    if file:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)
