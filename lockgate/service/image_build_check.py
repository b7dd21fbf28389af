"""Checked while the image is built: the bundle in it is whole, passed its gate, and is the one that the label names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.terminal import say_error
from lockgate.service.bundle import read_bundle, require_verdict
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker


def check(folder: Path, labelled: str) -> None:
    """Raises InputError unless `folder` may be baked into an image with the label `labelled` (a digest, or empty).

    The bundle is made ready to serve, so that nothing keeps the image from starting that could be known here.
    """
    bundle = read_bundle(folder)
    Worker(bundle, require_verdict(bundle.digest, folder, folder / "gate.json", allow_ungated=False), Settings())
    if labelled and labelled != bundle.digest:
        raise InputError(
            f"MODEL_DIGEST is {labelled[:80]!r}, but the bundle is {bundle.digest}; build with its own digest"
        )


def main() -> int:
    """`python -m lockgate.service.image_build_check FOLDER`, with the label's digest in MODEL_DIGEST."""
    try:
        check(Path(sys.argv[1]), os.environ.get("MODEL_DIGEST", ""))
    except InputError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
