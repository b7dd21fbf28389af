"""What CML is asked to do in tests, and what an observer on GitHub's side sees of it: of the real one, and of the stand-in."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fake_github import FakeGitHub
from fake_github.certificate import certify
from fake_github.faults import SECONDARY_LIMIT, Fault

from lockgate.ci.pr_comment.plan import Report
from lockgate.github.cml import Cml, cml_environment

RECORD = Path(__file__).parent / "stand_ins/cml/record.json"
HEAD = "a" * 40
TEXT = """## ✅ Gate passed

| Check | Value |
|:--|--:|
| ROC-AUC floor · `a_b` | 0.79 [0.77, 0.80] |

[A relative link](docs/verdicts.md), ![a picture](chart.png), [an absolute one](https://github.com/acme/credit), &lt;b&gt;
"""


def report(name: str = "report") -> Report:
    """A report as the kit gives it to CML."""
    return Report(name, 500, 1, HEAD, TEXT)


MARKED = report().watermarked_body
OLDER = MARKED.replace(HEAD, "b" * 40)


@dataclass(frozen=True)
class Case:
    """One call of CML: the comments that stand there before, and what goes wrong on GitHub's side."""

    name: str
    verb: Literal["create", "update"] = "create"
    title: str = "report"
    comments: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
    seconds: float = 60


CASES = (
    Case("create"),
    Case("create, although there is one", comments=(("github-actions[bot]", OLDER),)),
    Case("update, without any", "update"),
    Case("update ours of an older commit", "update", comments=(("ann", "a remark"), ("github-actions[bot]", OLDER))),
    Case("update takes the last that has the mark, whoever wrote it", "update",
         comments=(("github-actions[bot]", OLDER), ("ann", OLDER), ("ann", "a remark"))),
    Case("update reads one page", "update", comments=((("ann", "a remark"),) * 30) + (("github-actions[bot]", OLDER),)),
    Case("update leaves another model's comment", "update", "report-cards", (("github-actions[bot]", OLDER),)),
    Case("update where the title has marks of Markdown", "update", "report a_b", (("github-actions[bot]", OLDER),)),
    Case("a server error is not tried again", fault=Fault(500, message="Server Error")),
    Case("forbidden", fault=Fault(403, message="Resource not accessible by integration")),
    Case("a secondary rate limit makes it sleep", fault=Fault(403, {"Retry-After": "1"}, SECONDARY_LIMIT), seconds=6),
)  # fmt: skip


@dataclass(frozen=True)
class Observed:
    """What the kit was told, and what GitHub was asked."""

    case: str
    problem: str
    requests: list[dict[str, Any]]


@contextmanager
def github() -> Iterator[tuple[FakeGitHub, Path]]:
    """The fake behind TLS, without which CML speaks with no server, and the certificate to trust."""
    with tempfile.TemporaryDirectory() as folder:
        context, trusted = certify(Path(folder))
        with FakeGitHub(tls=context) as fake:
            yield fake, trusted


def observe(command: Path, case: Case) -> Observed:
    """Run the program once, as the kit does."""
    with github() as (fake, trusted):
        fake.state["pulls"] = [{"id": 7, "number": 7, "head": {"ref": "change", "sha": HEAD}, "base": {"ref": "main"}}]
        fake.state["comments"] = [
            {"id": number, "issue": 7, "login": login, "body": body}
            for number, (login, body) in enumerate(case.comments, start=1)
        ]
        if case.fault is not None:
            fake.faults.plan("issues/create-comment", case.fault)
        os.environ["NODE_EXTRA_CA_CERTS"] = str(trusted)
        cml = Cml(command, f"{fake.url}/acme/credit", "a-token", case.seconds)
        problem = cml.comment(case.verb, 7, report(case.title))
        assert not fake.problems, fake.problems
        requests = [
            {"operation": request.operation, "path": request.path, "query": request.query, "body": request.body,
             "status": request.status}
            for request in fake.requests
        ]  # fmt: skip
        return Observed(case.name, problem.replace(fake.url, "https://HOST"), requests)


def given() -> dict[str, list[str]]:
    """The arguments and the names in the environment that the kit gives to CML."""
    cml = Cml(Path("cml"), "https://HOST/acme/credit", "a-token")
    return {
        "arguments": cml.arguments("update", 7, report().title, Path("report.md")),
        "environment": sorted(cml_environment({"PATH": "/usr/bin"}, "/home", "a-token", HEAD)),
    }


def record(command: Path, about: dict[str, str]) -> None:
    """Write down what the real CML did."""
    cases = [asdict(observe(command, case)) for case in CASES]
    RECORD.write_text(json.dumps({**about, **given(), "cases": cases}, indent=1, ensure_ascii=False) + "\n")
