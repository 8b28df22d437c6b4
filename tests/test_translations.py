"""Everything that people read has a Simplified Chinese translation, and the compiled catalogues are the written ones.

After a change of a text: `make messages`, translate what is empty or fuzzy in the .po, `make messages` again.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.template import engines
from django.template.base import Node
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

ROOT = Path(__file__).parent.parent
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
# catalogue → the folders whose texts it holds
FOLDERS = {"recommender": ("recommender",), "shop": ("shop", "templates")}
PLACEHOLDER = re.compile(r"%\((\w+)\)")
both = pytest.mark.parametrize("app", FOLDERS)


def catalogue(app: str, suffix: str) -> Catalog:
    with (ROOT / app / "locale/zh_Hans/LC_MESSAGES" / f"django.{suffix}").open("rb") as file:
        return read_po(file) if suffix == "po" else read_mo(file)


def messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def texts(ids: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (ids,) if isinstance(ids, str) else tuple(ids)


def identity(message: Message) -> tuple[str, ...]:
    context = message.context.decode() if isinstance(message.context, bytes) else message.context  # bytes in a .mo
    return (context or "", *texts(message.id))


def texts_in_python(folder: Path) -> Iterator[tuple[str, ...]]:
    for file in sorted(folder.rglob("*.py")):
        for _line, ids, _comments, _context in extract_from_file("python", file, keywords=KEYWORDS):
            yield texts(ids)


def texts_in_templates(folder: Path) -> Iterator[tuple[str, ...]]:
    """What the compiled templates will ask the catalogue for."""
    for file in sorted(folder.rglob("*.html")):
        template = engines["django"].from_string(file.read_text()).template
        for node in template.nodelist.get_nodes_by_type(Node):
            if isinstance(node, TranslateNode):
                yield (str(node.filter_expression.var.literal),)
            elif isinstance(node, BlockTranslateNode):
                singular, plural = node.render_token_list(node.singular)[0], node.render_token_list(node.plural)[0]
                yield (singular, plural) if node.plural else (singular,)


@both
def test_every_text_is_in_the_catalogue_and_nothing_else(app: str) -> None:
    folders = [ROOT / folder for folder in FOLDERS[app]]
    said = {ids[0] for folder in folders for find in (texts_in_python, texts_in_templates) for ids in find(folder)}
    known = {texts(message.id)[0] for message in messages(catalogue(app, "po"))}
    assert len(said) > 50  # the collector sees something
    assert said - known == set(), "run `make messages`, then translate"
    assert known - said == set(), "nobody says this any more: run `make messages`"


@both
def test_every_text_is_translated(app: str) -> None:
    missing = [m.id for m in messages(catalogue(app, "po")) if m.fuzzy or not all(texts(m.string))]
    assert missing == []


@both
def test_translations_keep_the_placeholders(app: str) -> None:
    """A plural form may count with a number that the singular spells out."""
    wrong = [
        (message.id, message.string)
        for message in messages(catalogue(app, "po"))
        for said in texts(message.string)
        if set(PLACEHOLDER.findall(said)) not in [set(PLACEHOLDER.findall(text)) for text in texts(message.id)]
    ]
    assert wrong == []


@both
def test_the_compiled_catalogue_is_the_written_one(app: str) -> None:
    written, compiled = (
        {identity(message): texts(message.string) for message in messages(catalogue(app, suffix))}
        for suffix in ("po", "mo")
    )
    assert compiled == written, "run `make messages`"
