"""A list as a fragment of HTML, which the browser fetches when its place comes near the viewport.

A page with lazy lists only says where they stand. It is the same for everybody, so it may lie in a cache.
"""

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, override
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from recommender.catalog import item_key

_signer: Final = Signer(salt="recommender.fragment")


def fragment_url(
    placement: str, items: Collection[Any], n: int, exclude: Collection[Any], title: str, template: str
) -> str:
    """Where the list of whoever asks is fetched from; signed, so that nobody chooses templates or words for others."""
    asked = [placement, list(map(str, items)), n, sorted(map(str, exclude)), title, template, get_language()]
    return reverse("recommender:fragment", args=[_signer.sign_object(asked, compress=True)])


@login_not_required
@require_safe
@cache_control(private=True, no_store=True)
def fragment(request: HttpRequest, signed: str) -> HttpResponse:
    """The list for the visitor of this request; 204 where there is none, 404 for an address that is not ours."""
    try:
        placement, items, n, exclude, title, template, language = _signer.unsign_object(signed)
        start, left_out = [item_key(item) for item in items], [item_key(item) for item in exclude]
    except (BadSignature, ValidationError, ValueError):
        return HttpResponse(status=404)
    options = {"placement": placement, "items": start, "n": n, "exclude": left_out}
    shown = {**options, "title": title, "list_template": template, "recommender_next": _page_around(request)}
    with override(language):
        html = render_to_string("recommender/fragment.html", shown, request).strip()
    return HttpResponse(html) if html else HttpResponse(status=204)


def _page_around(request: HttpRequest) -> str:
    """The address of the page that the list stands on, as far as the browser says; else the shop's first page."""
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure()):
        return get_script_prefix()
    parts = urlsplit(referrer)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
