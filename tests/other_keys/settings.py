"""A shop whose items have another type of key; which one says KEY_TYPE: uuid, text or child."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

KEY_TYPE = os.environ["KEY_TYPE"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "tests.other_keys",
    "recommender",
]
ROOT_URLCONF = "tests.other_keys.urls"
RECOMMENDER_ITEM_MODEL = "other_keys.Item"
# Its own database: the tests that start this have theirs open.
DATABASES["default"]["TEST"] = {"NAME": f"test_other_keys_{KEY_TYPE}_{os.getppid()}"}
