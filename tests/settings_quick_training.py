"""For child processes that train in tests: few epochs, and a lease that lapses while the test waits."""

from tests.settings import *  # noqa: F403

RECOMMENDER_TRAINING_EFFORT = 0.05
RECOMMENDER_LEASE_SECONDS = 8
