"""Least settings of a shop that embeds the plugin; its app comes behind the plugin's by name, too."""

import os

import dj_database_url

os.environ.setdefault("FOREIGN_ITEM_MODEL", "shop_that_grew.Article")

from tests.foreign_shop.settings import *  # noqa: E402, F403
from tests.foreign_shop.settings import DATABASES, INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [app if app != "tests.foreign_shop" else "tests.shop_that_grew" for app in INSTALLED_APPS]
if "LEGACY_DATABASE_URL" in os.environ:
    DATABASES["legacy"] = dj_database_url.parse(os.environ["LEGACY_DATABASE_URL"])
