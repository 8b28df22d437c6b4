"""Drawn pictures: one motif for a kind of product, tinted by hue, so that a shelf is not one picture repeated.

A picture is named "motif-hue" ("banana-48"). The drawings are templates in `shop/pictures/`; `rules.txt` says which
kind of product gets which.
"""

import re
import zlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from django.template.loader import render_to_string

DRAWINGS: Final = Path(__file__).resolve().parent.parent / "templates" / "shop" / "pictures"
HUE_STEP: Final = 6  # degrees; few enough different pictures to be cached well
FALLBACK: Final = "basket-140"


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    motif: str
    hue: int
    spread: int  # degrees to either side; 0 keeps a banana yellow, 180 lets a box have any colour


@cache
def _rules() -> list[Rule]:
    lines = (Path(__file__).parent / "data" / "picture_rules.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split(maxsplit=3) for line in lines if line and not line.startswith("#"))
    return [Rule(_words(pattern), motif, int(hue), int(spread)) for motif, hue, spread, pattern in rows]


def _words(pattern: str) -> re.Pattern[str]:
    """The pattern with every alternative at the start of a word: NUTS is no part of DONUTS."""
    return re.compile(re.sub(r"(^|(?<!\\)\|)(?=[A-Z])", r"\1\\b", pattern))


@cache
def motifs() -> frozenset[str]:
    """Names of the drawings."""
    return frozenset(path.stem for path in DRAWINGS.glob("*.svg") if not path.stem.startswith("_"))


@cache
def rule_for(department: str, category: str, product_type: str) -> Rule | None:
    """The first rule that knows this kind of product."""
    # The type tells more than the category; the last bar keeps the rules for a whole department out of the first pass.
    texts = (f"{product_type}|{department}|".upper(), f"{category}|{product_type}|{department}".upper())
    return next((rule for text in texts for rule in _rules() if rule.pattern.search(text)), None)


def picture_for(department: str, category: str, product_type: str, key: str = "") -> str:
    """The picture of a kind of product; `key` (of the product) varies its hue within the rule's spread."""
    rule = rule_for(department, category, product_type)
    if rule is None:
        return FALLBACK
    seed = zlib.crc32(f"{product_type}|{key}".encode()) / 0xFFFFFFFF  # the same on every machine
    hue = rule.hue + (2 * seed - 1) * rule.spread
    return f"{rule.motif}-{round(hue / HUE_STEP) * HUE_STEP % 360}"


def render(picture: str) -> str:
    """The SVG of "motif-hue".

    Raises:
        KeyError: no such drawing, or a hue that is no angle.
    """
    motif, _, hue = picture.rpartition("-")
    if motif not in motifs() or not hue.isascii() or not hue.isdigit() or int(hue) >= 360:
        raise KeyError(picture)
    return render_to_string("shop/pictures/_frame.svg", {"drawing": f"shop/pictures/{motif}.svg", "hue": int(hue)})
