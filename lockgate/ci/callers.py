"""The workflows of a project that uses the kit from its own repository: the kit's own, calling the kit by its name.

What answers an event in the kit's repository answers it in any project's: the jobs are the kit's reusable workflows and actions,
which a file there calls `$/...` and a file elsewhere `OWNER/NAME/...@REF`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.version import __version__

WORKFLOWS = Path(".github/workflows")
# The five moments. Their names are those by which they know of each other, as in `workflow_run: workflows: [pr]`.
CALLERS = ("pr.yml", "pr-comment.yml", "nightly-drift.yml", "retrain.yml", "release.yml")

_KIT = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<ref>[\w./-]+))?")
_OF_THE_KIT = re.compile(r"(uses: )\$(/\S+)")


@dataclass(frozen=True)
class KitReference:
    """Where the kit is on GitHub, `OWNER/NAME`, and which commit or tag of it a project calls."""

    repository: str
    ref: str


def parse_kit_reference(text: str) -> KitReference:
    """`OWNER/NAME`, with `@REF` behind it for another than this version; raises InputError for anything else."""
    found = _KIT.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text!r} is no repository of the kit; write OWNER/NAME, or OWNER/NAME@ with a commit's SHA or a tag"
        )
    return KitReference(found["repository"], found["ref"] or f"v{__version__}")


def caller_files(kit: KitReference) -> dict[Path, str]:
    """Each workflow file of a project with its text, the kit called at `kit`."""
    folder = _own_workflows()
    return {
        WORKFLOWS / name: _called_from_elsewhere((folder / name).read_text(encoding="utf-8"), kit) for name in CALLERS
    }


def _called_from_elsewhere(text: str, kit: KitReference) -> str:
    return _OF_THE_KIT.sub(rf"\g<1>{kit.repository}\g<2>@{kit.ref}", text)


def _own_workflows() -> Traversable:
    """The kit's own workflows: an installed kit has them beside this module, a checkout where GitHub reads them."""
    installed = files("lockgate.ci") / "workflows"
    return installed if installed.is_dir() else Path(__file__).parents[2] / WORKFLOWS
