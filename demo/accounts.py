"""Who can log in to the demo shop."""

from django.contrib.auth import get_user_model
from django.db.models import Count

from demo.credentials import Credentials

HOUSEHOLD_PASSWORD = "demo"  # noqa: S105  shown to everybody; `shop_load` sets it


def ensure_admin(credentials: Credentials) -> None:
    """The admin account exists and its password is the one that we print."""
    admin, _made = get_user_model().objects.get_or_create(
        username=credentials.admin_name, defaults={"is_staff": True, "is_superuser": True}
    )
    if not admin.check_password(credentials.admin_password):
        admin.set_password(credentials.admin_password)
        admin.save(update_fields=["password"])


def busiest_households(n: int = 3) -> list[tuple[str, int]]:
    """User name and number of orders of the households with most orders: the lists say most about these."""
    users = get_user_model().objects.filter(username__startswith="household-")
    counted = users.annotate(order_count=Count("orders")).order_by("-order_count", "username")
    return list(counted.values_list("username", "order_count")[:n])
