"""The comment as GitHub shows it: rendered by the kit, put on a page with GitHub's look, and taken by chromium."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt
from PIL import Image, ImageChops

from lockgate.ci.pr_comment.artifact import DOCUMENTS, read_facts
from lockgate.report.markdown import render_markdown
from lockgate.report.run import RunFacts

PICTURE = Path("docs/images/comment.png")
WIDTH, TALLEST, SCALE = 940, 4000, 1.3
MOST_BYTES = 140_000
RUN = RunFacts("success", "https://github.com/acme/credit/actions/runs/15213", 15213, 1, "8c1f4e9b7a50" + "0" * 28)
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 16px; width: 900px; color: #1f2328;
  font: 14px/1.5 -apple-system, "Segoe UI", "DejaVu Sans", "Noto Color Emoji", sans-serif }}
.box {{ border: 1px solid #d1d9e0; border-radius: 6px }} .top {{ background: #f6f8fa; border-bottom: 1px solid #d1d9e0;
  border-radius: 6px 6px 0 0; padding: 8px 16px; color: #59636e }} .top b {{ color: #1f2328 }}
.top i {{ font-style: normal; border: 1px solid #d1d9e0; border-radius: 2em; padding: 0 7px; font-size: 12px; margin-left: 4px }}
.text {{ padding: 16px }} h2 {{ font-size: 21px; border-bottom: 1px solid #d1d9e0b3; padding-bottom: .3em; margin: 0 0 16px }}
h3 {{ font-size: 17.5px; margin: 24px 0 16px }} p, table, details {{ margin: 0 0 14px }} table {{ border-collapse: collapse }}
td, th {{ border: 1px solid #d1d9e0; padding: 6px 13px }} tr:nth-child(2n) td {{ background: #f6f8fa }}
code {{ font: 12px ui-monospace, "DejaVu Sans Mono", monospace; background: #818b981f; padding: .2em .4em; border-radius: 6px }}
a {{ color: #0969da }} sub {{ font-size: 12px; vertical-align: baseline; color: #59636e }} blockquote {{ margin: 0 0 14px;
  padding: 0 1em; border-left: .25em solid #d1d9e0; color: #59636e }}
</style>
<div class="box"><div class="top"><b>github-actions</b> <i>bot</i> commented now</div><div class="text">{text}</div></div>"""


def main(project: Path) -> None:
    """Draw the files of `project` into `PICTURE`."""
    files = {}
    for name in DOCUMENTS:
        path = project / ("models" if name in {"schema.json", "manifest.json"} else "reports") / name
        if path.is_file():
            files[name] = path.read_bytes()
    facts = read_facts(files, RUN)
    if facts.run is None or facts.run.refused or facts.gate is None:
        sys.exit(
            f"error: {project} has no report to draw ({facts.run.refused if facts.run else ''}); run lockgate gate"
        )
    text = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(render_markdown(facts))
    with tempfile.TemporaryDirectory() as folder:
        page, taken = Path(folder, "page.html"), Path(folder, "taken.png")
        page.write_text(PAGE.format(text=text), encoding="utf-8")
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--force-device-scale-factor={SCALE}", f"--window-size={WIDTH},{TALLEST}", f"--screenshot={taken}", page.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        picture = Image.open(taken).convert("RGB")
    # Greys outnumber all else: the colours of the signs survive only where coverage counts.
    # What lies below the comment is white.
    _, _, right, bottom = ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox()
    margin = int(16 * SCALE)
    cropped = picture.crop((0, 0, right + margin, bottom + margin))
    cropped.quantize(80, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    size = PICTURE.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"error: {PICTURE} has {size:,} bytes, more than {MOST_BYTES:,}")
    print(f"{PICTURE}: {size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
