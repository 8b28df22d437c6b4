"""Whose page sends this? `sendBeacon` can send no header of ours, and a cached page holds no CSRF token.

The browser's own Sec-Fetch-Site and Origin headers, which a page cannot forge, do the same work.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import is_same_domain


def is_own_page(request: HttpRequest) -> bool:
    """Whether the browser says that a page of this shop, or of CSRF_TRUSTED_ORIGINS, sends this.

    Every browser sends at least one of the two headers with a cross-site POST; a client without both is no browser that
    somebody else's page could misuse.
    """
    site = request.META.get("HTTP_SEC_FETCH_SITE", "")
    if site == "same-origin":
        return True
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return site in ("", "none")
    own = f"{request.scheme}://{request.get_host()}"
    return origin == own or any(_matches(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _matches(origin: str, trusted: str) -> bool:
    """As Django compares: `https://*.example.com` takes every subdomain."""
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    wanted = urlsplit(trusted.replace("://*.", "://.", 1))
    return found.scheme == wanted.scheme and is_same_domain(found.netloc, wanted.netloc)
