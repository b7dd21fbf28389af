"""`scripts/image sizes`: what each dependency adds to the image, largest first."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from imaging.base import some_base
from imaging.build import Wanted, build
from imaging.container import run_python
from imaging.docker import inspect

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.layout import MODELS
from lockgate.config.terminal import say_error

SHOWN_MB = 0.5


def table(shares: dict[str, int], total: float) -> str:
    """Markdown: name, megabytes, share of `total` (megabytes); what is under half a megabyte together."""
    rows = sorted(((size / 1e6, name) for name, size in shares.items()), reverse=True)
    small = [size for size, _ in rows if size < SHOWN_MB]
    rows = [row for row in rows if row[0] >= SHOWN_MB]
    rows.append((sum(small), f"{len(small)} smaller ones"))
    rows.append((total - sum(size for size, _ in rows), "folders, links, scripts"))
    lines = [f"| {name} | {size:.1f} | {size / total:.1%} |" for size, name in rows]
    return "\n".join(["| | MB | share |", "|---|---:|---:|", *lines, f"| **beyond the base** | **{total:.1f}** | |"])


def main() -> int:
    """Build the image and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/image sizes", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="with models/ and reports/gate.json")
    parser.add_argument("--base", help="the base image (default: the Dockerfile's, or one made with debootstrap)")
    given = parser.parse_args()
    try:
        base = given.base or some_base()
        image = build(Wanted(given.project / MODELS, base=base), given.project, show=False)
        total = (inspect("image", image)["Size"] - inspect("image", base)["Size"]) / 1e6
        print(table(json.loads(run_python(image, Path(__file__).with_name("_shares.py").read_text())), total))
    except InputError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
