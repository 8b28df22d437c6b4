"""The shop's settings for `benchmarks.kills`: trainings of seconds, and attempts enough."""

import os

os.environ.setdefault("DJANGO_SECRET_KEY", "only-for-the-benchmark-" + "x" * 40)

from shop.settings import *  # noqa: E402, F403

RECOMMENDER_TRAINING_EFFORT = 0.05
RECOMMENDER_MAX_ATTEMPTS = 10
RECOMMENDER_TRAINING_DEVICE = "cpu"
