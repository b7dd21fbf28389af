"""The root action for a repository of its own: the same inputs and outputs, and one step, which calls the kit's at a commit.

    python scripts/documents/mirror_action.py OWNER/lockgate SHA >action.yml

For the Marketplace, should it refuse a repository with workflows (docs/release-kit.md).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from ruamel.yaml import YAML

ROOT_ACTION = Path(__file__).parents[2] / "action.yml"


def write_mirror(kit: str, commit: str, stream: TextIO) -> None:
    """The mirror's action.yml, which calls the root action of `kit` at a commit."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 10_000
    action = yaml.load(ROOT_ACTION)
    given = {name: f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    for name, output in action["outputs"].items():
        output["value"] = f"${{{{ steps.gate.outputs.{name} }}}}"
    action["runs"] = {"using": "composite", "steps": [{"id": "gate", "uses": f"{kit}@{commit}", "with": given}]}
    yaml.dump(action, stream)


if __name__ == "__main__":
    write_mirror(sys.argv[1], sys.argv[2], sys.stdout)
