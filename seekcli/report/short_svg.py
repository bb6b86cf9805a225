"""What a browser does not need of matplotlib's SVG is taken out: names of groups, digits, styles that come again."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

SVG = "http://www.w3.org/2000/svg"
GROUP, TEXT, TITLE, STYLE, DEFS = (f"{{{SVG}}}{name}" for name in ("g", "text", "title", "style", "defs"))
PLACES = ("d", "x", "y", "points", "transform", "width", "height")
NUMBER = re.compile(r"-?\d+\.\d+")
# `M 1 2 L 3 4` is `M1 2L3 4`.
AROUND_LETTER = re.compile(r"\s*([A-Za-z])\s*")
REFERRED = re.compile(r"#([^)\"]+)")
DIGITS = 2  # of the page's 518 units of width


def shorten(root: Element, prefix: str) -> None:
    """Changes the tree. Its ids and classes begin with `prefix`, which no other picture of the page has."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    referred = {name for value in values for name in REFERRED.findall(value)}
    styles: dict[str, str] = {}
    for element in root.iter():
        if element.get("id") not in referred:
            element.attrib.pop("id", None)
        if (style := element.attrib.pop("style", None)) is not None:
            element.set("class", styles.setdefault(style, f"{prefix}s{len(styles)}"))
        for name in PLACES:
            if name in element.attrib:
                element.set(name, NUMBER.sub(_rounded, element.attrib[name]))
        if "d" in element.attrib:
            element.set("d", AROUND_LETTER.sub(r"\1", re.sub(r"\s+", " ", element.attrib["d"])))
    for element in list(root.iter(DEFS)):
        if element.find(STYLE) is not None:  # of all elements of the page: style.css has it
            element[:] = []
    _without_bare_groups(root)
    rules = Element(STYLE)
    rules.text = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    root.insert(0, rules)


def _rounded(found: re.Match[str]) -> str:
    text = f"{float(found.group()):.{DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _without_bare_groups(element: Element) -> None:
    """Groups that say nothing give way to what is in them; white space between elements goes."""
    if element.tag not in (TEXT, TITLE, STYLE):
        element.text = None
    children = []
    for child in list(element):
        _without_bare_groups(child)
        child.tail = None
        children += list(child) if child.tag == GROUP and not child.attrib and child.find(TITLE) is None else [child]
    element[:] = [child for child in children if child.tag != DEFS or len(child)]
