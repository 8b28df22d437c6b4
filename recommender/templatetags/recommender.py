"""`{% load recommender %}`: the lists as HTML. A list that is empty or fails renders nothing; the page goes on.

Every list tag takes n=, title=, exclude= (an item, a key, or several), template= (instead of recommender/list.html)
and lazy=True (the browser fetches the list when its place comes near the viewport; the page may lie in a cache):

    {% recommended_for_you n=12 %}                {% buy_again %}       {% recently_viewed exclude=product %}
    {% similar_items product title=_("Like it") %}   {% bought_together product n=4 %}
    {% recommendations "trending" n=6 %}          {% recommendations "basket_complement" items=products %}

The lists of a page never show an item twice; the one that comes first chooses first. Where an important list stands
further down, {% recommendations_page "buy_again" "for_you" %} above them all lets the placements' importance decide.

Once a page: {% recommender_styles %} in the head, {% recommender_beacon %} at the end of the body.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from secrets import token_hex
from typing import Any, Final, TypeVar

from django import template
from django.conf import settings
from django.db.models import Model
from django.http import HttpRequest
from django.template.context import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from recommender.capture.consent import Consent, default_consent
from recommender.capture.items import key_or_none
from recommender.conf import conf
from recommender.serving import placements
from recommender.serving.caller import (
    basket_of,
    page_of,
    reader_for_beacon,
    reader_of,
    visitor_of_page,
    within_budget,
)
from recommender.serving.cards import Card, cards_of
from recommender.serving.fragments import fragment_url
from recommender.serving.page import Page
from recommender.serving.placements import length_of, needs_items
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend, recommend_page

register = template.Library()

logger = logging.getLogger(__name__)

NOTHING: Final = SafeString("")

T = TypeVar("T")


@register.simple_tag(takes_context=True)
def recommendations(context: Context, placement: str, *, items: Any = None, **options: Any) -> SafeString:
    """The list of any placement, the shop's own ones included. `items`: what it starts from."""
    return _render(context, placement, items=items, **options)


@register.simple_tag(takes_context=True)
def recommended_for_you(context: Context, **options: Any) -> SafeString:
    """Ranked for this visitor; what is popular for somebody new."""
    return _render(context, placements.FOR_YOU, **options)


@register.simple_tag(takes_context=True)
def similar_items(context: Context, item: Any, **options: Any) -> SafeString:
    """Items like this one."""
    return _render(context, placements.SIMILAR_ITEMS, items=item, **options)


@register.simple_tag(takes_context=True)
def bought_together(context: Context, item: Any, **options: Any) -> SafeString:
    """What others bought together with this item."""
    return _render(context, placements.BOUGHT_TOGETHER, items=item, **options)


@register.simple_tag(takes_context=True)
def recently_viewed(context: Context, **options: Any) -> SafeString:
    """What this visitor looked at, newest first."""
    return _render(context, placements.RECENTLY_VIEWED, **options)


@register.simple_tag(takes_context=True)
def buy_again(context: Context, **options: Any) -> SafeString:
    """What this visitor buys again and again, when it is due."""
    return _render(context, placements.BUY_AGAIN, **options)


@register.simple_tag(takes_context=True)
def recommendations_page(context: Context, *names: str, **options: Any) -> SafeString:
    """Choose the items of these placements now, the most important one first; their tags below only render them.

    Takes items= and exclude=; the lists are as long as their placements say. Renders nothing.
    """
    request = context.get("request")
    if request is not None:
        page = page_of(request)

        def find() -> list[Recommendations]:
            queries = [query for name in names if (query := _query(request, name, **options))]
            return recommend_page(queries, page)

        page.prepared |= {found.placement: found for found in _or_nothing(find) or []}
    return NOTHING


@register.simple_tag(takes_context=True)
def recommender_styles(context: Context) -> SafeString:
    """The style sheet of the lists."""
    return format_html('<link rel="stylesheet" href="{}"{}>', static("recommender/widgets.css"), _nonce(context))


@register.simple_tag(takes_context=True)
def recommender_beacon(context: Context) -> SafeString:
    """The scripts that report what is done and seen, and what is said of cards; nothing inline, so a strict CSP needs
    no exception.

    Where it is not known who reads the page, nothing is reported, and what waits in the browser goes on waiting: told
    "none", the beacon would forget it.
    """
    nonce = _nonce(context)
    scripts = format_html('<script defer src="{}"{}></script>', static("recommender/feedback.js"), nonce)
    if (reader := reader_for_beacon(context.get("request"))) is None:
        return scripts
    beacon = format_html(
        '<script defer src="{}" data-endpoint="{}" data-consent="{}" data-who="{}" data-cookie="{}"{}></script>',
        static("recommender/beacon.js"),
        reverse("recommender:events"),
        *reader,
        "" if conf.CONSENT_HOOK else conf.CONSENT_COOKIE,
        nonce,
    )
    return beacon + scripts


def _render(
    context: Context,
    placement: str,
    *,
    items: Any = None,
    n: int | None = None,
    title: str | None = None,
    exclude: Any = None,
    template: str = "recommender/list.html",
    lazy: bool = False,
) -> SafeString:
    """The list as HTML, nothing where it is empty; or the place for it."""
    if lazy:
        place = partial(_place, context, placement, _keys(items), n, _keys(exclude), title, template)
        return _or_nothing(place) or NOTHING
    request = context.get("request")
    page = page_of(request) if request else Page()

    def find() -> tuple[Recommendations, list[Card]] | None:
        found = page.prepared.pop(placement, None)
        if found is None:
            query = _query(request, placement, items=items, n=n, exclude=exclude)
            found = recommend(query, page) if query else None
        return (found, cards_of(found.entries[:n])) if found else None

    found, cards = _or_nothing(find) or (None, [])
    if found is None or not cards:
        return NOTHING
    shown = {
        "title": title or found.title,
        "placement": placement,
        "rung": found.rung,
        "token": found.token,
        "heading_id": f"recommender-{token_hex(4)}",  # the same list may stand on a page twice
        "cards": cards,
        **(_feedback(context, page) if found.token else {}),  # without it nothing could be said of the list
    }
    return _rendered(context, template, shown)


def _or_nothing(find: Callable[[], T]) -> T | None:
    """What is found within the budget; None where code of the shop fails: its catalogue, or what a tag was given."""
    try:
        with within_budget():
            return find()
    except Exception:
        # The shop's own code may raise anything; its page goes on without the list. Whoever writes that code sees it.
        if settings.DEBUG:
            raise
        logger.exception("A list is left out: the catalogue class fails, or what its tag was given.")
        return None


def _place(
    context: Context,
    name: str,
    items: tuple[Any, ...],
    n: int | None,
    exclude: tuple[Any, ...],
    title: str | None,
    template: str,
) -> SafeString:
    """Blank cards that keep the list's place until its script, or the shop's htmx, has fetched it."""
    placement = placements.placements().get(name)
    if placement is None or (not items and needs_items(placement)):
        return NOTHING
    length, heading = min(n or length_of(placement), conf.MAX_LIST_LENGTH), str(title or placements.title_of(placement))
    is_first = not context.render_context.get("recommender_lazy")
    context.render_context["recommender_lazy"] = True
    shown = {
        "title": heading,
        "placement": name,
        "url": fragment_url(name, items, length, exclude, heading, template),
        "blanks": range(length),
        "takes_feedback": default_consent() is not Consent.NONE,  # the page does not know whose it is
        "script": static("recommender/lazy.js") if is_first else "",
        "nonce": _nonce(context),
    }
    return _rendered(context, "recommender/lazy.html", shown)


def _rendered(context: Context, template: str, shown: dict[str, Any]) -> SafeString:
    engine = context.template.engine  # type: ignore[union-attr]  # set while a template is rendered
    return mark_safe(engine.get_template(template).render(context.new(shown)))  # noqa: S308  a template's output


def _feedback(context: Context, page: Page) -> dict[str, Any]:
    """What the buttons of the cards need: nothing for whoever may not be remembered.

    A button that stands is pressed, since pressing it takes the answer back. What is refused is in no list.
    """
    request = context.get("request")
    level, account = reader_of(request) if request is not None else (Consent.NONE, None)
    if request is None or level is Consent.NONE:
        return {}
    visitor = visitor_of_page(request)
    return {
        "takes_feedback": True,
        "wanted": page.known_opinions(visitor).wanted if visitor else frozenset(),
        "next": context.get("recommender_next") or request.get_full_path(),
        # Only somebody who is logged in needs the token; for others it would set a cookie.
        "is_logged_in": account is not None,
        "csrf_token": context.get("csrf_token"),
    }


def _query(
    request: HttpRequest | None, name: str, *, items: Any = None, n: int | None = None, exclude: Any = None
) -> Query | None:
    """What a tag asks for; None where there is no such list, or none without the items that the template lacks."""
    placement = placements.placements().get(name)
    if placement is None:  # its row was deleted in admin: the page goes on without the list
        logger.error("A template asks for the placement %r, which does not exist.", name)
        return None
    start, excluded = _keys(items), frozenset(_keys(exclude))
    if not start and needs_items(placement):
        return None
    if request is not None and placement.excludes_basket:
        excluded |= page_of(request).once("basket", lambda: basket_of(request))
    visitor = visitor_of_page(request) if request else None
    length = min(n, conf.MAX_LIST_LENGTH) if n else length_of(placement)
    return Query(name, visitor, length, exclude=excluded, items=start)


def _nonce(context: Context) -> SafeString:
    """The attribute for a policy with nonces, from Django 6 (`csp_nonce`) or django-csp (`request.csp_nonce`)."""
    nonce = context.get("csp_nonce") or getattr(context.get("request"), "csp_nonce", "")
    return format_html(' nonce="{}"', nonce) if nonce else NOTHING


def _keys(items: Any) -> tuple[Any, ...]:
    """An item, a key, or several of either → keys in their own type; what a template leaves empty is no key."""
    several = items if isinstance(items, Iterable) and not isinstance(items, str) else [items]
    keys = (item.pk if isinstance(item, Model) else key_or_none(item) for item in several)
    return tuple(key for key in keys if key is not None)
