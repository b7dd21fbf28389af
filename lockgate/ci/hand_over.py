"""From the job that runs the project's code to the job that decides: an artifact, taken as if a stranger had made it.

Whoever decides runs on a clean machine, where nothing of the project is executed. It takes plain files by the names that
are known here, holds them to the bundle's own hashes, and measures and judges by itself.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_file
from lockgate.config.limits import HAND_OVER_BYTES, JSON_BYTES, YAML_BYTES, Limit
from lockgate.documents.reproduction_json import Reproduction
from lockgate.documents.schema_json import Schema
from lockgate.documents.text import clean_text
from lockgate.documents.train_json import TrainingReport
from lockgate.dvc.lock import DVC_LOCK, read_lock
from lockgate.model.bundle import BESIDE, Bundle, verify_bundle, write_bundle

ARTIFACT = "measured"
REPRODUCTION = layout.REPORTS / "reproduction.json"
ROWS = (layout.TRAIN_DATA, layout.TEST_DATA, layout.CURRENT_DATA)
FILES: Mapping[Path, Limit] = {
    **dict.fromkeys(ROWS, HAND_OVER_BYTES),
    **dict.fromkeys((layout.DATA_SCHEMA, layout.TRAIN_REPORT, REPRODUCTION), JSON_BYTES),
    DVC_LOCK: YAML_BYTES,
}
JUDGED = (layout.MODELS, layout.TRAIN_DATA, layout.TEST_DATA, layout.DATA_SCHEMA)  # what a verdict on a model needs
TABLES = ("predictions", "champion-predictions")
MAX_FILES = 200
HOW_TO_FIX = "nothing of it is used; look at what the job that made it ran"


def pack_project(project: Path, folder: Path, files: Collection[Path] = tuple(FILES)) -> list[Path]:
    """Copy the bundle and `files` from `project` into the new folder `folder`, whatever of them is there; the names."""
    bundle = project / layout.MODELS
    names = [name for name in files if (project / name).is_file()]
    if bundle.is_dir():
        names += [layout.MODELS / path.name for path in sorted(bundle.iterdir()) if path.name not in BESIDE]
    shutil.rmtree(folder, ignore_errors=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / name, folder / name)
    return names


def take_project(
    artifact: Path, project: Path, needs: Collection[Path] = JUDGED, *, with_lock: bool = False
) -> Bundle | None:
    """Move what was handed over to its places in `project`, a clean checkout; the bundle among it, None without one.

    `needs` are names that have to be there. The artifact's dvc.lock, which says what was reproduced, replaces the
    commit's only `with_lock`. Results that the commit carries are removed first, whatever comes of it.
    Raises InputError, one line, where anything is no plain file, unknown, too large, of another kind than its name says, or
    training rows or schema are not the bundle's; then nothing was moved.
    """
    remove_results(project)
    found = _files(artifact, FILES)
    for name in needs:
        if not any(one == name or name in one.parents for one in found):
            raise _refusal(f"{name} is not in it")
    bundle = verify_bundle(artifact / layout.MODELS) if (artifact / layout.MODELS).exists() else None
    _require_readable(artifact, found)
    if bundle is not None:
        _require_of_bundle(artifact, found, bundle)
    for name in found:
        if name != DVC_LOCK or with_lock:
            _move(artifact / name, project, name)
    return None if bundle is None else replace(bundle, folder=project / layout.MODELS)


def take_tables(artifact: Path, project: Path, tables: Collection[Path]) -> None:
    """Move a table of predictions, and its champion's, to their places in `project`: `tables`, relative to it.

    Raises InputError as `take_project` does, and where a table's place is outside of `project`.
    """
    remove_results(project)
    names = {Path(kind, table.name): table for kind, table in zip(TABLES, tables, strict=False)}
    found = _files(artifact, dict.fromkeys(names, HAND_OVER_BYTES))
    for name, table in names.items():
        if name not in found:
            raise _refusal(f"{name} is not in it")
        _move(artifact / name, project, table)


def pack_champion(bundle: Bundle, rows: Path, folder: Path) -> None:
    """Write the base commit's bundle and its own test rows into the new folder `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / layout.DATA).mkdir(parents=True)
    write_bundle(bundle, folder / layout.MODELS)
    shutil.copyfile(rows, folder / layout.TEST_DATA)


def read_champion(artifact: Path) -> tuple[Bundle, Path]:
    """The base commit's bundle and the file of its own test rows, in the artifact of the job that reproduced them.

    Raises InputError as `take_project` does.
    """
    found = _files(artifact, {layout.TEST_DATA: HAND_OVER_BYTES})
    if layout.TEST_DATA not in found:
        raise _refusal(f"{layout.TEST_DATA} is not in it")
    return verify_bundle(artifact / layout.MODELS), artifact / layout.TEST_DATA


def remove_results(project: Path) -> None:
    """Remove what stages and gate leave, as far as a commit carries it: nothing of it is a result of this run.

    Raises InputError where one of the folders is a link, behind which something else would be removed and written.
    """
    for folder in (layout.DATA, layout.MODELS, layout.REPORTS, layout.PLOTS):
        _require_folder(project, folder)
        keep = {layout.TEST_SET_HISTORY} if folder == layout.REPORTS else set()
        known = set(ROWS) | {layout.DATA_SCHEMA} if folder == layout.DATA else None
        if (project / folder).is_dir():
            for entry in sorted((project / folder).iterdir()):
                name = folder / entry.name
                if name not in keep and (known is None or name in known) and not _is_folder(entry):
                    entry.unlink()


def _files(artifact: Path, known: Mapping[Path, Limit]) -> list[Path]:
    """The names of the artifact's files; raises InputError unless each is known, plain and no larger than it may be.

    Of a bundle's folder every name is taken: the bundle's own reader checks it against the manifest.
    """
    folders = {parent for name in [*known, layout.MODELS / "any"] for parent in name.parents}
    found: list[Path] = []
    waiting = [Path()]
    while waiting:
        folder = waiting.pop()
        for entry in _entries(artifact, folder):
            name, mode = folder / entry.name, entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(mode.st_mode) and name in folders:
                waiting.append(name)
                continue
            if not stat.S_ISREG(mode.st_mode) and not stat.S_ISDIR(mode.st_mode):
                raise _refusal(f"{_shown(name)} is no plain file")
            if stat.S_ISDIR(mode.st_mode) or (name not in known and (folder != layout.MODELS or name.name in BESIDE)):
                raise _refusal(f"nobody hands over {_shown(name)}")
            if name in known:
                known[name].require(mode.st_size, f"{name} of the artifact `{ARTIFACT}`")
            found.append(name)
            if len(found) > MAX_FILES:
                raise _refusal(f"it holds more than {MAX_FILES} files")
    return sorted(found)


def _entries(artifact: Path, folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(artifact / folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"there is no artifact `{ARTIFACT}` in {artifact} ({error.strerror}); {HOW_TO_FIX}") from None


def _require_readable(artifact: Path, found: Collection[Path]) -> None:
    if layout.DATA_SCHEMA in found:
        Schema.read_file(artifact / layout.DATA_SCHEMA)
    if layout.TRAIN_REPORT in found:
        TrainingReport.read_file(artifact / layout.TRAIN_REPORT)
    if REPRODUCTION in found:
        Reproduction.read_file(artifact / REPRODUCTION)
    if DVC_LOCK in found:
        read_lock(artifact / DVC_LOCK)


def _require_of_bundle(artifact: Path, found: Collection[Path], bundle: Bundle) -> None:
    if layout.TRAIN_DATA in found and sha256_file(artifact / layout.TRAIN_DATA) != bundle.training_data:
        raise _refusal(f"{layout.TRAIN_DATA} is not what its bundle was trained on (the sha256 is not the manifest's)")
    if layout.DATA_SCHEMA in found and Schema.read_file(artifact / layout.DATA_SCHEMA).origin != bundle.manifest.origin:
        raise _refusal(f"{layout.DATA_SCHEMA} names another source than the manifest of its bundle")


def _move(source: Path, project: Path, name: Path) -> None:
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{_shown(name)} leads out of the working directory; give a path in it")
    for parent in reversed(name.parents):
        _require_folder(project, parent)
    target = project / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # a link would be followed
    shutil.move(source, target)


def _require_folder(project: Path, name: Path) -> None:
    """Raises InputError where `name` is there and no folder: through a link something else would be written."""
    path = project / name
    if name != Path() and (path.is_symlink() or (path.exists() and not path.is_dir())):
        raise InputError(f"{_shown(name)} is a link or a file, and results are written there; make it a folder")


def _is_folder(entry: Path) -> bool:
    return stat.S_ISDIR(entry.lstat().st_mode)


def _refusal(problem: str) -> InputError:
    return InputError(f"the artifact `{ARTIFACT}` is refused: {problem}; {HOW_TO_FIX}")


def _shown(name: Path) -> str:
    return f"'{clean_text(PurePosixPath(name), 80)}'"
