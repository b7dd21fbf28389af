"""Whether `dvc.lock` is of the files, settings and commands as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from lockgate.config.errors import InputError
from lockgate.config.yaml_file import read_yaml

DVC_LOCK = Path("dvc.lock")

# What a lock says of something: a hash, a command, a parameter's value as YAML has it. Only compared.
Value: TypeAlias = object


class _Watched(Protocol):
    """A dependency or an output, as DVC's own objects have it."""

    fs_path: str
    def_path: str
    protocol: str
    hash_info: object

    def status(self) -> Mapping[str, str | Mapping[str, str]]: ...


class LockedFile(msgspec.Struct, frozen=True):
    """A dependency or an output, by the hash that DVC keeps of it."""

    path: str
    md5: str | None = None
    etag: str | None = None
    hash: str | None = None

    @property
    def identity(self) -> str | None:
        """What tells its content from another."""
        return self.md5 or self.etag or self.hash


class LockedStage(msgspec.Struct, frozen=True):
    """What a stage was run on, and what it made."""

    cmd: str | list[str] | None = None
    deps: list[LockedFile] = []
    params: dict[str, dict[str, Value]] = {}
    outs: list[LockedFile] = []

    def inputs(self) -> dict[str, Value]:
        """Command, dependencies and parameters, by what they are called in a sentence."""
        command: dict[str, Value] = {} if self.cmd is None else {"its command": self.cmd}
        files: dict[str, Value] = {dep.path: dep.identity for dep in self.deps}
        return (
            command | files | {f"parameter {key}": value for one in self.params.values() for key, value in one.items()}
        )

    def outputs(self) -> dict[str, Value]:
        """The identity of each output, by its path."""
        return {out.path: out.identity for out in self.outs}


class Lock(msgspec.Struct, frozen=True):
    """The content of dvc.lock, as far as the kit reads it."""

    stages: dict[str, LockedStage] = {}


def read_lock(path: Path) -> Lock:
    """The lock at `path`, an empty one where there is none; raises InputError where it is no lock."""
    try:
        return msgspec.convert(read_yaml(path) if path.exists() else {}, Lock)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is not as DVC writes it: {error}; run `dvc repro`") from None


def stale_entries(committed: Lock, reproduced: Lock) -> list[str]:
    """Why the committed lock is not of the files as they are: inputs, parameters and commands that differ, by stage."""
    return list(_differences(committed, reproduced, LockedStage.inputs))


def other_bytes(committed: Lock, reproduced: Lock) -> list[str]:
    """Outputs that came out with other bytes although no stage's inputs differ, as on another kind of machine."""
    if stale_entries(committed, reproduced):
        return []
    return list(_differences(committed, reproduced, LockedStage.outputs))


def other_bytes_line(path: str | Path, found: str, locked: str, lock: str | Path) -> str:
    """The sentence about a file that is not as its lock says: both hashes."""
    return f"{path} has other bytes than {lock} says: md5 {found}, not {locked}"


def require_locked_bytes(folder: Path, *paths: Path) -> None:
    """Raises InputError where one of these files, if it is there, has other bytes than `dvc.lock` in `folder` says."""
    for path, found, locked in differing_files(read_lock(folder / DVC_LOCK), folder, paths):
        raise InputError(
            f"{other_bytes_line(path, found, locked, DVC_LOCK)}; delete it and run `lockgate reproduce`, or `dvc commit` "
            "where it is meant"
        )


def differing_files(lock: Lock, folder: Path, paths: Collection[Path] | None = None) -> Iterator[tuple[str, str, str]]:
    """The outputs that are there with other bytes than the lock says: path, md5 of the bytes, md5 in the lock.

    Of `paths` alone, where they are given. A lock says nothing of the outputs of a stage whose parameters or inputs are
    others now: such outputs were made by hand.
    """
    makers = {out.path: name for name, stage in lock.stages.items() for out in stage.outs}
    current: dict[str, bool] = {}

    def is_current(name: str) -> bool:
        if name not in current:
            current[name] = False  # until it is known, which ends a circle
            stage = lock.stages[name]
            current[name] = _has_locked_params(stage, folder) and all(
                is_current(makers[dep.path]) and dep.identity == lock.stages[makers[dep.path]].outputs()[dep.path]
                if dep.path in makers
                else not (folder / dep.path).exists() or dep.identity == _md5(folder / dep.path)
                for dep in stage.deps
            )
        return current[name]

    for name, stage in lock.stages.items():
        for out in stage.outs:
            path = folder / out.path
            if out.md5 is None or out.hash != "md5" or not path.exists() or (paths and Path(out.path) not in paths):
                continue
            if is_current(name) and (found := _md5(path)) != out.md5:
                yield out.path, found, out.md5


def _has_locked_params(stage: LockedStage, folder: Path) -> bool:
    for name, locked in stage.params.items():
        stated = read_yaml(folder / name) if (folder / name).is_file() else {}
        for key, value in locked.items():
            found: Value = stated
            for part in key.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
            if found != value:
                return False
    return True


def _md5(path: Path) -> str:
    """The hash that DVC keeps of a file, or of a folder: then of the list of its files."""
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        listing = [{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)]
        return hashlib.md5(json.dumps(listing).encode(), usedforsecurity=False).hexdigest() + ".dir"
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _differences(
    committed: Lock, reproduced: Lock, part: Callable[[LockedStage], Mapping[str, Value]]
) -> Iterator[str]:
    before, after = committed.stages, reproduced.stages
    for stage in sorted(before.keys() | after.keys()):
        old, new = part(before.get(stage, LockedStage())), part(after.get(stage, LockedStage()))
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                what = "is new" if name not in old else "is gone" if name not in new else "changed"
                yield f"{stage}: {name} {what}"


def stale_stages(folder: Path) -> list[str]:
    """What `dvc.lock` says that the project in `folder` no longer is, a line each; no data need be there.

    A dependency that another stage makes is held against what the lock says of that one, every other against its file;
    one whose file is not there, as in a clone without the data, or whose storage does not let itself be asked, is not judged.
    Raises InputError where DVC cannot read the project.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    problems = []
    try:
        with Repo(str(folder)) as repo:
            made = {out.fs_path: out for stage in repo.index.stages for out in stage.outs}
            for stage in repo.index.stages:
                if not isinstance(stage, PipelineStage):
                    continue
                if not any(out.hash_info for out in stage.outs):
                    problems.append(f"the stage `{stage.addressing}` is not in it")
                    continue
                if stage.cmd_changed:
                    problems.append(f"the stage `{stage.addressing}` has another command")
                problems += [f"{what} of the stage `{stage.addressing}` changed" for what in _changed(stage.deps, made)]
    except DvcException as error:
        raise InputError(f"DVC cannot read the project: {error}") from None
    return problems


def _changed(deps: Iterable[_Watched], made: Mapping[str, _Watched]) -> Iterator[str]:
    """The dependencies of a stage, objects of DVC's, that are not as the lock has them."""
    for dep in deps:
        if dep.fs_path in made:
            if made[dep.fs_path].hash_info != dep.hash_info:
                yield dep.def_path
            continue
        try:
            statuses = dep.status()
        except Exception:  # each storage has errors of its own
            if dep.protocol == "local":
                raise
            continue
        for name, status in statuses.items():
            if isinstance(status, Mapping):
                yield from (f"the parameter {key}" for key in status)
            elif status != "deleted" or not dep.hash_info:
                yield name
