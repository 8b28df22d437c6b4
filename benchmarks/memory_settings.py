"""The serving benchmark's settings with all the time that a busy machine needs: every list must be a personal one."""

from benchmarks.serving_settings import *  # noqa: F403

RECOMMENDER_BUDGET_MS = 10_000
