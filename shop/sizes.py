"""Readable sizes: "16 oz" for "P    16 OZ"."""

import re
from typing import Final

_UNITS: Final = (
    "oz fl lb ct pk l ml gal qt pt in ft yd cm mm g kg pc dz sq stem stems load loads use uses cup kit "
    "roll rolls sheets carton bag box can jar btl tube dozen large medium small mini king half size each "
    "jumbo x x-large"
)
UNITS: Final = frozenset(_UNITS.split())
SYNONYMS: Final = {
    "z": "oz", "ozs": "oz", "ga": "gal", "gm": "g", "ltr": "l", "ctn": "carton", "doz": "dozen", "dz": "dozen",
    "ld": "loads", "lds": "loads", "med": "medium", "pck": "pk", "btl": "bottle", "cp": "cup", "p": "pk",
    "cn": "can", "bx": "box", "ea": "each",
}  # fmt: skip
ALONE: Final = {"large", "medium", "small", "mini", "king", "jumbo", "gal", "qt", "pt", "lb", "carton", "dozen"}


def size_name(source: str) -> str:
    """ "16 oz" for "P    16 OZ", "12 × 12 oz" for "12 PK/12 OZ"; "" for stock codes and what is no size."""
    text = re.sub(r"^[A-Z]{1,3}\s+(?=[\d.])|\([^)]*\)|\*", "", source.strip()).lower()
    text = re.sub(r"\bhalf gal\b", "1/2 gal", re.sub(r"^\d{5,}\s+", "", text))
    tokens = re.findall(r"\d*\.?\d+|[a-z]+(?:-[a-z]+)?|[/–-]", re.sub(r"(\d)\s*-\s*(\d)", r"\1–\2", text))
    tokens = [SYNONYMS.get(token, token) for token in tokens]
    if tokens and len(tokens) == 1 and tokens[0] in ALONE:
        return tokens[0] if tokens[0] in {"large", "medium", "small", "mini", "king", "jumbo"} else f"1 {tokens[0]}"
    if not tokens or not tokens[0].replace(".", "").isdigit() or not any(token in UNITS for token in tokens):
        return ""
    if any(token.isalpha() and token not in UNITS | {"bottle", "dozen"} for token in tokens):
        return ""
    return _size_phrase([_number(token) for token in tokens])


def _number(token: str) -> str:
    if not token.replace(".", "").isdigit():
        return {"l": "L"}.get(token, token)
    return f"{float(token):g}" if float(token) < 10_000 else ""  # more digits are a stock code


def _size_phrase(tokens: list[str]) -> str:
    """Fractions stay ("1/2 gal"), a count before a size multiplies ("12 × 12 oz"), other parts get a comma."""
    text = " ".join(tokens)
    text = re.sub(r"\b([1-7]) / (2|3|4|8|16)\b(?! /|\.)", _fraction, text)
    text = re.sub(r"(?<=\d) (?:pk )?/ (?=\d)|(?<=\d) pk (?=\d)|(?<=\d) x (?=\d)", " × ", text)
    text = re.sub(r"^(\d+) – (?=(\d+)\b)", lambda m: f"{m[1]} × " if int(m[1]) > int(m[2]) else m[0], text)
    return text.replace(" / ", ", ").replace(" – ", "–").replace(" - ", "-").strip(" ,×-–")


def _fraction(found: re.Match[str]) -> str:
    return f"{found[1]}/{found[2]}" if int(found[1]) < int(found[2]) else found[0]
