"""My data: what the recommendations know of me, as a file, and forgotten once I said yes."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from recommender.privacy.erasure import erase_own


@never_cache
@require_safe
def my_data(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/my_data.html")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def my_data_erase(request: HttpRequest) -> HttpResponse:
    """Asks (GET) and then forgets (POST)."""
    if request.method != "POST":
        return render(request, "shop/forget_me.html")
    erase_own(request)
    messages.success(request, _("Forgotten. Your recommendations start anew."))
    return redirect("shop:my_data")
