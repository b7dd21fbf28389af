"""Bars for what a person waits for. Nothing is shown in CI, or where stderr is no terminal."""

from __future__ import annotations

import io
import os
import sys
from types import TracebackType
from typing import BinaryIO, Self

import click

from lockgate.config.terminal import terminal_line

MAX_DRAWN = 500  # times that a bar is drawn


def is_watched() -> bool:
    """Whether a person sees stderr."""
    return sys.stderr.isatty() and not os.environ.get("CI")


class ProgressBar:
    """A bar of `length` steps on stderr until it is closed; nothing where nobody watches, or where there are none."""

    def __init__(self, label: str, length: int) -> None:
        self._bar = None
        if length and is_watched():
            self._bar = click.progressbar(
                length=length,
                label=terminal_line(label),
                file=sys.stderr,
                item_show_func=lambda note: note,
                update_min_steps=max(1, length // MAX_DRAWN),
            )

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Go on by some steps; the note stands beside the bar."""
        if self._bar is not None:
            self._bar.update(steps, note)

    def close(self) -> None:
        """Leave the bar as it is and begin a new line."""
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class WatchedFile(io.RawIOBase):
    """A file that is read with a bar of its bytes; what is read twice moves the bar once."""

    def __init__(self, stream: BinaryIO, bar: ProgressBar) -> None:
        self._stream, self._bar, self._furthest = stream, bar, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        read = self._stream.read(len(buffer))
        buffer[: len(read)] = read
        place = self._stream.tell()
        if place > self._furthest:
            self._bar.advance(place - self._furthest)
            self._furthest = place
        return len(read)
