"""From a matplotlib figure to SVG that lives inside a page: its colours, its font, ids of its own, nothing external."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Sentinel colours that a figure is drawn in, each standing for a custom property of the page's style sheet.
INK, MUTED, GRID, FIRST, SECOND, GOOD, WARN, BAD = (f"#0{digit}0a0f" for digit in range(1, 9))
_PROPERTIES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--rule",
    FIRST: "--series-1",
    SECOND: "--series-2",
    GOOD: "--series-1",
    WARN: "--warn-mark",
    BAD: "--bad-mark",
}
_COLOUR = re.compile("|".join(_PROPERTIES))
_FONT = re.compile(r"font-family:[^;]*;?|font: *(?P<size>[\d.]+)px [^;]*")
_DIGITS = re.compile(r"-?\d+\.\d{3,}")
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class Drawing:
    """The inside of an SVG element whose view box is `width` by `height`; ids in it begin with the plot's key."""

    width: float
    height: float
    body: Markup


def draw(figure: Figure, key: str) -> Drawing:
    """The figure as a drawing; equal figures give equal text.

    Text stays text, in the page's own font. Sentinel colours become `var(--...)`.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", transparent=True)
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 -- matplotlib wrote it
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag not in {
                f"{_SVG}{tag}" for tag in ("g", "path", "text", "tspan", "use", "defs", "clipPath", "rect")
            }:
                parent.remove(child)
    used = _used_ids(root)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = {name: value for name, value in _attributes(element, key, used) if value}
        element.tail = None
        if element.tag not in {"text", "tspan"}:
            element.text = None
    body = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    return Drawing(width, height, Markup(body))  # noqa: S704 -- serialised by ElementTree, which escapes


def _used_ids(root: ElementTree.Element) -> set[str]:
    text = " ".join(value for element in root.iter() for value in element.attrib.values())
    return set(re.findall(r"#([\w-]+)", text))


def _attributes(element: ElementTree.Element, key: str, used: set[str]) -> list[tuple[str, str]]:
    attributes = []
    for name, value in element.attrib.items():
        if name == "id":
            attributes.append((name, f"{key}-{value}" if value in used else ""))
        elif name == _LINK:
            attributes.append(("href", f"#{key}-{value[1:]}"))
        else:
            attributes.append((name, _value(value, key)))
    return attributes


def _value(value: str, key: str) -> str:
    value = value.replace("url(#", f"url(#{key}-")
    value = _COLOUR.sub(lambda match: f"var({_PROPERTIES[match.group()]})", value)
    value = _FONT.sub(lambda match: f"font-size: {match['size']}px" if match["size"] else "", value)
    return _DIGITS.sub(lambda match: f"{float(match.group()):.2f}".rstrip("0").rstrip("."), value).strip()
