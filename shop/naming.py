"""Readable names from the source's truncated upper-case words: "FRZN SS PREMIUM ENTREES/DNRS/N", "9.5 OZ"."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
SOURCE_WIDTH: Final = 30  # the source cuts types here, often in the middle of a word
SMALL_WORDS: Final = {"and", "of", "with", "in", "on", "the", "for", "to", "or", "less", "than", "no"}
PREFIXES: Final = {  # codes before a colon or hyphen that the rest of the type already says
    "MEAT": "", "SW GDS": "", "PREP FD": "", "PREP FOODS": "", "DELI TRAY": "Tray:", "CHIX": "Chicken", "SAL": "Salad",
    "SV BEV": "", "DL SPEC": "", "QSR FD": "", "SEAFOOD-FRZ": "Frozen", "SEAFOOD-FRE": "Fresh", "SEAFOOD-MISC": "",
    "DAIRY CASE": "Chilled", "NUT SUPP": "",
}  # fmt: skip
NOUN_FIRST: Final = {  # produce types start with the noun: "APPLES GALA" → "Gala Apples"
    "APPLES", "BEANS", "CARROTS", "CHERRIES", "CITRUS", "GRAPES", "HERBS", "MELONS", "MUSHROOMS", "NECTARINES",
    "ONIONS", "ORANGES", "PEACHES", "PEARS", "PEPPERS", "POTATOES", "SQUASH", "TOMATOES", "WATERMELON", "NUTS", "PLUMS",
}  # fmt: skip
# A hyphen that separates, not one inside a word ("MULTI-PACK").
HYPHEN: Final = re.compile(r"(?<!\bMULTI)(?<!\bGIFT)(?<!\bANTI)(?<!\bSELF)(?<!\bSEMI)(?<=[A-Z]{4})-\s?(?=[A-Z]{3})")


@cache
def _table(name: str, columns: int) -> list[list[str]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    separator = "|" if columns == 3 else " "
    return [line.split(separator, columns - 1) for line in lines if line and not line.startswith("#")]


@cache
def _given_names() -> dict[tuple[str, str], str]:
    return {(category, source): name for category, source, name in _table("type_names.txt", 3)}


@cache
def _words() -> dict[str, str]:
    return {word: "" if meaning == "-" else meaning for word, meaning in _table("words.txt", 2)}


@cache
def _vague() -> frozenset[str]:
    lines = (DATA / "vague_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


class Namer:
    """Names types and categories; learns whole words from the catalogue, to complete those that were cut off."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts: Counter[str] = Counter()
        for text in texts:
            words = re.findall(r"[A-Z']{3,}", text)
            counts.update(words[:-1] if len(text) >= SOURCE_WIDTH else words)
        self._known = counts

    def type_name(self, category: str, product_type: str) -> str:
        """ "Frozen Vegetables, Bag" for ("FRZN VEGETABLE/VEG DSH", "FRZN BAGGED VEGETABLES - PLAIN")."""
        given = _given_names().get((category, product_type)) or _given_names().get(("*", product_type))
        if given:
            return given
        name = self._phrase(self._complete(product_type or category))
        return name if self._says_enough(name) else self._with_category(name, category)

    def category_name(self, category: str) -> str:
        """ "Frozen Novelties & Water Ice" for "FRZN NOVELTIES/WTR ICE"."""
        return _given_names().get((category, "=")) or self._phrase(category) or category.title()

    def _complete(self, text: str) -> str:
        """Drop an open bracket; finish or drop a last word that the source's width has cut."""
        cut = len(text) >= SOURCE_WIDTH
        if text.count("(") > text.count(")"):
            return text[: text.rindex("(")]
        last = re.search(r"[A-Z]+$", text)
        if not cut or last is None or last[0] in _words() or self._known[last[0]] >= 3:
            return text
        longer = [word for word, _ in self._known.most_common() if word.startswith(last[0])] if len(last[0]) > 2 else []
        return text[: last.start()] + (longer[0] if longer else "")

    def _phrase(self, text: str) -> str:
        """Expand the words, put the noun last, join alternatives as people write them."""
        text = _noun_last(_without_codes(text))
        parts = [self._expand(part) for part in re.split(r"\s*[/&,]\s*", text)]
        return _join([part for part in parts if len(part) > 1])

    def _expand(self, text: str) -> str:
        """Words in title case, abbreviations written out, no word twice in a row."""
        words: list[str] = []
        for word in re.findall(r"[A-Za-z0-9'%.-]+", text):
            meaning = _words().get(word.strip(".").upper(), _title(word.strip(".-")))
            for part in meaning.split():
                if not words or words[-1].lower() != part.lower():
                    words.append(part)
        return " ".join(words)

    def _says_enough(self, name: str) -> bool:
        return any(word.lower() not in _vague() | SMALL_WORDS for word in re.findall(r"[A-Za-z']{2,}", name))

    def _with_category(self, name: str, category: str) -> str:
        noun = self.category_name(category)
        kept = [word for word in name.split() if _stem(word) not in _stem(noun) and word != "Other"]
        return " ".join([*kept, noun]).removesuffix("&").strip()


def _without_codes(text: str) -> str:
    """Without brackets, "W/" and the source's codes before a colon or hyphen; what stood before them goes last."""
    text = re.sub(r"\((?!HOT|COLD)[^)]*\)|[()*]", " ", text)
    text = re.sub(r"\bW/(O\b)?", lambda found: "WITHOUT " if found[1] else "WITH ", text)
    text = re.sub(r"(\w{3,}) S\b", r"\1'S", text).replace("-MAGAZINE", " MAGAZINE")
    text = re.sub(r"\b(ALL )?OTHERS?\b", "", text)
    before, colon, after = text.partition(":")
    if colon:
        lead = PREFIXES.get(before.strip(), before.strip())
        text = after if not lead or _stem(lead) in _stem(after) else f"{after} {lead}"
    for code, meaning in PREFIXES.items():
        text = re.sub(rf"^{code}-", f"{meaning} ", text)
    return text


def _noun_last(text: str) -> str:
    """ "PORK-FULLY COOKED" → "FULLY COOKED PORK", "EGGS - LARGE" → "LARGE EGGS", "APPLES GALA" → "GALA APPLES"."""
    text = HYPHEN.sub(" - ", text)
    head, _, tail = (part.strip() for part in text.partition(" - "))
    text = head if tail in {"", "ALL"} else tail if _stem(head) in _stem(tail) else f"{tail} {head}"
    first, _, rest = text.partition(" ")
    return f"{rest} {first}" if first in NOUN_FIRST and rest and "/" not in rest else text


def _stem(text: str) -> str:
    return re.sub(r"S\b", "", text.upper().strip())


def _title(word: str) -> str:
    if word.lower() in SMALL_WORDS:
        return word.lower()
    return "-".join(part[:1].upper() + part[1:].lower() for part in word.split("-"))


def _join(parts: list[str]) -> str:
    """["Waffles", "Pancakes", "French Toast"] → "Waffles, Pancakes & French Toast"; no part twice."""
    unique = list(dict.fromkeys(parts))
    text = unique[0] if len(unique) == 1 else ", ".join(unique[:-1]) + " & " + unique[-1] if unique else ""
    return text[:1].upper() + text[1:]
