"""Reference tables of actions and reusable workflows, between `<!-- table: NAME -->` and `<!-- end -->` in README files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
PART = re.compile(r"(<!-- table: (?P<name>[\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def place(name: str) -> Path:
    """The file of an action or a reusable workflow; `root` is the action that stands at the root."""
    if name == "root":
        return ROOT / "action.yml"
    return GITHUB / "workflows" / name if name.endswith(".yml") else GITHUB / "actions" / name / "action.yml"


def contract(name: str) -> Mapping[str, Any]:
    """The inputs, secrets and outputs of an action, or of a reusable workflow (`name` ends with .yml)."""
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(place(name))
    called: Mapping[str, Any] = document["on"]["workflow_call"] or {} if name.endswith(".yml") else document
    return called


def table(name: str) -> str:
    """Markdown tables of everything that a caller gives and gets."""
    if not place(name).is_file():
        return "\nNot there yet.\n\n"
    parts = contract(name)
    lines: list[str] = []
    for title, column in (("inputs", "default"), ("secrets", "required"), ("outputs", None)):
        entries = parts.get(title) or {}
        if not entries:
            continue
        head = f"| {title[:-1]} | {f'{column} | ' if column else ''}|"
        lines += ["", head, "|---|---|---|" if column else "|---|---|"]
        lines += [f"| `{key}` | {_middle(column, entry)}{_text(entry)} |" for key, entry in entries.items()]
    return "\n".join([*lines, "", ""])


def _middle(column: str | None, entry: Mapping[str, Any]) -> str:
    if column is None:
        return ""
    if entry.get("required") and "default" not in entry:
        return "required | "
    default = str(entry.get("default", "")).strip()
    return f"`{default.replace('|', '&#124;')}` | " if default else " | "


def _text(entry: Mapping[str, Any]) -> str:
    return " ".join(str(entry.get("description", "")).split()).replace("|", "\\|")


def rendered(path: Path) -> str:
    """The file with every table as its contract is now."""
    return PART.sub(lambda match: match[1] + table(match["name"]) + match[3], path.read_text())


def documents() -> Iterator[Path]:
    """The files that have tables."""
    yield from sorted(GITHUB.glob("actions/**/README.md"))
    yield ROOT / "docs/gate-action.md"


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which are not as they should be."""
    stale = [path for path in documents() if rendered(path) != path.read_text()]
    for path in stale:
        print(f"{'stale' if '--check' in arguments else 'wrote'}: {path.relative_to(ROOT)}")
        if "--check" not in arguments:
            path.write_text(rendered(path))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
