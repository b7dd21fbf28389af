"""mutmut with the mutants in the order in which they are named, so that those of a run that ends early are a fair sample.

mutmut itself runs the mutants with the quickest tests first.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main(arguments: list[str]) -> None:
    """Run mutmut with these arguments."""
    program = import_module("mutmut.__main__")  # which looks for the settings of the folder it is imported in
    place = {name: position for position, name in enumerate(arguments)}
    program.estimated_worst_case_time = place.__getitem__  # what mutmut sorts by
    program.cli(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
