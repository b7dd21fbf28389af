"""What MLflow's registry keeps and does, in memory: versions with tags, numbered one after the other, and aliases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities import PagedList

from lockgate.registry.registry import CHAMPION

NAME = "model"


@dataclass
class Server:
    """What MLflow does for all clients one call after the other. `broken` names a call that fails."""

    versions: dict[str, list[Any]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    broken: str = ""

    @property
    def alias(self) -> str | None:
        """The number of the champion."""
        return self.aliases.get(CHAMPION)

    @alias.setter
    def alias(self, number: str | None) -> None:
        self.aliases.pop(CHAMPION, None)
        self.aliases |= {CHAMPION: number} if number else {}

    def create_registered_model(self, name: str) -> None:
        self._require("create_registered_model")
        if name in self.versions:
            raise MlflowException("it exists", RESOURCE_ALREADY_EXISTS)
        self.versions[name] = []

    def create_model_version(
        self,
        name: str,
        source: str,
        tags: dict[str, str],
        await_creation_for: int = 0,
        run_id: str | None = None,
        model_id: str | None = None,
        description: str | None = None,
    ) -> Any:
        number = max((one.version for one in self.versions[name]), default=0) + 1
        made = SimpleNamespace(
            version=number,
            tags=dict(tags),
            run_id=run_id or f"run {number}",
            source=source,
            model_id=model_id,
            description=description,
        )
        self.versions[name].append(made)
        return made

    def search_model_versions(self, condition: str, page_token: str | None) -> Any:
        """Two a page, so that an entry may be appended between two pages."""
        (name,) = re.findall(r"name = '([^']+)'", condition)
        tags = re.findall(r"tags\.`([^`]+)` = '([^']*)'", condition)
        found = [one for one in self.versions.get(name, []) if all(one.tags.get(key) == value for key, value in tags)]
        start = int(page_token or 0)
        return PagedList(found[start : start + 2], str(start + 2) if len(found) > start + 2 else None)

    def get_model_version(self, name: str, number: str) -> Any:
        self._require("get_model_version")
        found = [one for one in self.versions.get(name, ()) if str(one.version) == number]
        if not found:
            raise MlflowException("it does not exist", RESOURCE_DOES_NOT_EXIST)
        return found[0]

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        return self.get_model_version(name, self.aliases.get(alias, "0"))

    def get_registered_model(self, name: str) -> Any:
        return SimpleNamespace(name=name, aliases=dict(self.aliases))

    def set_registered_model_alias(self, name: str, alias: str, number: str) -> None:
        assert name == NAME
        assert isinstance(number, str)
        self.aliases[alias] = number

    def set_model_version_tag(self, name: str, number: str, key: str, value: str) -> None:
        self.get_model_version(name, number).tags[key] = value

    def delete_model_version(self, name: str, number: str) -> None:
        gone = self.get_model_version(name, number)
        self.versions[name].remove(gone)
        self.aliases = {alias: at for alias, at in self.aliases.items() if at != number}

    def get_model_version_download_uri(self, name: str, number: str) -> str:
        return f"file:///{name}/{self.get_model_version(name, number).version}"

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="7") if name == NAME and self.runs else None

    def search_runs(self, experiments: list[str], condition: str) -> list[Any]:
        assert experiments == ["7"]
        ((tag, digest),) = re.findall(r"^tags\.`([^`]+)` = '([^']*)' and attributes\.status = 'FINISHED'$", condition)
        return [run for run in self.runs.values() if run.data.tags.get(tag) == digest and run.info.status == "FINISHED"]

    def get_run(self, run_id: str) -> Any:
        return self.runs[run_id]

    def get_logged_model(self, model_id: str) -> Any:
        return SimpleNamespace(artifact_location=f"file:///store/{model_id}")

    def _require(self, call: str) -> None:
        if call == self.broken:
            raise MlflowException("it does not work", INTERNAL_ERROR)


S = TypeVar("S", bound=Server)


def three_versions(server: S) -> S:
    """A registry with three versions and no champion."""
    server.create_registered_model(NAME)
    for number in (1, 2, 3):
        server.create_model_version(NAME, "", {"lockgate.digest": f"digest {number}"}, 0)
    return server
