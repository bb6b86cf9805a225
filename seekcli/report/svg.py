"""A matplotlib figure as an SVG that lives in a page: no size of its own, the page's text colour, words on hover."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl

from seekcli.report.figures.canvas import INK, Picture, text_of_users
from seekcli.report.short_svg import SVG, shorten

XLINK = "http://www.w3.org/1999/xlink"
REFERENCE = re.compile(r"url\(#([^)]+)\)")


def svg_text(picture: Picture, prefix: str) -> str:
    """`prefix` keeps the ids of one picture apart from those of another in the same page."""
    root = ElementTree.fromstring(svg_bytes(picture))
    for child in list(root):
        if child.tag.endswith("metadata"):
            root.remove(child)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": picture.alternative}
    for element in root.iter():
        _show_on_hover(element, picture.hover)
        _with_prefix(element, prefix)
    shorten(root, prefix)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode").replace(INK, "currentColor")


def svg_bytes(picture: Picture) -> bytes:
    """Text stays text, so that it can be read aloud and searched; equal pictures are equal bytes."""
    if picture.svg is None:
        words = {"Date": None, "Title": picture.title, "Description": picture.words}
        picture.svg = _printed(picture, format="svg", facecolor="none", metadata=words)
    return picture.svg


def png_bytes(picture: Picture, dots_per_inch: int = 160) -> bytes:
    words = {"Title": picture.title, "Description": picture.words, "Software": None}
    return _printed(picture, format="png", dpi=dots_per_inch, facecolor="white", metadata=words)


def _printed(picture: Picture, **how: Any) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seek", "font.family": "sans-serif"}), text_of_users():
        picture.figure.canvas.print_figure(buffer, **how)
    return buffer.getvalue()


def _show_on_hover(element: ElementTree.Element, hover: dict[str, str]) -> None:
    words = hover.get(element.get("id", ""))
    if words is not None:
        title = ElementTree.Element(f"{{{SVG}}}title")
        title.text = words
        element.insert(0, title)


def _with_prefix(element: ElementTree.Element, prefix: str) -> None:
    if "id" in element.attrib:
        element.set("id", f"{prefix}-{element.get('id')}")
    for name, value in list(element.attrib.items()):
        if name in ("href", f"{{{XLINK}}}href") and value.startswith("#"):
            element.set(name, f"#{prefix}-{value[1:]}")
        elif "url(#" in value:
            element.set(name, REFERENCE.sub(rf"url(#{prefix}-\1)", value))
