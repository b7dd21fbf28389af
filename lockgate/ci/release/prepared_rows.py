"""The prepared rows that a release is judged on, prepared once more by the kit where nothing of the project's is in between."""

from __future__ import annotations

from pathlib import Path

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes, sha256_file
from lockgate.config.params import SYNTHETIC
from lockgate.data.dataset import Dataset, prepare
from lockgate.data.download import is_url
from lockgate.data.tables import table_bytes
from lockgate.dvc.stages import DVC_YAML, PREPARE, read_pipeline
from lockgate.project import Project

SCRIPT = Path("pipeline/prepare.py")
# The sha256 of the script that the kit's own repository has: a thin call of what runs here.
KITS_SCRIPT = "505247b711a51c2e8130b8a5ff3bb30e5ccfe0ae3651d98b5f21a854683f518d"
_COMMANDS = ("lockgate prepare", f"python {SCRIPT}")


def own_preparation(project: Project) -> str | None:
    """What of the preparation is the project's own or out of reach here, in words; None where the kit can do it again."""
    source = project.params.prepare.source
    if is_url(source):
        return "its source is behind a URL, and may have changed"
    if source != SYNTHETIC and not (project.folder / source).exists():
        return f"its source {source} is not in git"
    if not (project.folder / DVC_YAML).is_file():
        return None
    stage = read_pipeline(project.folder / DVC_YAML).stage(PREPARE)
    command = stage.cmd.split(" --", 1)[0] if stage and isinstance(stage.cmd, str) else ""
    if command not in _COMMANDS:
        return f"the stage `{PREPARE}` of {DVC_YAML} runs a command of its own"
    script = project.folder / SCRIPT
    if command.endswith(SCRIPT.name) and (not script.is_file() or sha256_file(script) != KITS_SCRIPT):
        return f"{SCRIPT} is the project's own"
    return None


def prepare_again(project: Project) -> Dataset:
    """The rows of the project's source, as the kit prepares them."""
    return prepare(project.read_source_table(), project.prepare_settings, project.read_current_table())


def require_same_rows(prepared: Dataset, folder: Path) -> None:
    """Raises InputError unless the train and test rows below `folder` are the prepared ones, byte for byte."""
    for path, table in ((layout.TRAIN_DATA, prepared.train_table), (layout.TEST_DATA, prepared.test_table)):
        if sha256_file(folder / path) != sha256_bytes(table_bytes(table)):
            raise InputError(
                f"{path} that the job measure handed over has other rows than the kit prepares from the same source; "
                "nothing is shipped: look at what that job ran"
            )
