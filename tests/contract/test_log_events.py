"""docs/service.md lists the events that the service logs: all of them, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import lockgate.service

ROOT = Path(__file__).parents[2]
SOURCES = [path.read_text() for path in Path(lockgate.service.__file__).parent.rglob("*.py")]
TABLE = re.search(r"^\| event \|.*?\n\n", (ROOT / "docs/service.md").read_text(), re.DOTALL | re.MULTILINE)


def documented() -> set[str]:
    assert TABLE is not None
    return {name for line in TABLE[0].strip().splitlines()[2:] for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def logged() -> set[str]:
    """The names that stand in calls of `log_event`."""
    calls = [node for source in SOURCES for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call.args[0] for call in calls if getattr(call.func, "id", "") == "log_event" and call.args]
    return {str(name.value) for name in named if isinstance(name, ast.Constant)}


def test_every_event_is_documented() -> None:
    assert len(logged()) > 20
    assert logged() - documented() == set()


def test_every_documented_event_is_in_the_source() -> None:
    """As it is, or put together from a beginning, such as `reload-`."""
    text = "\n".join(SOURCES)
    missing = [name for name in documented() if f'"{name}"' not in text and f'f"{name.split("-")[0]}-{{' not in text]
    assert missing == []
