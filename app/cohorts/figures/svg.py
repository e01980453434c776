"""An SVG as matplotlib writes it, made fit for people, print and a strict content security policy.

Title and description come first and are referred to; text stays text in a stack of safe fonts; styles become
attributes, so that no `style` needs a policy's leave; ids are the figure's own, so that several stand in one page.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from app.cohorts.figures.style import FONT_STACK

SVG: Final = "http://www.w3.org/2000/svg"
_XLINK_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_DROPPED: Final = frozenset({f"{{{SVG}}}metadata", f"{{{SVG}}}title", f"{{{SVG}}}style"})
_URL: Final = re.compile(r"url\(#([^)]+)\)")
_NO_ATTRIBUTE: Final = frozenset({"font-family", "-inkscape-font-specification"})
_INHERITED: Final = {"stroke-linejoin": "round", "stroke-linecap": "butt", "font-family": FONT_STACK}


def accessible(raw: bytes, name: str, title: str, description: str) -> bytes:
    """Return the SVG of matplotlib with title and description, role and labels, ids that begin with `name`."""
    root = ET.fromstring(raw)  # noqa: S314  # written by matplotlib a moment ago, not by anybody else
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in _DROPPED]:
            parent.remove(child)
    _inline_styles(root)
    _own_ids(root, name)
    _dress(root, name)
    _tell(root, name, title, description)
    return _written(root)


def _inline_styles(root: ET.Element) -> None:
    """Turn `style="fill: red"` into `fill="red"`."""
    for element in root.iter():
        for declaration in element.attrib.pop("style", "").split(";"):
            key, _, value = (part.strip() for part in declaration.partition(":"))
            if value and key not in _NO_ATTRIBUTE:
                element.set(key, value)


def _own_ids(root: ET.Element, name: str) -> None:
    """Keep the ids that something refers to, under a prefix; drop the others."""
    referred = {element.get(_XLINK_HREF, "")[1:] for element in root.iter()}
    for element in root.iter():
        referred |= {found for value in element.attrib.values() for found in _URL.findall(value)}
    for element in root.iter():
        found = element.attrib.pop("id", None)
        if found in referred:
            element.set("id", f"{name}-{found}")
        for key, value in list(element.attrib.items()):
            if key == _XLINK_HREF:
                del element.attrib[key]
                element.set("href", f"#{name}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, _URL.sub(rf"url(#{name}-\1)", value))


def _dress(root: ET.Element, name: str) -> None:
    """Set size, role and the inherited defaults on the root; the size yields to the page, the shape does not."""
    root.attrib.pop("version", None)
    for key, value in _INHERITED.items():
        root.set(key, value)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.set("preserveAspectRatio", "xMidYMid meet")


def _tell(root: ET.Element, name: str, title: str, description: str) -> None:
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = _printable(text)
        root.insert(place, element)


def _printable(text: str) -> str:
    """Leave away what XML 1.0 cannot hold."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )


def _written(root: ET.Element) -> bytes:
    ET.register_namespace("", SVG)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=False)) + b"\n"
