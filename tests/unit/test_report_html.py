"""The page: whole, its own, readable, and the same every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from drift_results import drift_result, feature_drift
from verdicts import check, described_schema, training, verdict

from lockgate.documents.curves_json import CalibrationPoint, Curves, PrecisionRecallPoint, RocPoint, ScoreBin
from lockgate.documents.drift_json import BinShares
from lockgate.report.facts import ReportFacts
from lockgate.report.report import render_html

EVIL = "<script>alert(1)</script></title></style><img src=http://evil.example onerror=x> $\\frac{1}$ \u202e\x00'\""
VOID = {"meta", "br", "img", "link", "hr", "input"}
CURVES = Curves(
    roc=tuple(RocPoint(at / 9, (at / 9) ** 0.5) for at in range(10)),
    precision_recall=tuple(PrecisionRecallPoint(at / 9, 1 - at / 12) for at in range(10)),
    calibration=tuple(CalibrationPoint(at / 10, at / 11, at / 12, at / 9, 9) for at in range(9)),
    scores=tuple(ScoreBin(at / 9, label, 0.1) for label in ("negative", "positive") for at in range(10)),
)


def facts(name: str = "income", features: int = 3, status: str = "alert") -> ReportFacts:
    """Facts of every kind, with `name` wherever a name comes from data."""
    bins = tuple(BinShares(label, 0.4, 0.6) for label in ("(-inf, 1.23456789]", name, "(missing)"))
    return ReportFacts(
        gate=verdict("block", check("block", slice=name, value=0.6, low=0.5, high=0.65, reason=name)),
        metrics={"roc_auc": 0.6, "pr_auc": 0.4, name: 0.1, "n": 500, "positives": 110},
        drift=drift_result(
            *(
                feature_drift(f"{name}{at or ''}", 0.9 / (at + 1), status, reason=name, bins=bins)
                for at in range(features)
            ),
            status=status,
            model="a1" * 32,
        ),
        train=training(name, name, features),
        schema=described_schema(name, name),
        curves=CURVES,
        training_data="d4" * 32,
        params="e5" * 32,
    )


class Page(HTMLParser):
    """Fails on a tag that is closed out of order; collects tags, attributes and headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(facts())


@pytest.fixture(scope="module")
def hostile() -> str:
    return render_html(facts(EVIL))


def plots(text: str) -> set[str]:
    return set(re.findall(r'aria-labelledby="([\w-]+)-title', text))


def test_the_page_is_whole_and_its_ids_are_unique_and_resolve(page: str, hostile: str) -> None:
    for text in (page, hostile):
        read = Page(text)
        ids = read.values("id")
        assert len(ids) == len(set(ids))
        assert set(re.findall(r"url\(#([\w-]+)\)", text)) | {href[1:] for href in read.values("href")} <= set(ids)
        assert {part for value in read.values("aria-labelledby") for part in value.split()} <= set(ids)


def test_the_page_fetches_and_runs_nothing(page: str, hostile: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    allowed = {name: values for name, *values in (part.split() for part in policy[1].split(";"))}
    assert allowed.pop("style-src") == ["'unsafe-inline'"]  # one style sheet, in the page
    assert allowed.pop("img-src") == ["data:"]
    assert allowed == {name: ["'none'"] for name in ("default-src", "base-uri", "form-action")}
    for text in (page, hostile):
        read = Page(text)
        assert not {"script", "link", "img", "iframe", "object", "base", "form", "foreignobject", "image"} & set(
            read.tags
        )
        assert not any(name.startswith("on") or name == "src" for name, _ in read.attributes)
        assert all(value.startswith("#") for value in read.values("href"))
        assert not any("http:" in value or "https:" in value for _, value in read.attributes)
        assert "@import" not in text


def test_hostile_names_change_no_structure(page: str, hostile: str) -> None:
    prose = {"path", "g", "use", "defs", "clippath", "rect", "text", "tspan"}  # axes may tick differently
    assert [tag for tag in Page(hostile).tags if tag not in prose] == [
        tag for tag in Page(page).tags if tag not in prose
    ]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", hostile)


def test_headings_step_down_one_level_at_a_time(page: str) -> None:
    levels = [int(tag[1]) for tag in Page(page).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_plot_is_there_when_its_data_is(page: str) -> None:
    curves = {"roc", "precision_recall", "calibration", "scores"}
    assert plots(page) == curves | {"psi", "shares-0", "shares-1", "shares-2", "history", "importance"}
    for name in sorted(curves):
        assert plots(render_html(ReportFacts(curves=Curves(**{name: getattr(CURVES, name)})))) == {name}


def test_each_column_is_shown_with_what_it_was_read_as() -> None:
    text = render_html(replace(facts(), schema=described_schema("util", "n/a")))
    row = text[text.index('<th scope="row" role="rowheader">util</th>') :]
    row = row[: row.index("</tr>")]
    for words in (">numeric<", ">inferred<", ">12<", ">3,400<", "8 &#39;n/a&#39;, 4 empty", "41% is 0.41"):
        assert words in row


def test_calm_features_are_shown_too_but_only_two() -> None:
    assert plots(render_html(ReportFacts(drift=facts(status="stable").drift))) == {"psi", "shares-0", "shares-1"}


@pytest.mark.parametrize(
    "absent",
    ["none", "all", *(field.name for field in fields(ReportFacts) if field.name not in {"curves", "gate_problem"})],
)
def test_a_page_is_made_without_any_one_fact(absent: str) -> None:
    given = (
        ReportFacts()
        if absent == "all"
        else replace(facts(), curves=Curves(), **({} if absent == "none" else {absent: None}))
    )
    text = render_html(given)
    Page(text)
    assert "None" not in text


def test_no_number_that_is_none_and_no_drawing_colour_is_left(page: str) -> None:
    undefined = Curves(
        calibration=(CalibrationPoint(None, None, None, None, 0), CalibrationPoint(0.5, 0.4, None, None, 3)),
        scores=(ScoreBin(0.5, "negative", None),),
    )
    broken = replace(facts(), metrics={"roc_auc": None}, curves=undefined)
    for text in (page, render_html(broken)):
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
        assert not re.search(r"#0[1-8]0a0f", text)
        assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))


def test_equal_facts_give_equal_bytes_in_another_process_with_other_settings(page: str, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 30\nsvg.fonttype: path\naxes.facecolor: red\naxes.labelpad: 20\n"
    )
    code = (
        "import runpy, sys; module = runpy.run_path(sys.argv[1]);"
        "sys.stdout.buffer.write(module['render_html'](module['facts']()).encode())"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "TZ": "Asia/Tokyo",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code, __file__], cwd=root, env=environment, capture_output=True, check=True
    )

    assert run.stdout.decode() == page


def test_the_users_own_plot_settings_are_left_alone(page: str) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    render_html(ReportFacts(curves=Curves(roc=CURVES.roc)))
    assert dict(matplotlib.rcParams) == before


def test_five_hundred_features_and_long_curves_stay_a_small_page() -> None:
    long = tuple(RocPoint(at / 50_000, (at / 50_000) ** 0.3) for at in range(50_001))
    text = render_html(replace(facts("a_feature_with_quite_a_long_name_", 500), curves=Curves(roc=long)))

    assert len(text.encode()) < 600_000
    assert "more, in <code>drift.json</code>" in text


def test_text_keeps_its_contrast_in_light_and_dark(page: str) -> None:
    light, dark = (
        dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", page, re.DOTALL)[:2]
    )
    pairs = [("--ink", "--page"), ("--ink", "--card"), ("--muted", "--page"), ("--muted", "--card")]
    pairs += [(f"--{tone}", f"--{tone}-tint") for tone in ("good", "warn", "bad", "calm")]
    marks = [(f"--{mark}", "--card") for mark in ("series-1", "series-2", "warn-mark", "bad-mark")]
    for scheme in (light, dark):
        assert all(contrast(scheme[front], scheme[back]) >= 4.5 for front, back in pairs)
        assert all(contrast(scheme[front], scheme[back]) >= 3 for front, back in marks)


def contrast(first: str, second: str) -> float:
    """WCAG 2.2 contrast ratio of two colours written #rrggbb."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)
