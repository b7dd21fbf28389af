"""Whether `dvc.lock` is of the files, settings and commands as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lockgate.config.errors import InputError

Lock = Mapping[str, Any]


def stale_entries(committed: Lock, reproduced: Lock) -> list[str]:
    """Why the committed lock is not of the files as they are: inputs, parameters and commands that differ, by stage."""
    return list(_differences(committed, reproduced, ("cmd", "deps", "params")))


def other_bytes(committed: Lock, reproduced: Lock) -> list[str]:
    """Outputs that came out with other bytes although no stage's inputs differ, as on another kind of machine."""
    if stale_entries(committed, reproduced):
        return []
    return list(_differences(committed, reproduced, ("outs",)))


def _differences(committed: Lock, reproduced: Lock, parts: tuple[str, ...]) -> Iterator[str]:
    before, after = committed.get("stages") or {}, reproduced.get("stages") or {}
    for stage in sorted(before.keys() | after.keys()):
        old, new = _entries(before.get(stage) or {}, parts), _entries(after.get(stage) or {}, parts)
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                what = "is new" if name not in old else "is gone" if name not in new else "changed"
                yield f"{stage}: {name} {what}"


def _entries(stage: Mapping[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in parts:
        value = stage.get(part)
        if part == "params":
            for values in (value or {}).values():
                found |= {f"parameter {key}": item for key, item in values.items()}
        elif part == "cmd":
            found |= {} if value is None else {"its command": value}
        else:
            found |= {
                entry["path"]: entry.get("md5") or entry.get("etag") or entry.get("hash") for entry in value or []
            }
    return found


def stale_stages(folder: Path) -> list[str]:
    """What `dvc.lock` says that the project in `folder` no longer is, a line each; no data need be there.

    A dependency that another stage makes is held against what the lock says of that one, every other against its file;
    one whose file is not there, as in a clone without the data, is not judged.
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


def _changed(deps: Iterable[Any], made: Mapping[str, Any]) -> Iterator[str]:
    """The dependencies of a stage, objects of DVC's, that are not as the lock has them."""
    for dep in deps:
        if dep.fs_path in made:
            if made[dep.fs_path].hash_info != dep.hash_info:
                yield dep.def_path
            continue
        for name, status in dep.status().items():
            if isinstance(status, dict):
                yield from (f"the parameter {key}" for key in status)
            elif status != "deleted" or not dep.hash_info:
                yield name
