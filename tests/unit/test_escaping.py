"""Every text field of every document, hostile, through every medium: what is shown is the template's and text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from html.parser import HTMLParser
from types import new_class
from typing import Any, TypeVar

import click
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct
from msgspec import inspect as types
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from support import FULL, assert_shown

from lockgate.ci.nightly.issue_text import Links, drift_summary, issue_body
from lockgate.ci.release.model_card import Card, render_card
from lockgate.ci.release.version import parse_tag
from lockgate.ci.retrain.issue import Answer, answer_text, pull_body
from lockgate.cli.command import Command
from lockgate.cli.gate import gate_table
from lockgate.cli.reproduce import lock_problems
from lockgate.config.terminal import annotate, say, warn
from lockgate.documents.curves_json import Curves, ScoreBin
from lockgate.documents.document import Document
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.manifest_json import Manifest
from lockgate.documents.nightly_json import NightlyDecision, NightlyHistory
from lockgate.documents.policy_json import PolicyDifference
from lockgate.documents.profile_json import Profile
from lockgate.documents.release_json import ImageRecord
from lockgate.documents.reproduction_json import Reproduction
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import TrainingReport
from lockgate.report.drift import drift_table
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.nights import nights_files
from lockgate.report.policy import render_policy
from lockgate.report.report import render_html
from lockgate.report.run import RunFacts

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closing": "</script></style></title></details></td></table>--><!--",
    "element": "\"'><img src=x onerror=alert(1)><svg/onload=x>",
    "link": "[x](http://evil.example) ![x](//evil.example/x.png) <http://evil.example>",
    "autolink": "http://evil.example www.evil.example a@evil.example @octocat #12 GH-12 o/r#3 :tada:",
    "reference": "[x]: http://evil.example\n\n[x] [^1]\n\n[^1]: x",
    "table": "a | b || c \\| d",
    "code": "`` ` ``` ~~~ $x$ $$y$$ ~~z~~ **b** _i_",
    "mermaid": '"]\n```\n%%{init: {"securityLevel": "loose"}}%%\nclick A call x()\n# heading',
    "lines": "x\n\n# heading\n- item\n> quote\n\n<h1>x</h1>\n\n---\n===\r\n\u2028# y\x0b\x85",
    "runner": "::error::x\n::add-mask::a\r::stop-commands::b ##[error]x",
    "terminal": "\x1b[2J\x1b]0;x\x07\x9b31m\x00\x7f\x08",
    "direction": "\u202etxt.exe\u2066\u200b\u2060\ufeff\u200f",
    "template": "{{ 7 * 7 }}{% raw %}${x}#{x}%0A",
    "plain": "quite ordinary",
}
PLAIN = HOSTILE["plain"]
PICKS = 6 if FULL else 3  # of the words that a field may hold, which is every verdict, and every status in a full run
DocumentType = TypeVar("DocumentType", bound=Document)


def fill(kind: types.Type, text: str, pick: int) -> Any:
    """A value of this type, with `text` wherever it may hold any text."""
    match kind:
        case types.StrType():
            fixed = ("roc_auc", "a" * 64, "a" * 40, f"sha256:{'a' * 64}", "2026-11-26T10:00:00+00:00", "a-b", "1",
                         "2026-11-26", "2026-11")  # fmt: skip
            if kind.pattern:
                return next(word for word in fixed if re.search(kind.pattern, word))
            return text[: kind.max_length or len(text)]
        case types.IntType() | types.FloatType():
            lowest, highest = kind.ge if kind.ge is not None else kind.gt, kind.le if kind.le is not None else kind.lt
            return lowest + 1 if lowest and highest is None else 1 if highest is None or highest > 1 else 0.5
        case types.BoolType():
            return True
        case types.LiteralType():
            return kind.values[pick % len(kind.values)]
        case types.UnionType():
            return fill(next(one for one in kind.types if not isinstance(one, types.NoneType)), text, pick)
        case types.DictType():
            return {fill(kind.key_type, text, pick): fill(kind.value_type, text, pick)}
        case types.TupleType():
            return tuple(fill(one, text, pick) for one in kind.item_types)
        case types.CollectionType():
            return tuple(fill(kind.item_type, text, pick + at) for at in range(2))
        case types.StructType():
            values = {field.name: fill(field.type, text, pick) for field in kind.fields}
            return without_rules(kind.cls)(**values)
        case types.DateTimeType():
            return datetime(2026, 11, 26, tzinfo=UTC)
        case types.DateType():
            return date(2026, 11, 26)
        case types.AnyType():
            return text
    raise AssertionError(f"no value of {kind}")


@cache
def without_rules(kind: type[Struct]) -> type[Struct]:
    """The type without the rules between its keys, which refuse some of these: no medium relies on them."""
    return new_class(
        kind.__name__, (kind,), {"frozen": True}, lambda body: body.update(__post_init__=lambda self: None)
    )


def made(kind: type[DocumentType], text: str, pick: int = 0) -> DocumentType:
    document: DocumentType = fill(types.type_info(kind), text, pick)
    return document


def facts(text: str, pick: int) -> ReportFacts:
    gate = made(GateResult, text, pick)
    verdict = ("block", "inconclusive", "pass")[pick % 3]
    return ReportFacts(
        gate=replace(gate, verdict=verdict, predictions=text if pick % 2 else None),
        gate_problem=text,
        metrics={"roc_auc": 0.7, text: 0.5, "n": 50, "positives": 11},
        drift=made(DriftResult, text, pick),
        train=made(TrainingReport, text, pick),
        schema=made(Schema, text, pick),
        curves=Curves(scores=tuple(ScoreBin(at / 9, "negative", 0.1) for at in range(10))),
        training_data="d" * 64,
        params="e" * 64,
        policy=made(PolicyDifference, text, pick),
        run=RunFacts("success", "https://github.example/o/r/actions/runs/1", 1, 2, "c" * 40, text if pick == 1 else ""),
    )


def card(text: str, pick: int) -> str:
    return render_card(Card(text, "o/r", parse_tag("model-v1.2.3"), made(ImageRecord, text), text, facts(text, pick)))


def nightly_issue(text: str, pick: int) -> str:
    decided, history = made(NightlyDecision, text, pick), made(NightlyHistory, text, pick)
    links = Links("https://github.example", "o/r", "lockgate-drift", "loans")
    return issue_body(decided.decision, made(DriftResult, text, pick), history.runs, links, "", "a" * 64)


def nights_page(text: str, pick: int) -> dict[str, str]:
    """The page of the nights and its pictures, by their files."""
    runs = made(NightlyHistory, text, pick).runs
    files = nights_files(runs, made(DriftResult, text, pick), Links("https://github.example", "o/r").run, "loans")
    return {name: content.decode() for name, content in files.items()}


MARKDOWN: dict[str, Callable[[str, int], str]] = {
    "report.md and comment": lambda text, pick: render_markdown(facts(text, pick)),
    "refused comment": lambda text, _: render_markdown(
        ReportFacts(run=RunFacts(text, text, 1, 1, "c" * 40, refused=text))
    ),
    "unread verdict": lambda text, _: render_markdown(ReportFacts(gate_problem=text)),
    "policy.md": lambda text, pick: render_policy(made(PolicyDifference, text, pick), minimums=bool(pick % 2)),
    "summary of the night": lambda text, pick: drift_summary(made(DriftResult, text, pick)),
    "issue of the night": nightly_issue,
    "page of the nights": lambda text, pick: nights_page(text, pick)["nights.md"].replace(
        "](nights", "](https://github.example/o/r/nights"
    ),
    "model card": card,
    "pull request of a retrain": lambda text, pick: pull_body(facts(text, pick), "a" * 64, text, 3),
    "answer of a retrain": lambda text, pick: answer_text(
        ("branch", "kept", "blocked")[pick % 3], Answer("a" * 64, text, text, 3, text)
    ),
}


@cache
def plain_structure(medium: str, pick: int) -> tuple[list[Any], str]:
    return structure(MARKDOWN[medium](PLAIN, pick))


def structure(markdown: str) -> tuple[list[Any], str]:
    """Every token but text, as GitHub's renderer nests them, and the text outside of code."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    # <span>$</span> is how a dollar sign is kept from being mathematics.
    dollar = {"<span>", "</span>"}
    found: list[Any] = []
    prose: list[str] = []

    def walk(tokens: list[Token]) -> None:
        for token in tokens:
            if token.type == "text":
                prose.append(token.content)
            elif token.type == "fence":
                lines = token.content.count("\n")
                found.append((token.type, token.info, lines))
            elif token.type in {"html_inline", "html_block"}:
                if token.content not in dollar:
                    found.append((token.type, re.sub(r"\d+", "0", token.content).split(">")[0]))
            elif token.type not in {"inline", "softbreak", "code_inline"}:
                address = str(token.attrs.get("href", token.attrs.get("src", "")))
                found.append((token.type, token.tag, bool(address), token.attrs.get("style")))
                if address:
                    assert address.startswith("https://github.example/o/r/"), address
            walk(token.children or [])
            prose.append("\n" if token.block else "")

    walk(parsed)
    return found, "".join(prose)


@pytest.mark.parametrize("medium", MARKDOWN)
@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "plain"])
def test_markdown_has_no_element_link_or_mention_that_is_not_the_templates(name: str, medium: str) -> None:
    for pick in range(PICKS):
        plain, plain_text = plain_structure(medium, pick)
        markdown = MARKDOWN[medium](HOSTILE[name], pick)
        shown, text = structure(markdown)

        assert shown == plain
        without_code = re.sub(r"^```.*?^```|`[^`\n]*`", "", markdown, flags=re.DOTALL | re.MULTILINE)
        assert "[^" not in without_code  # a footnote, which this parser does not know
        linked = r"@\w|#\d|\bgh-\d|\bwww\.|://|(?<!\w):\w+:"
        assert len(re.findall(linked, text, re.IGNORECASE)) == len(re.findall(linked, plain_text, re.IGNORECASE)), text
        assert not re.search(
            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]", text
        )


class Page(HTMLParser):
    """Elements with the names of their attributes; what an address is, in full."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: set[str | None] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.addresses |= {value for name, value in attrs if name in {"href", "src", "action", "xlink:href"}}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@cache
def plain_page() -> Page:
    return Page(render_html(facts(PLAIN, 0)))


AXES = {"path", "g", "use", "defs", "clippath", "rect", "text", "tspan"}  # which tick differently with other labels


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "plain"])
def test_the_page_has_no_element_or_attribute_that_is_not_the_templates(name: str) -> None:
    plain, hostile = plain_page(), Page(render_html(facts(HOSTILE[name], 0)))

    assert [one for one in hostile.elements if one[0] not in AXES] == [
        one for one in plain.elements if one[0] not in AXES
    ]
    names = {name for _, names in hostile.elements for name in names}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "action", "srcdoc"})
    assert all(str(address).startswith("#") for address in hostile.addresses)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", "".join(hostile.words))


@pytest.mark.parametrize("file", ["nights.html", "nights-performance.svg", "nights-psi.svg"])
@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "plain"])
def test_the_page_of_the_nights_has_no_element_or_attribute_that_is_not_the_templates(name: str, file: str) -> None:
    plain, hostile = Page(nights_page(PLAIN, 0)[file]), Page(nights_page(HOSTILE[name], 0)[file])

    assert hostile.elements == plain.elements
    assert hostile.addresses == plain.addresses
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", "".join(hostile.words))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_services_page_has_no_element_that_is_not_the_templates(name: str) -> None:
    from lockgate.service.api.docs_page import make_page

    def page(text: str) -> Page:
        body = {"content": {"application/json": {"schema": {}, "example": {text: text}}}}
        operation = {"description": text, "responses": {text: {"description": text}}, "requestBody": body}
        info = {"title": text, "version": text, "description": text}
        document = {"info": info, "paths": {text: {text: operation}}}
        return Page(make_page(document, made(Schema, text), f"http://{text}").decode())

    plain, hostile = page(PLAIN), page(HOSTILE[name])

    assert hostile.elements == plain.elements
    assert hostile.addresses == plain.addresses
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", "".join(hostile.words))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_shows_each_document_line_by_line(name: str) -> None:
    def printing() -> None:
        for pick in range(PICKS):
            text = HOSTILE[name]
            result, drift = made(GateResult, text, pick), made(DriftResult, text, pick)
            say(*gate_table(result), *drift_table(drift))
            for line in [*result.blocking_reasons(), *lock_problems(made(Reproduction, text, pick))]:
                warn(line)
                annotate(line)
            for document in (made(Manifest, text, pick), made(NightlyDecision, text, pick)):
                say(str(document))

    printed = CliRunner().invoke(click.command(cls=Command)(printing))

    assert printed.exit_code == 0, printed.exception
    for line in printed.output.split("\n"):
        if line.startswith("::warning::"):  # the rest of the line is the warning's text to a runner
            line = line.removeprefix("::warning::").replace("::", "").replace("##[", "")
        assert_shown(line)


@pytest.mark.parametrize("name", HOSTILE)
def test_prometheus_reads_back_the_names_that_were_given(name: str) -> None:
    from lockgate.service.drift.nightly import Nightly
    from lockgate.service.metrics.layouts import ModelLayout
    from lockgate.service.metrics.page import ServedText
    from lockgate.service.metrics.prometheus_text import TEXT, counted_section, page

    text = HOSTILE[name]
    profile = made(Profile, text)
    features = tuple(
        replace(one, name=named, kind=kind, edges=(), categories=categories, counts=(1,) * (len(categories) + 1))
        for one, named, kind, categories in zip(
            profile.features, (text, "score"), ("categorical", "categorical"), ((text,), ("x",)), strict=True
        )
    )
    profile = replace(profile, features=features)
    counted = counted_section(ModelLayout(profile, "a" * 64))
    served = ServedText(profile, "a" * 64, "pass").text(TEXT, [0.0, 0.0], Nightly(None, text, 0.0))
    body = page(TEXT, [counted.text(TEXT, counted.numbers), served]).decode()

    labels = {
        value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        for key, value in sample.labels.items()
        if key in {"feature", "bin"}
    }
    assert {text, "score"} <= labels
    assert all(
        re.fullmatch(r"# (HELP|TYPE) lockgate_\w+ .*|lockgate_\w+(\{.*\})? \S+|", line) for line in body.split("\n")
    )
