"""The stages for a project that has a `params.yaml` and no `dvc.yaml` of its own."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import lockgate
from lockgate.config.layout import PARAMS
from lockgate.config.params import read_params
from lockgate.config.yaml_file import read_yaml

DVC_YAML = Path("dvc.yaml")
KIT = Path(".lockgate-kit")
# In the kit's own dvc.yaml these are its code and its locked packages; elsewhere the kit is installed, not a folder.
KITS_OWN = ("pipeline/", "requirements/")


def project_stages(kit_yaml: Path, folder: Path) -> bytes:
    """A `dvc.yaml` for `folder` made from the kit's, with the kit as one dependency and the project's data files as more.

    A source that DVC cannot see change, such as a URL, makes `prepare` run every time.
    """
    document, stated = read_yaml(kit_yaml), read_yaml(folder / PARAMS)
    params = read_params(folder / PARAMS)
    for stage in document["stages"].values():
        kept = [name for name in stage["deps"] if not name.startswith(KITS_OWN)]
        stage["deps"] = [str(KIT), *kept]
        # DVC wants every parameter that is named to be there; one left out has the kit's own value.
        stage["params"] = [key for key in stage["params"] if _is_stated(stated, key)]
    prepare: dict[str, Any] = document["stages"]["prepare"]
    sources = [name for name in (params.prepare.source, params.prepare.current) if name and name != "synthetic"]
    prepare["deps"] += [name for name in sources if (folder / name).exists()]
    if any(not (folder / name).exists() for name in sources):
        prepare["always_changed"] = True
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump({"stages": document["stages"]}, stream)
    return stream.getvalue().encode()


def _is_stated(params: Mapping[str, Any], key: str) -> bool:
    section, _, name = key.partition(".")
    return section in params and (not name or name in (params[section] or {}))


def kit_identity() -> bytes:
    """What the kit is here: its code and the packages beside it, as one hash."""
    root = Path(lockgate.__file__).parent
    found = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        found.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    packages = sorted({f"{found.name}=={found.version}" for found in distributions() if found.name != "lockgate"})
    found.update("\n".join(packages).encode())
    return f"{found.hexdigest()}\n".encode()
