"""What an operation gets and gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fake_github.description import Description

State = dict[str, Any]
_REPOSITORY = re.compile(r"https://api\.github\.com/repos/[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is JSON, or bytes as they are, or None for an empty one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request that fits the description. `state` is all that GitHub knows, as JSON; operations change it in place."""

    state: State
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    raw: bytes
    login: str
    url: str
    description: Description

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """The list of that name in the state."""
        entries: list[dict[str, Any]] = self.state.setdefault(kind, [])
        return entries

    def find(self, kind: str, **wanted: Any) -> dict[str, Any] | None:
        """The first entry of the list with these values."""
        return next((e for e in self.entries(kind) if all(e.get(k) == v for k, v in wanted.items())), None)

    def add(self, kind: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """A new entry with an id of its own."""
        self.state["last_id"] = self.state.get("last_id", 1000) + 1
        made = {"id": self.state["last_id"], **entry}
        self.entries(kind).append(made)
        return made

    def example(self, name: str) -> Any:
        """A copy of one of the description's own examples, with our repository's address in it."""
        text = json.dumps(self.description.example(name))
        return json.loads(_REPOSITORY.sub(self.repository_url(), text).replace("https://api.github.com", self.url))

    def repository_url(self, rest: str = "") -> str:
        """Address of the repository's part of the API."""
        return f"{self.url}/repos/{self.state['repository']}{rest}"

    def page(self, items: Sequence[Any], wrap: Callable[[list[Any]], Any] = lambda page: page) -> Answer:
        """One page of a list with GitHub's `Link` header."""
        size = min(int(self.query.get("per_page", "30")), 100)
        number = int(self.query.get("page", "1"))
        last = max(1, -(-len(items) // size))
        links = {}
        if number < last:
            links = {"next": number + 1, "last": last}
        header = ", ".join(
            f'<{self.url}{self._here}?{urlencode({**self.query, "page": str(page)})}>; rel="{relation}"'
            for relation, page in links.items()
        )
        found = list(items[(number - 1) * size : number * size])
        return Answer(200, wrap(found), {"Link": header} if header else {})

    @property
    def _here(self) -> str:
        return self.path[""]


Handler = Callable[[Call], Answer]
OPERATIONS: dict[str, Handler] = {}


def operation(name: str) -> Callable[[Handler], Handler]:
    """Marks the function that answers the operation of this name in GitHub's description."""

    def register(handler: Handler) -> Handler:
        assert name not in OPERATIONS, f"{name} is answered twice"
        OPERATIONS[name] = handler
        return handler

    return register


def refusal(status: int, message: str, **more: Any) -> Answer:
    """An error as GitHub words them."""
    return Answer(status, {"message": message, "documentation_url": "https://docs.github.com/rest", **more})


NOT_FOUND = refusal(404, "Not Found")
