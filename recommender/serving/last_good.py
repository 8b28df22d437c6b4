"""The last good list of each kind, on this machine's disk: what is shown while the database is away.

Only lists that are the same for everybody are kept: what is popular, and what starts from an item. They cannot know
what sold out since, so they are shown for a day at most. One file a list in a folder of its own, replaced as a whole; a
file that cannot be read is as good as none.
"""

import logging
import os
import stat
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings
from django.utils.translation import get_language

from recommender.conf import conf
from recommender.serving.cards import Card, cards_of, plain
from recommender.serving.page import Asked
from recommender.serving.query import LAST_GOOD, NOTHING, Entry, Query, Recommendations

logger = logging.getLogger(__name__)

KEEP_EVERY_SECONDS: Final = 60.0  # a list, by each process
SHOWN_SECONDS: Final = 86_400.0
FILES: Final = 2_048  # the most; of two lists with the same number the newer one stays


class Kept(msgspec.Struct):
    """A list as it was shown; `key` says which."""

    key: str
    version_id: int | None
    cards: list[Card]


_asked_at: dict[int, float] = {}  # number of the file → when this process last found it due (monotonic)


def is_due(query: Query) -> bool:
    """Whether this process should keep such a list again; it says so once in KEEP_EVERY_SECONDS."""
    number, now = _number(_key(query)), time.monotonic()
    if now < _asked_at.get(number, -KEEP_EVERY_SECONDS) + KEEP_EVERY_SECONDS:
        return False
    _asked_at[number] = now
    return True


def keep(query: Query, found: Recommendations) -> None:
    """Write a list that is the same for everybody; a disk that does not take it costs nothing but the list."""
    key = _key(query)
    number = _number(key)
    cards = [plain(shown) for shown in cards_of(found.entries)]
    if not cards:
        return
    try:
        content = msgspec.json.encode(Kept(key, found.version_id, cards))
        folder = _folder()
        temporary = folder / f"{number}.{os.getpid()}.tmp"
        temporary.write_bytes(content)
        temporary.replace(folder / f"{number}.json")
    except OSError as error:
        logger.warning("A list could not be kept for an outage: %s", error)


def last_good(asked: Asked, title: str) -> Recommendations:
    """The kept list without what is unwanted; an empty one from the rung "nothing" where there is none."""
    query, key = asked.query, _key(asked.query)
    kept = _read(_number(key))
    unwanted = {str(item) for item in asked.unwanted}
    cards = [each for each in kept.cards if str(each.id) not in unwanted] if kept and kept.key == key else []
    cards = cards[: query.n]
    if not cards or not kept:
        return Recommendations(query.placement, (), NOTHING, None, "", title)
    asked.page.shown.update(each.id for each in cards)
    entries = tuple(Entry(each, each.score, each.reason, slot) for slot, each in enumerate(cards, start=1))
    return Recommendations(query.placement, entries, LAST_GOOD, kept.version_id, "", title)


def forget_kept() -> None:
    """This process keeps every list again when it comes by."""
    _asked_at.clear()


def _key(query: Query) -> str:
    return f"{query.placement} {query.start} {get_language()}"


def _number(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:8]) % FILES


def _read(number: int) -> Kept | None:
    try:
        path = _folder() / f"{number}.json"
        if time.time() - path.stat().st_mtime > SHOWN_SECONDS:
            return None
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("A kept list cannot be read: %s", error)
        return None


def _folder() -> Path:
    """LAST_GOOD_FOLDER, else one below the machine's temporary folder that nobody else can write to.

    Raises:
        OSError: there is none, or it belongs to somebody else.
    """
    if conf.LAST_GOOD_FOLDER:
        folder = Path(conf.LAST_GOOD_FOLDER)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder
    database = settings.DATABASES["default"]  # by which two shops of one account on one machine differ
    shop = sha256(repr([database.get(name) for name in ("HOST", "PORT", "NAME")]).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"recommender-{os.geteuid()}-{shop}"
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermissionError(f"{folder} is not ours alone: set RECOMMENDER_LAST_GOOD_FOLDER.")
    return folder
