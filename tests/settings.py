"""The shop's settings under test and under mypy: no secret needed, and password hashing that takes no time."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("DJANGO_SECRET_KEY", "only-for-the-tests-" + "x" * 40)

from shop.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Many threads share the cores of a test, and a stall of half a second is no outage. Tests of the budget set their own.
RECOMMENDER_CAPTURE_BUDGET_MS = 10_000

# Lists without chance; tests of exploration set their own.
RECOMMENDER_EXPLORATION_SHARE = 0.0
RECOMMENDER_BUDGET_MS = 10_000

RECOMMENDER_LAST_GOOD_FOLDER = tempfile.mkdtemp(prefix="recommender-lists-")
atexit.register(shutil.rmtree, RECOMMENDER_LAST_GOOD_FOLDER, True)
