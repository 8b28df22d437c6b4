"""A web process loads beside its pages what lists need."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recommender.index import publish
from recommender.models import ModelArtifact, ModelVersion, Visitor
from recommender.serving.breaker import FAILURES, breaker
from recommender.serving.query import PERSONAL, Query
from recommender.serving.recommend import recommend
from recommender.serving.visitor_vector import _load
from recommender.serving.warm import Warmer
from tests.plugin import worker_environment
from tests.worlds import make_event, make_listed_products, publish_tiny_version, write_tiny_version

WEB = """
import json, os, sys, time
import django
django.setup()
from django.core.wsgi import get_wsgi_application
from recommender.index import publish
from recommender.index.reading import reading
from recommender.serving.visitor_vector import _load
from recommender.serving.warm import warmer

def live():
    with reading(1_000):
        return publish.live_version()

def wait(what):
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.005)

def loaded():
    return _load.cache_info().currsize

def say(**words):
    print(json.dumps(words), flush=True)

"""
# --- a process that serves pages

ALONE = """
get_wsgi_application()
wait(loaded)
say(loaded=loaded(), torch="torch" in sys.modules)
"""
PREFORK = """
get_wsgi_application()
wait(loaded)
child = os.fork()
if not child:
    _load.cache_clear()  # the child's own thread must do it
    wait(loaded)
    os._exit(7)
say(status=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), master_is_on=warmer.is_on)
"""
OFFLINE = """
from recommender import tasks
time.sleep(1.5)
say(is_on=warmer.is_on)
"""
PUBLISHED = """
get_wsgi_application()
wait(lambda: loaded() and not warmer._wanted)
before = live().pk
say(version=before)
served = before
cold = []
while served == before:
    served = live().pk
    cold += [served] if loaded() < 2 and served != before else []
    time.sleep(0.002)
say(version=served, cold=cold)
"""


@contextmanager
def process(script: str) -> Iterator[Any]:
    """Runs beside the test on its database; gives a function that reads the next thing that it says."""
    environment = worker_environment("redis://127.0.0.1:1/0") | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    argv = [sys.executable, "-c", WEB + script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        lines = running.stdout
        try:
            yield lambda: json.loads(lines.readline() or '{"said": "nothing"}')
        finally:
            running.kill()


@pytest.fixture
def version(transactional_db: None) -> ModelVersion:
    products = make_listed_products(20)
    make_event(Visitor.objects.create(), products[4])
    return ModelVersion.objects.get()


def test_a_process_is_warm_before_its_first_page(version: ModelVersion) -> None:
    with process(ALONE) as said:
        assert said() == {"loaded": 1, "torch": False}


def test_each_child_of_a_forking_server_is_warm_and_its_master_rests(version: ModelVersion) -> None:
    with process(PREFORK) as said:
        assert said() == {"status": 7, "master_is_on": False}


def test_workers_and_commands_load_nothing(version: ModelVersion) -> None:
    with process(OFFLINE) as said:
        assert said() == {"is_on": False}


def test_a_published_version_is_loaded_before_pages_see_it(version: ModelVersion) -> None:
    with process(PUBLISHED) as said:
        assert said() == {"version": version.pk}
        after = publish_tiny_version([])
        assert said() == {"version": after.pk, "cold": []}


@pytest.mark.django_db
def test_no_list_of_a_test_run_waits_for_a_thread_that_began_before_it() -> None:
    """A module that is imported while tests are collected may make the shop's handler, and so begin the thread."""
    make_listed_products(4)
    version = publish.live_version()
    warmer = Warmer()
    warmer._thread = threading.current_thread()
    assert version is not None and warmer.is_ready(version)


# --- what pages see meanwhile


@pytest.fixture
def not_ready() -> Iterator[None]:
    before = publish._is_ready
    publish.ask_before_serving(lambda version: False)
    yield
    publish.ask_before_serving(before)


@pytest.mark.django_db
def test_lists_do_not_wait_for_what_is_loading(not_ready: None) -> None:
    products = make_listed_products(20)
    visitor = Visitor.objects.create()
    make_event(visitor, products[4])
    _load.cache_clear()
    for _ in range(FAILURES):
        assert recommend(Query("for_you", visitor, 4)).rung in ("segment", "popular")
    assert not breaker(PERSONAL).is_open and not _load.cache_info().currsize


@pytest.mark.django_db
def test_the_version_before_is_served_while_the_next_one_loads(not_ready: None) -> None:
    products = make_listed_products(4)
    before = publish.live_version()
    publish.publish(write_tiny_version(products))
    publish._look_again()
    assert publish.live_version() == before
    publish.ask_before_serving(lambda version: True)
    publish._look_again()
    assert publish.live_version() != before


# --- faults


def opened() -> Any:
    for _ in range(FAILURES):
        breaker(PERSONAL).failed()
    return breaker(PERSONAL)


@pytest.mark.django_db
def test_a_quick_list_closes_the_breaker_of_personal_lists() -> None:
    make_event(Visitor.objects.create(), make_listed_products(20)[4])
    assert opened().is_open
    Warmer()._look()
    assert not breaker(PERSONAL).is_open


@pytest.mark.django_db
def test_a_damaged_file_leaves_it_open() -> None:
    make_event(Visitor.objects.create(), make_listed_products(20)[4])
    ModelArtifact.objects.update(content=b"damaged")
    _load.cache_clear()
    assert opened().is_open
    Warmer()._look()
    assert breaker(PERSONAL).is_open
