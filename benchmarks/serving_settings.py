"""The demo shop's production settings, with the plain views of benchmarks/serving_urls.py beside the shop."""

import os

from shop.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.serving_urls"

RECOMMENDER_TRAINING_EFFORT = 0.05  # a list takes as long from a version that learned little

if os.environ.get("BENCHMARK_CACHE_URL"):  # else Django's own cache in the process, as in the demo
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["BENCHMARK_CACHE_URL"],
            "OPTIONS": {"socket_timeout": 0.1, "socket_connect_timeout": 0.1},  # as docs/operations.md says
        }
    }
