"""Which lists there are: the defaults below, each replaced by the row of its name once a shop saves one in admin."""

from collections.abc import Mapping
from typing import Final

from django.utils.translation import gettext_lazy

from recommender.conf import conf
from recommender.models import Placement, Source
from recommender.serving.remembered import Remembered

CACHE_SECONDS: Final = 2.0  # a saved row is seen by every web process within this time
FROM_ITEMS: Final = frozenset({Source.SIMILAR, Source.TOGETHER})  # sources that are nothing without an item

FOR_YOU: Final = "for_you"
SIMILAR_ITEMS: Final = "similar_items"
BOUGHT_TOGETHER: Final = "bought_together"
BASKET_COMPLEMENT: Final = "basket_complement"
BUY_AGAIN: Final = "buy_again"
RECENTLY_VIEWED: Final = "recently_viewed"
TRENDING: Final = "trending"
NEW_FOR_YOU: Final = "new_for_you"
POST_PURCHASE: Final = "post_purchase"
EMAIL: Final = "email"

TITLES: Final = {
    FOR_YOU: gettext_lazy("Recommended for you"),
    SIMILAR_ITEMS: gettext_lazy("Similar items"),
    BOUGHT_TOGETHER: gettext_lazy("Often bought together"),
    BASKET_COMPLEMENT: gettext_lazy("Goes with your basket"),
    BUY_AGAIN: gettext_lazy("Buy it again"),
    RECENTLY_VIEWED: gettext_lazy("Recently viewed"),
    TRENDING: gettext_lazy("Trending now"),
    NEW_FOR_YOU: gettext_lazy("New for you"),
    POST_PURCHASE: gettext_lazy("You may also need"),
    EMAIL: gettext_lazy("Picked for you"),
}

# Only lists whose title stays true step down to what is popular. Lists of what is known (viewed, rebought, pairs) try
# nothing out. What was bought an hour ago is nobody's next wish; an e-mail is read days after it was made.
DEFAULTS: Final[Mapping[str, Placement]] = {
    each.name: each
    for each in (
        Placement(
            name=FOR_YOU,
            sources=[Source.PERSONAL],
            fallbacks=[Source.SEGMENT, Source.POPULAR],
            exclude_bought_days=0.5,
            diversity=0.15,
        ),
        Placement(name=SIMILAR_ITEMS, sources=[Source.SIMILAR]),
        Placement(name=BOUGHT_TOGETHER, sources=[Source.TOGETHER], exploration_share=0.0),
        Placement(name=BASKET_COMPLEMENT, sources=[Source.TOGETHER, Source.SIMILAR], exploration_share=0.0),
        Placement(name=BUY_AGAIN, sources=[Source.REBUY], exploration_share=0.0, repeat_share=1.0),
        Placement(
            name=RECENTLY_VIEWED,
            sources=[Source.VIEWED],
            excludes_basket=False,
            exploration_share=0.0,
            repeat_share=1.0,
        ),
        Placement(name=TRENDING, sources=[Source.TRENDING], fallbacks=[Source.POPULAR], exploration_share=0.0),
        Placement(name=NEW_FOR_YOU, sources=[Source.NEW], fallbacks=[Source.NEWEST], diversity=0.2),
        Placement(
            name=POST_PURCHASE,
            sources=[Source.AFTER_PURCHASE, Source.PERSONAL],
            fallbacks=[Source.POPULAR],
            exclude_bought_days=1.0,
        ),
        Placement(
            name=EMAIL,
            sources=[Source.PERSONAL],
            fallbacks=[Source.POPULAR],
            exclude_bought_days=7.0,
            diversity=0.2,
        ),
    )
}


def _read() -> Mapping[str, Placement]:
    return {**DEFAULTS, **{row.name: row for row in Placement.objects.select_related("within")}}


known_placements: Final = Remembered(_read, CACHE_SECONDS, DEFAULTS)


def placements() -> Mapping[str, Placement]:
    """name → placement, at most CACHE_SECONDS old."""
    return known_placements.get()


def placement_named(name: str) -> Placement:
    """
    Raises:
        ValueError: there is no such placement.
    """
    known = placements()
    if name not in known:
        raise ValueError(f"unknown placement {name!r}: known are {', '.join(known)}")
    return known[name]


def title_of(placement: Placement) -> str:
    """The heading for shoppers: the row's own, else the default one in the language of the request."""
    return placement.title or str(TITLES.get(placement.name, placement.name))


def needs_items(placement: Placement) -> bool:
    """Whether the list is nothing without an item to start from."""
    return FROM_ITEMS.issuperset({*placement.sources, *placement.fallbacks})


def length_of(placement: Placement) -> int:
    """Items in the list where the page names no number."""
    return min(placement.length or int(conf.LIST_LENGTH), int(conf.MAX_LIST_LENGTH))
