"""Imported data in a retrain: the `.dvc` files that `dvc update` brought up to date, from the job that did it to the proposal."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml.error import YAMLError

from lockgate.config.errors import InputError
from lockgate.config.limits import YAML_BYTES
from lockgate.config.yaml_file import parse_yaml

# What an update changes of a `.dvc` file: which bytes, and which version of the source.
VERSIONS = frozenset(
    {"checksum", "cloud", "etag", "files", "hash", "isexec", "md5", "mtime", "nfiles", "rev_lock", "size", "version_id"}
)
HOW_TO_FIX = "nothing is proposed; look at what the job `measure` ran"


def imported_files(text: str) -> list[Path]:
    """The `.dvc` files that an input names, a line each, in the working directory.

    Raises InputError where one is no such name, or leads out of the working directory.
    """
    names = [PurePosixPath(line.strip()) for line in text.splitlines() if line.strip()]
    for name in names:
        if name.suffix != ".dvc" or name.is_absolute() or ".." in name.parts:
            raise InputError(
                f"`dvc-update` names {str(name)!r}; give `.dvc` files in the working directory, one a line"
            )
    return [Path(name) for name in names]


def pack_imports(names: Iterable[Path], project: Path, folder: Path) -> None:
    """Copy these files of `project` into the new folder `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / name, folder / name)


def take_imports(names: Iterable[Path], folder: Path, project: Path) -> None:
    """Write these files of `folder`, which another job packed, over those of `project`, a clean checkout.

    Raises InputError unless each is a plain file that names other versions of the same data than the checkout's, and nothing
    else is changed in it; then none was written.
    """
    contents = {name: _updated(folder / name, project / name, name) for name in names}
    for name, content in contents.items():
        (project / name).write_bytes(content)


def _updated(updated: Path, committed: Path, name: Path) -> bytes:
    for path in (updated, committed):
        if path.is_symlink() or not path.is_file():
            raise _refusal(f"{name} is no plain file")
    YAML_BYTES.require(updated.stat().st_size, str(name))
    content = updated.read_bytes()
    if _without_versions(_parsed(content, name)) != _without_versions(_parsed(committed.read_bytes(), name)):
        raise _refusal(f"{name} names other data than the commit's, and not another version of the same")
    return content


def _parsed(content: bytes, name: Path) -> Any:
    try:
        return parse_yaml(content.decode(), str(name))
    except (YAMLError, ValueError, RecursionError):
        raise _refusal(f"{name} is not valid YAML") from None


def _without_versions(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_versions(inner) for key, inner in value.items() if key not in VERSIONS}
    return [_without_versions(inner) for inner in value] if isinstance(value, list) else value


def _refusal(problem: str) -> InputError:
    return InputError(f"an imported file is refused: {problem}; {HOW_TO_FIX}")
