"""Somebody in admin: with all rights, with the right to look, with one right."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from recommender.models import TrainingRun

StaffClient = Callable[..., Client]


@pytest.fixture
def staff_client(db: None) -> StaffClient:
    """`staff_client("view_trainingrun", "retrain")` → a logged-in client with these permissions of the plugin."""

    def make(*codenames: str) -> Client:
        user = get_user_model().objects.create_user(f"staff-{'-'.join(codenames)}", is_staff=True)
        permissions = Permission.objects.filter(content_type__app_label="recommender", codename__in=codenames)
        assert len(permissions) == len(codenames)
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def new_run(db: None) -> Callable[..., TrainingRun]:
    """`new_run(status="failed", error="…")` → a stored run."""

    def make(**values: Any) -> TrainingRun:
        return TrainingRun.objects.create(**{"trigger": TrainingRun.Trigger.ADMIN, "status": "failed"} | values)

    return make
