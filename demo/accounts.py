"""Who can log in to the demo shop."""

from django.contrib.auth import get_user_model
from django.db.models import Count

from demo.credentials import Credentials
from shop.models import Household


def ensure_admin(credentials: Credentials) -> None:
    """The admin account exists and its password is the one that we print."""
    admin, _made = get_user_model().objects.get_or_create(
        username=credentials.admin_name, defaults={"is_staff": True, "is_superuser": True}
    )
    if not admin.check_password(credentials.admin_password):
        admin.set_password(credentials.admin_password)
        admin.save(update_fields=["password"])


def households(n: int = 3) -> list[tuple[str, int]]:
    """User name and number of orders of some households that the login page offers."""
    offered = Household.objects.filter(is_demo_login=True).annotate(order_count=Count("user__orders"))
    return list(offered.order_by("number").values_list("user__username", "order_count")[:n])
