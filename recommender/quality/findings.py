"""Numbers → what they mean: a light, a sentence, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.template.defaultfilters import floatformat
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from recommender.models import Event
from recommender.quality.gaps import HOUR
from recommender.quality.measure import Measured

GREEN: Final = "green"
YELLOW: Final = "yellow"
RED: Final = "red"
NEVER: Final = 2.0  # no share is as large

# code → from which share on the light is yellow, and red. Of what: see the finding.
LIMITS: Final = {
    "duplicates": (0.05, 0.25),
    "quarantine": (0.01, 0.10),
    "doubts": (0.30, 0.70),
    "inhuman": (0.0005, 0.05),
    "lost_items": (0.02, 0.20),
    "unseen_items": (0.50, NEVER),
    "clock": (0.05, 0.30),
    "clicks": (0.20, 0.60),
}
PROGRAMS: Final = (Event.Doubt.CRAWLER, Event.Doubt.PREFETCH, Event.Doubt.WEBDRIVER, Event.Doubt.RATE)
FINE_BUCKETS: Final = slice(3, 6)  # of SKEWS: a minute off at most


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `code` for programs (it stays the same), the rest for people. `advice`: "" when green."""

    code: str
    light: str
    title: str
    text: str
    advice: str = ""


def findings(found: Measured) -> list[Finding]:
    """Everything that was looked at, good or bad, in the order of the way of an event."""
    return [*_arriving(found), *_programs(found), *_items(found), *_browsers(found)]


def light_of(code: str, share: float) -> str:
    return light(share, *LIMITS[code])


def light(share: float, yellow: float, red: float) -> str:
    return RED if share >= red else YELLOW if share >= yellow else GREEN


def judged(code: str, colour: str, title: str, text: str, advice: str) -> Finding:
    """A finding whose advice is only given where there is something to do."""
    return Finding(code, colour, title, text, "" if colour == GREEN else advice)


def percent(part: int, whole: int) -> str:
    """`percent(1, 8)` → "12.5 %" as people here write it."""
    return f"{floatformat(100 * share(part, whole), -1)} %"


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def count(number: int) -> str:
    return str(number_format(number, force_grouping=True))


def _arriving(found: Measured) -> Iterator[Finding]:
    yield judged(
        "volume",
        GREEN if found.events else RED,
        _("Events"),
        _("%(events)s events in %(days)s days.") % {"events": count(found.events), "days": found.days},
        _("Nothing arrives: is the beacon in the pages, and are the shop's signals sent?"),
    )
    yield _gaps(found)
    received = found.ledger["received"]
    yield judged(
        "ledger",
        RED if found.difference else GREEN,
        _("Ledger"),
        _("%(rows)s of %(received)s received rows have no outcome.")
        % {"rows": count(found.difference), "received": count(received)},
        _("Events were lost between the door and the table: please report it with the lines of the ledger."),
    )
    duplicates = found.ledger["duplicate"]
    yield judged(
        "duplicates",
        light_of("duplicates", share(duplicates, received)),
        _("Duplicates"),
        _("%(share)s of the received rows were stored already.") % {"share": percent(duplicates, received)},
        _(
            "Some are normal: browsers send again what was not answered. Many mean that answers get lost (a proxy's "
            "time limit?) or that a program gives different events one id."
        ),
    )
    waiting = sum(found.quarantine.values())
    reasons = ", ".join(f"{code} {count(rows)}" for code, rows in list(found.quarantine.items())[:3])
    yield judged(
        "quarantine",
        light_of("quarantine", share(waiting, max(received, waiting))),
        _("Quarantine"),
        _("%(rows)s rows could not be stored. %(reasons)s") % {"rows": count(waiting), "reasons": reasons},
        _("Look at them in admin, mend the cause, and try them again; the manual names the causes by their codes."),
    )


def _gaps(found: Measured) -> Finding:
    longest = sorted(found.gaps, key=lambda gap: -gap.hours)[:3]
    is_now = any(gap.start.timestamp() + (gap.hours + 1) * HOUR > found.until.timestamp() for gap in found.gaps)
    shown = "; ".join(
        _("%(start)s: %(hours)s h")
        % {"start": date_format(localtime(gap.start), "DATETIME_FORMAT"), "hours": gap.hours}
        for gap in longest
    )
    text = _("%(hours)s hours without an event where there usually are some, in %(gaps)s gaps. %(shown)s") % {
        "hours": sum(gap.hours for gap in found.gaps),
        "gaps": len(found.gaps),
        "shown": shown,
    }
    advice = _("Was the shop closed? If not, look at its log of these hours, and at what was deployed before.")
    return judged("gaps", RED if is_now else YELLOW if found.gaps else GREEN, _("Gaps"), text, advice)


def _programs(found: Measured) -> Iterator[Finding]:
    doubted = {doubt: found.doubts.get(doubt, 0) for doubt in PROGRAMS}
    reasons = ", ".join(f"{doubt.label} {count(events)}" for doubt, events in doubted.items() if events)
    total = sum(doubted.values())
    yield judged(
        "doubts",
        light_of("doubts", share(total, found.events)),
        _("Programs"),
        _("%(share)s of the events come from programs. %(reasons)s")
        % {"share": percent(total, found.events), "reasons": reasons},
        _(
            "They move nobody's lists. Many cost space: robots.txt keeps honest crawlers away, your proxy the others. "
            "If they are your own tests, give those a database of their own."
        ),
    )
    yield judged(
        "inhuman",
        light_of("inhuman", share(found.inhuman_events, found.events)),
        _("Impossible rates"),
        _("%(visitors)s visitors browse faster than a person, with %(events)s events. %(keys)s")
        % {
            "visitors": count(found.inhuman_visitors),
            "events": count(found.inhuman_events),
            "keys": ", ".join(found.inhuman_keys),
        },
        _(
            "Their views and clicks are left out of training. Search the events for these keys: a program that reads "
            "your catalogue, or pages that report a view more than once?"
        ),
    )


def _items(found: Measured) -> Iterator[Finding]:
    yield judged(
        "lost_items",
        light_of("lost_items", share(found.lost_item_events, found.events)),
        _("Items that are gone"),
        _("%(share)s of the events are of %(items)s items that the shop does not have.")
        % {"share": percent(found.lost_item_events, found.events), "items": count(found.lost_items)},
        _(
            "Training cannot use them. Mark items that are not sold any more as unavailable in Catalog.available "
            "instead of deleting them; if they never existed, some page sends another key."
        ),
    )
    yield judged(
        "unseen_items",
        light_of("unseen_items", share(found.unseen_items, found.available_items)),
        _("Items never seen"),
        _("%(share)s of the %(items)s available items had no event.")
        % {"share": percent(found.unseen_items, found.available_items), "items": count(found.available_items)},
        _("Nobody finds them: link them from menus and search. Lists place them by their texts and attributes only."),
    )


def _browsers(found: Measured) -> Iterator[Finding]:
    told = sum(found.skews)
    wrong = told - sum(found.skews[FINE_BUCKETS])
    behind = sum(found.skews[FINE_BUCKETS.stop :])
    colour = light_of("clock", share(wrong, told))
    is_ours = colour != GREEN and max(behind, wrong - behind) > 0.9 * wrong
    yield judged(
        "clock",
        colour,
        _("Clocks"),
        _("%(share)s of the browsers' events came with a clock that is over a minute wrong.")
        % {"share": percent(wrong, told)},
        _("Nearly all in the same direction: it is this server's clock that is wrong. Start NTP.")
        if is_ours
        else _("Times are set right by the browser's own clock; an app should send `sent_at` and use UTC."),
    )
    yield judged(
        "clicks",
        light_of("clicks", share(found.untold_clicks, found.clicks)),
        _("Clicks without token"),
        _("%(share)s of the %(clicks)s clicks from browsers came without a valid impression token.")
        % {"share": percent(found.untold_clicks, found.clicks), "clicks": count(found.clicks)},
        _(
            "They do not train and do not count. Do lists of your own send their token, are pages cached for longer "
            "than IMPRESSION_TOKEN_AGE_DAYS, or did DJANGO_SECRET_KEY change?"
        ),
    )
