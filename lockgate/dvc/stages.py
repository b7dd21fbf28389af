"""`dvc.yaml`: the kit's own stages, and the files and parameters that a project's stages have to watch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.layout import MODELS, PARAMS
from lockgate.config.params import SYNTHETIC, Prepare, read_params
from lockgate.config.yaml_file import read_yaml
from lockgate.data.download import is_url
from lockgate.data.file_names import fixed_folder, has_wildcard
from lockgate.documents.manifest_json import Manifest
from lockgate.model.bundle import MANIFEST, REQUIRED_FILES
from lockgate.model.flavours.table import FLAVOURS

DVC_YAML = Path("dvc.yaml")
PREPARE = "prepare"
# Behind a dependency it says that the entry is the kit's: it goes when params.yaml names another file.
OURS = "  # {} of params.yaml"
KITS_NATIVE = {str(MODELS / flavour.native) for flavour in FLAVOURS.values()}
PLAIN_SCALAR = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*")


def kit_stages() -> str:
    """The stages for a project that has a `params.yaml` and no `dvc.yaml` of its own."""
    return (files("lockgate.dvc") / "stages.yaml").read_text(encoding="utf-8")


class EntrySettings(msgspec.Struct, frozen=True):
    """What stands behind a name in a list of dvc.yaml, such as `cache: false`: DVC's affair."""


# A file, an output or a parameter; where it has settings of its own, or names another parameters file, one key.
Entry = str | dict[str, EntrySettings | list[str] | None]


class Stage(msgspec.Struct, frozen=True):
    """A stage of dvc.yaml, as far as the kit reads it."""

    cmd: str | list[str] = ""
    deps: list[Entry] | None = None
    params: list[Entry] | None = None
    outs: list[Entry] | None = None
    metrics: list[Entry] | None = None


class Pipeline(msgspec.Struct, frozen=True):
    """The content of dvc.yaml, as far as the kit reads it."""

    vars: list[object] | None = None
    stages: dict[str, Stage] | None = None

    @property
    def results(self) -> int | None:
        """The number of results that it was written for, `vars: [results: N]`, or None where it names none."""
        named = [entry["results"] for entry in self.vars or [] if isinstance(entry, dict) and "results" in entry]
        return named[0] if named and isinstance(named[0], int) else None

    def stage(self, name: str) -> Stage | None:
        """The stage of this name, if there is one."""
        return (self.stages or {}).get(name)


def read_pipeline(path: Path) -> Pipeline:
    """The dvc.yaml at `path`; raises InputError where there is none or it is not one."""
    try:
        return msgspec.convert(read_yaml(path), Pipeline)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is not as DVC reads it: {error}") from None


def read_kit_stages() -> dict[str, Stage]:
    """The kit's stages by name."""
    return msgspec.convert(YAML(typ="safe", pure=True).load(kit_stages())["stages"], dict[str, Stage])


def entry_names(entries: Sequence[Entry] | None) -> list[str]:
    """The names in a list of a stage; an entry with settings of its own counts by its name."""
    return [next(iter(one)) if isinstance(one, Mapping) else str(one) for one in entries or []]


def watched_files(prepare: Prepare) -> dict[str, str]:
    """The data files that DVC can see change, by the setting that names them: nothing synthetic, and of URLs those of S3.

    Of these it lists names, sizes and etags, and copies nothing. Of a pattern of names it is the folder of the files, as DVC
    knows no patterns; raises InputError where that is the project's own, which holds outputs too.
    """
    named = {"prepare.source": prepare.source, "prepare.current": prepare.current}
    watched = {}
    for key, name in named.items():
        if name and name != SYNTHETIC and (not is_url(name) or is_watched_url(name)):
            scheme, separator, path = name.rpartition("://")
            watched[key] = f"{scheme}{separator}{fixed_folder(path)}" if has_wildcard(path) else name
            if watched[key] == ".":
                raise InputError(
                    f"{key}: {name} stands for files of the project's own folder, which DVC cannot watch; put them into a "
                    "folder of their own"
                )
    return watched


def is_watched_url(url: str) -> bool:
    """Whether DVC watches what stands behind a URL, without being told to: on S3, where the address alone says what it is.

    What else a URL may hold, such as a password or a version, would be a part of the name for DVC, and stand in its files. A web
    server may give no etag, without which DVC refuses to look.
    """
    return url.startswith("s3://") and safe_url(url) == url


def unwatched_files(deps: Iterable[str], watched: Mapping[str, str]) -> list[str]:
    """The settings whose file is neither among the dependencies nor in a folder that is."""
    folders = {PurePosixPath(entry) for entry in deps}
    return [
        key
        for key, name in watched.items()
        if not folders & {PurePosixPath(f"${{{key}}}"), PurePosixPath(name), *PurePosixPath(name).parents}
    ]


def require_watched_files(stage: str, prepare: Prepare) -> None:
    """Raises InputError where DVC runs `stage` of the dvc.yaml here and does not see when its data files change."""
    found = read_pipeline(DVC_YAML).stage(stage) if DVC_YAML.is_file() else None
    watched = watched_files(prepare)
    if found and (missing := unwatched_files(entry_names(found.deps), watched)):
        raise InputError(
            f"{DVC_YAML}: {missing[0]} ({watched[missing[0]]}) is no dependency of the stage `{stage}`, so DVC does not "
            "see when it changes; run `lockgate reproduce`, which adds it"
        )


def with_results(text: str, number: int) -> str:
    """`dvc.yaml` with another number of results; it has one."""
    document = YAML().load(text)
    entry = next(entry for entry in document["vars"] if isinstance(entry, CommentedMap) and "results" in entry)
    line, column = entry.lc.value("results")
    lines = text.splitlines(keepends=True)
    lines[line] = lines[line][:column] + re.sub(r"^\d+", str(number), lines[line][column:])
    return "".join(lines)


@dataclass(frozen=True)
class Needs:
    """What a project's settings need its stages to name.

    `stated` are the sections of params.yaml, `train`, and their keys, `train.seed`; `watched` are `watched_files`, and
    `native` the files of the bundle beside those that every bundle has: the model in its library's own form.
    """

    stated: Set[str]
    watched: Mapping[str, str]
    native: Sequence[str] = ()


def read_needs(folder: Path) -> Needs:
    """What the settings of the project in `folder` need.

    A model of the project's own has the files that the manifest of its bundle names, none as long as there is none.
    """
    params, manifest = read_params(folder / PARAMS), folder / MODELS / MANIFEST
    names: Iterable[str] = ()
    if params.train.model in FLAVOURS:
        names = [FLAVOURS[params.train.model].native]
    elif manifest.is_file():
        names = [name for name in Manifest.read_file(manifest).files if name not in REQUIRED_FILES]
    native = [str(MODELS / name) for name in names]
    return Needs(_stated_keys(folder / PARAMS), watched_files(params.prepare), native)


def _stated_keys(path: Path) -> set[str]:
    """The sections in a params.yaml, and their keys with the section's name and a dot in front."""
    document = read_yaml(path)
    keys = {f"{name}.{key}" for name, section in document.items() if isinstance(section, Mapping) for key in section}
    return keys | document.keys()


def fit_stages(text: str, needs: Needs) -> str:
    """`dvc.yaml` with the files and parameters that `params.yaml` names; every other line stays as it is.

    The stage `prepare` depends on the source and on the current batch; the model's own files are outputs of the stage
    `train`, and `evaluate` and `drift` depend on them. A stage of the kit's name has those parameters of the kit's stage
    that params.yaml has: DVC refuses a parameter that is not there.
    Raises InputError where a list that has to change is written on one line.
    """
    stages = YAML().load(text).get("stages") or {}
    edits: list[_Edit] = []
    for name, kits in read_kit_stages().items():
        stage = stages.get(name)
        if not isinstance(stage, CommentedMap):
            continue
        edits += _parameter_edits(name, stage, entry_names(kits.params), needs.stated)
        if name == PREPARE:
            edits += _file_edits(name, stage, needs.watched, text.splitlines())
        else:
            edits += _native_edits(name, stage, needs.native, text.splitlines())
    return _edited(text, edits)


class _Edit(NamedTuple):
    """Lines that go from `line` on, and those that come in their place."""

    line: int
    removed: int
    added: list[str]


def _edited(text: str, edits: Iterable[_Edit]) -> str:
    lines = text.splitlines(keepends=True)
    for line, removed, added in sorted(edits, key=lambda edit: edit.line, reverse=True):
        lines[line : line + removed] = [f"{one}\n" for one in added]
    return "".join(lines)


def _parameter_edits(name: str, stage: CommentedMap, parameters: Sequence[str], stated: Set[str]) -> Iterator[_Edit]:
    listed = entry_names(stage.get("params"))
    gone = [one for one in listed if one in parameters and one not in stated]
    new = [key for key in parameters if key in stated and not any(_covers(one, key) for one in listed)]
    return _list_edits(name, stage, "params", gone, new)


def _covers(listed: str, key: str) -> bool:
    """Whether a listed parameter is `key`, is around it, or is the part of it that somebody chose."""
    return listed == key or key.startswith(f"{listed}.") or listed.startswith(f"{key}.")


def _file_edits(name: str, stage: CommentedMap, watched: Mapping[str, str], lines: Sequence[str]) -> Iterator[_Edit]:
    deps = stage.get("deps")
    listed = entry_names(deps)
    gone = [
        one
        for place, one in enumerate(listed)
        for key in ("prepare.source", "prepare.current")
        if one != watched.get(key) and lines[deps.lc.item(place)[0]].endswith(OURS.format(key))
    ]
    missing = unwatched_files([one for one in listed if one not in gone], watched)
    return _list_edits(name, stage, "deps", gone, [_scalar(watched[key]) + OURS.format(key) for key in missing])


def _native_edits(name: str, stage: CommentedMap, native: Sequence[str], lines: Sequence[str]) -> Iterator[_Edit]:
    key = "outs" if name == "train" else "deps"
    entries = stage.get(key)
    listed = entry_names(entries)
    ours = OURS.format("train.model")
    gone = [
        one
        for place, one in enumerate(listed)
        if one not in native and (one in KITS_NATIVE or lines[entries.lc.item(place)[0]].endswith(ours))
    ]
    return _list_edits(name, stage, key, gone, [one + ours for one in native if one not in listed])


def _list_edits(name: str, stage: CommentedMap, key: str, gone: Sequence[str], new: Sequence[str]) -> Iterator[_Edit]:
    """The edits that take entries out of the stage's list `key`, and put others before its first."""
    if not gone and not new:
        return
    entries = stage.get(key)
    if entries is None:
        begins, indent = [stage.lc.key(one)[0] for one in stage], " " * stage.lc.col
        yield _Edit(begins[1 if len(begins) > 1 else 0], 0, [f"{indent}{key}:", *(f"{indent}  - {one}" for one in new)])
        return
    if not isinstance(entries, CommentedSeq) or entries.fa.flow_style():
        raise InputError(
            f"{DVC_YAML} line {stage.lc.key(key)[0] + 1}: write `{key}` of the stage `{name}` as a list of one entry a line"
        )
    if len(gone) == len(entries) and not new:
        yield _Edit(stage.lc.key(key)[0], 1, [])
    yield from (_Edit(entries.lc.item(place)[0], 1, []) for place, one in enumerate(entries) if one in gone)
    if new:
        yield _Edit(entries.lc.line, 0, [f"{' ' * entries.lc.col}- {one}" for one in new])


def _scalar(name: str) -> str:
    return name if PLAIN_SCALAR.fullmatch(name) else json.dumps(name, ensure_ascii=False)
