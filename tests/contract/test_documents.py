"""What `scripts/docs` finds wrong in a document; the documents themselves are checked by it, in `scripts/lint`."""

from __future__ import annotations

import re

import pytest
from documents.references import documents, faults
from documents.tables import ROOT

from lockgate.cli.main import COMMANDS

SHELL = "```sh\n{}\n```\n"
CALL = "```yaml\njobs:\n  model:\n    uses: OWNER/lockgate/.github/workflows/{}\n```\n"


def found(markdown: str) -> list[str]:
    return [fault for _, fault in faults(markdown, ROOT)]


@pytest.mark.parametrize(
    ("markdown", "fault"),
    [
        ("See `lockgate/gate/nowhere.py`.", "there is no lockgate/gate/nowhere.py"),
        ("See `lockgate/*/nowhere_*.py`.", "there is no lockgate/*/nowhere_*.py"),
        ("See `nowhere_at_all.py`.", "there is no module nowhere_at_all.py"),
        (SHELL.format("scripts/nowhere --x"), "there is no scripts/nowhere"),
        ("[here](docs/nowhere.md)", "the link docs/nowhere.md leads nowhere"),
        ("![a picture](docs/nowhere.png)", "the link docs/nowhere.png leads nowhere"),
        ('<p><img src="docs/nowhere.png"></p>', "the link docs/nowhere.png leads nowhere"),
        ('See <a href="docs/nowhere.md">it</a>.', "the link docs/nowhere.md leads nowhere"),
        ("# One\n\n[here](#two)", "the link #two names no heading of this document"),
        ("[here](docs/gate.md#nothing)", "the link docs/gate.md#nothing names no heading of docs/gate.md"),
        ("Give `--frobnicate`.", "no command has an option --frobnicate"),
        ("Run `lockgate frobnicate`.", "there is no `lockgate frobnicate`"),
        ("Run `lockgate release frobnicate`.", "there is no `lockgate release frobnicate`"),
        (SHELL.format("lockgate gate --champoin x"), "`lockgate gate` has no option --champoin"),
        (SHELL.format("git show x && lockgate gate --x"), "`lockgate gate` has no option --x"),
        (SHELL.format("A=1 lockgate gate \\\n  --x"), "`lockgate gate` has no option --x"),
        (SHELL.format("scripts/simulate champion --frobnicate 2"), "scripts/simulate knows no --frobnicate"),
        (SHELL.format("scripts/simulate frobnicate"), "scripts/simulate knows no frobnicate"),
        ("Set `LOCKGATE_FROBNICATE`.", "nothing knows LOCKGATE_FROBNICATE"),
        (SHELL.format("rate(lockgate_frobnications_total[5m])"), "nothing knows lockgate_frobnications_total"),
        ("Set `train.frobnicate`.", "params.yaml has no train.frobnicate"),
        ("Set `gate.champion.frobnicate`.", "params.yaml has no gate.champion.frobnicate"),
        ("Call `lockgate.frobnicate`.", "Python finds no lockgate.frobnicate"),
        (CALL.format("nowhere.yml@TAG"), "there is no .github/workflows/nowhere.yml"),
        (CALL.format("model.yml@TAG\n    with: {frobnicate: 1}"), "model.yml has no input frobnicate"),
    ],
)
def test_what_is_not_there_is_found(markdown: str, fault: str) -> None:
    assert fault in found(markdown)


@pytest.mark.parametrize(
    "markdown",
    [
        "`lockgate/gate/`, `docs/*.md`, `pipeline/STAGE.py`, `scripts/docs --check`, `data/train.parquet`, `gate.json`",
        "`--drain-seconds`, `lockgate gate --champion FILE`, `lockgate promote VERSION`, `lockgate COMMAND --help`, `lockgate`",
        "`gate.champion.source`, `train.max_depth`, `train.num_leaves`, `register.model_name`, `prepare.current`",
        "`LOCKGATE_DRIFT_PUT_URL`, `lockgate_requests_total`, `lockgate.Project`, `lockgate.gate.judge`, `lockgate.commit`",
        SHELL.format("scripts/simulate champion --sets 1000  # --not an option\nscripts/bench psi"),
        CALL.format("model.yml@TAG\n    with: {champion: base}"),
        "# A `b` c\n\n[here](#a-b-c), [there](docs/gate.md#the-champion), [away](https://example.com/x#y)",
    ],
)
def test_what_is_there_is_no_fault(markdown: str) -> None:
    assert found(markdown) == []


def test_a_path_may_begin_in_the_folder_of_its_document() -> None:
    markdown = "`prometheus/rules/psi.yml`, `prometheus/rules/nowhere.yml`, `lockgate/gate/`"
    assert list(faults(markdown, ROOT / "monitoring")) == [(1, "there is no prometheus/rules/nowhere.yml")]


def test_the_line_of_a_fault_is_named() -> None:
    assert list(faults("One.\n\n```sh\nls\nlockgate x\n```\n", ROOT)) == [(5, "there is no `lockgate x`")]


def test_the_index_names_every_page_once() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    named = re.findall(r"^\|[^|]*\| \[([\w-]+\.md)\]\(\1\): ", (ROOT / "docs/README.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(pages)


def test_the_page_of_mistakes_quotes_what_is_said() -> None:
    rows = re.findall(r"^\|[^|]*\| `([^|]*)` \|", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    code = "".join(path.read_text() for path in sorted((ROOT / "lockgate").glob("**/*.py")))
    said = re.sub(r'"\s*\n\s*f?"', "", code + (ROOT / "tests/cli/test_likely_mistakes.py").read_text())
    assert len(rows) > 15
    assert [part for row in rows for part in row.split("...") if part.strip() not in said] == []


def test_the_page_of_commands_names_every_command() -> None:
    rows = re.findall(r"^\| (`lockgate [^|]*) \|", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    named = re.findall(r"`(?:lockgate )?([a-z][a-z-]*)", " ".join(rows))
    assert sorted(named) == sorted(COMMANDS)


def test_the_documents_that_people_read_are_looked_at() -> None:
    names = {str(path.relative_to(ROOT)) for path in documents()}
    assert {"SECURITY.md", "docs/gate.md", ".github/actions/train/README.md"} <= names
