"""What a caller has to grant is what the nested jobs ask for, and not more: GitHub refuses a workflow that grants less.

act does not check it, so a nightly run would be invalid every night without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github/workflows"
LEVELS = ("none", "read", "write")
CALLED = re.compile(r"^(?:\$|OWNER/lockgate)/\.github/workflows/(?P<file>[\w-]+\.yml)(?:@|$)")
SECTION = re.compile(r"^### (?P<file>[\w-]+\.yml)\n(?P<text>.*?)^<!-- table", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^(?P<indent> *)```ya?ml\n(?P<text>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE)

Document = dict[str, Any]


def parse(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def union(file: str) -> dict[str, str]:
    """What all jobs of a reusable workflow ask for together, those of workflows that it calls included."""
    asked: dict[str, str] = {}
    for job in parse((FOLDER / file).read_text())["jobs"].values():
        called = CALLED.match(job.get("uses", ""))
        for name, level in (union(called["file"]) if called else job.get("permissions", {})).items():
            asked[name] = max(asked.get(name, "none"), level, key=LEVELS.index)
    return asked


def calls(document: Document) -> Iterator[tuple[str, dict[str, str] | None, str]]:
    """Job, what it is granted, and the file of the kit that it calls."""
    for name, job in document["jobs"].items():
        if called := CALLED.match(job.get("uses", "")):
            yield name, job.get("permissions", document.get("permissions")), called["file"]


def callers() -> Iterator[tuple[str, Document]]:
    """Every workflow that calls the kit: this repository's, those of the tests, and the examples in documents."""
    found = [
        *FOLDER.glob("*.yml"),
        *ROOT.glob("tests/**/.github/workflows/*.yml"),
        *ROOT.glob("examples/**/.github/workflows/*.yml"),
    ]
    for path in sorted(found):
        yield str(path.relative_to(ROOT)), parse(path.read_text())
    for path in sorted(
        [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("examples/**/*.md")]
    ):
        for number, block in enumerate(BLOCK.finditer(path.read_text())):
            document = parse(re.sub(f"^{block['indent']}", "", block["text"], flags=re.MULTILINE))
            if isinstance(document, dict):
                jobs = document if any(isinstance(job, dict) and "uses" in job for job in document.values()) else None
                document = document if "jobs" in document else {"jobs": jobs or {}}
                yield f"{path.relative_to(ROOT)}, block {number}", document


CALLS = {f"{where}: {job}": (granted, file) for where, document in callers() for job, granted, file in calls(document)}


@pytest.mark.parametrize("name", CALLS)
def test_a_caller_grants_what_the_nested_jobs_ask_for_and_no_more(name: str) -> None:
    granted, file = CALLS[name]
    assert granted == union(file)


def test_documents_and_tests_have_callers() -> None:
    for place in ("docs/github.md", "examples/table", ".github/workflows/nightly-drift.yml"):
        assert any(name.startswith(place) for name in CALLS), place


@pytest.mark.parametrize("file", sorted({file for _, file in CALLS.values()}))
def test_every_job_says_what_it_asks_for(file: str) -> None:
    """A job without permissions would have those of its caller."""
    document = parse((FOLDER / file).read_text())
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        assert "permissions" in job, name


@pytest.mark.parametrize(
    "file", sorted(path.name for path in FOLDER.glob("*.yml") if "workflow_call:" in path.read_text())
)
def test_the_overview_names_them(file: str) -> None:
    sections = SECTION.finditer((ROOT / ".github/actions/README.md").read_text())
    (text,) = [section["text"] for section in sections if section["file"] == file]
    assert dict(re.findall(r"\b([a-z]+(?:-[a-z]+)?): (read|write)\b", text)) == union(file)
