"""The demo shop's production settings, with the plain views of benchmarks/capture_urls.py and no limits of rate."""

from shop.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.capture_urls"
RECOMMENDER_VISITOR_EVENTS_PER_MINUTE = 10**9
RECOMMENDER_ADDRESS_EVENTS_PER_MINUTE = 10**9
LOGGING = {"version": 1, "disable_existing_loggers": True}
