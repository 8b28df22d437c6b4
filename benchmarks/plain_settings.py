"""The demo shop's production settings without the plugin: the same Django, REST framework and models."""

from shop.settings import *  # noqa: F403
from shop.settings import INSTALLED_APPS as _APPS
from shop.settings import MIDDLEWARE as _MIDDLEWARE

INSTALLED_APPS = [name for name in _APPS if name != "recommender"]
MIDDLEWARE = [name for name in _MIDDLEWARE if not name.startswith("recommender.")]
ROOT_URLCONF = "benchmarks.plain_urls"
