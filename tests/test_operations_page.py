"""docs/operations.md names every setting with the default that the code has, and no other."""

import ast
import re

from recommender.conf import DEFAULTS
from tests.plugin import ROOT

ROW = re.compile(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", re.MULTILINE)


def test_the_table_of_settings_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("## Settings")[1].split("\n## ")[0]
    assert {name: ast.literal_eval(default) for name, default in ROW.findall(section)} == DEFAULTS
