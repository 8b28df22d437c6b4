"""For child processes that train in tests: few epochs, a lease that lapses while the test waits, and a project's limits
for its own tasks."""

from tests.settings import *  # noqa: F403

RECOMMENDER_TRAINING_EFFORT = 0.05
RECOMMENDER_LEASE_SECONDS = 8
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 1, 2  # seconds
