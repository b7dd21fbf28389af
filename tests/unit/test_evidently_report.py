"""Evidently's page: the same bytes for the same data, nothing sent, and never an exception."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lockgate.drift.evidently_report import write_evidently_html

pytestmark = pytest.mark.evidently

RUNS = """
import os, socket, sys
from pathlib import Path
import numpy as np
import pandas as pd

def refuse(*arguments):
    raise RuntimeError("the network was used")
socket.socket.connect = refuse

from lockgate.drift.evidently_report import write_evidently_html

random = np.random.default_rng(0)
frames = [pd.DataFrame({"income": random.normal(size=400), "purpose": random.choice(["a", "b", "c"], 400)})
          for _ in range(2)]
folder = Path(sys.argv[1])
lines = [write_evidently_html(*frames, ["income"], ["purpose"], folder / name) for name in ("first", "second")]
assert lines == [None, None], lines
assert (folder / "first").read_bytes() == (folder / "second").read_bytes()
assert b"income" in (folder / "first").read_bytes()
assert "DO_NOT_TRACK" in os.environ and "iterative_telemetry" not in sys.modules

line = write_evidently_html(*frames, ["absent"], [], folder / "first")
assert "absent" in line and len(line.splitlines()) == 1, line
assert [path.name for path in folder.iterdir()] == ["second"]

hostile = [frame.rename(columns=NAMES).replace({NAMES["purpose"]: VALUES}) for frame in frames]
assert write_evidently_html(*hostile, [NAMES["income"]], [NAMES["purpose"]], folder / "hostile") is None
"""
# What anybody may write into a request, and so into the decision log that is the current batch.
VALUES = {
    "a": "</script><script>x()</script><img src=x onerror=x()>",
    "b": "\u2039/script\u203a\u2039script\u203ax()\u2039/script\u203a\u2039img src=x onerror=x()\u203a",
    "c": "<!--<script>&lt;\\u003cb>\"'`\u202e\x00",
}
NAMES = {"income": "</script><b onclick='x'>income", "purpose": "<a href='javascript:x'>purpose"}


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"income": np.arange(rows, dtype=np.float64), "purpose": ["a"] * rows})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain page `second` and a `hostile` one, made in a process of its own, where no socket connects."""
    folder = tmp_path_factory.mktemp("pages")
    done = subprocess.run(
        [sys.executable, "-c", f"{NAMES = }\n{VALUES = }\n{RUNS}", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


class Page(HTMLParser):
    """The elements with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and self.lasttag == "script" and data.strip():
            self.scripts.append(data)

    @property
    def policy(self) -> dict[str, list[str]]:
        (content,) = [dict(attrs)["content"] for tag, attrs in self.elements if dict(attrs).get("http-equiv")]
        return {name: values for name, *values in (part.split() for part in str(content).split(";"))}


def test_pages_are_equal_and_no_failure_raises_without_network_or_noise(pages: Path) -> None:
    assert sorted(path.name for path in pages.iterdir()) == ["hostile", "second"]


def test_a_category_of_a_request_reaches_the_page_as_text_alone(pages: Path) -> None:
    plain, hostile = (Page((pages / name).read_text()) for name in ("second", "hostile"))

    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attrs in hostile.elements for name, _ in attrs
    )
    data = hostile.scripts[0]
    for shown in (
        "\u2039/script\u203a\u2039script\u203ax()\u2039/script\u203a\u2039img src=x onerror=x()\u203a",
        "\u2039/script\u203a\u2039script\u203ax()\u2039/script\u203a\u2039img src=x onerror=x()\u203a (2)",
        "\u2039/script\u203a\u2039b onclick=\u2019x\u2019\u203aincome",
    ):
        assert shown in data or json.dumps(shown) in data
    assert set(re.findall("<[^>]*>", data)) <= set(re.findall("<[^>]*>", plain.scripts[0]))
    assert not re.search("\u202e|\\\\u202e|\x00|\\\\u0000", data)


def test_only_the_scripts_that_evidently_wrote_may_run_and_nothing_is_fetched(pages: Path) -> None:
    for name in ("second", "hostile"):
        page = Page((pages / name).read_text())
        hashes = {
            f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in page.scripts
        }

        assert set(page.policy["script-src"]) == hashes
        assert page.policy["default-src"] == ["'none'"]
        assert page.policy["base-uri"] == page.policy["form-action"] == ["'none'"]
        assert set(page.policy) == {
            "default-src", "script-src", "style-src", "font-src", "img-src", "base-uri", "form-action"
        }  # fmt: skip
        assert {*page.policy["font-src"], *page.policy["img-src"]} <= {"data:", "blob:"}
        first = next(at for at, (_, attrs) in enumerate(page.elements) if dict(attrs).get("http-equiv"))
        assert [tag for tag, _ in page.elements[:first]] == ["html", "head"]


def test_without_evidently_there_is_a_line_and_no_older_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evidently", None)
    page = tmp_path / "drift.html"
    page.write_text("yesterday's")
    line = write_evidently_html(frame(300), frame(300), ["income"], ["purpose"], page)
    assert line is not None
    assert "\n" not in line
    assert line.startswith(
        "no Evidently page (this needs the package evidently, which is not installed; run pip install 'lockgate[evidently]'"
    )
    assert not page.exists()


def test_an_interrupt_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("lockgate.drift.evidently_report._render", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_evidently_html(frame(3), frame(3), ["income"], [], tmp_path / "drift.html")
