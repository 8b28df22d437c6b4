"""Login with a list of demo households."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.utils.translation import gettext_lazy as _

from shop.demo_accounts import PASSWORD
from shop.models import Household


class Login(LoginView):
    template_name = "shop/login.html"
    redirect_authenticated_user = True
    extra_context = {"title": _("Log in"), "demo_password": PASSWORD}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        households = Household.objects.filter(is_demo_login=True).select_related("user")
        return super().get_context_data(**kwargs) | {"demo_households": households}
