"""What `dvc.lock` says against what a reproduction found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
