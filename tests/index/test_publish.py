import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from recommender.exceptions import NothingToRollBack, VersionNotServable
from recommender.index.publish import (
    forget_live_version,
    live_version,
    pin,
    prune,
    publish,
    roll_back,
    roll_back_target,
)
from recommender.models import AuditEntry, ItemEmbedding, ModelVersion
from tests.worlds import make_products, publish_tiny_version, write_tiny_version

pytestmark = pytest.mark.django_db


def live_ids() -> list[int]:
    return list(ModelVersion.objects.filter(is_live=True).values_list("pk", flat=True))


def test_publishing_replaces_the_live_version() -> None:
    products = make_products(3)
    publish_tiny_version(products)
    second = publish_tiny_version(products)
    assert live_ids() == [second.pk]


def test_publishing_twice_changes_nothing() -> None:
    version = publish_tiny_version(make_products(3))
    assert publish(version).published_at == version.published_at
    assert live_ids() == [version.pk]


@pytest.mark.django_db(transaction=True)
def test_a_flip_is_seen_at_once_in_the_same_process() -> None:
    products = make_products(3)
    first = publish_tiny_version(products)
    assert live_version() == first
    second = publish_tiny_version(products)
    assert live_version() == second


def test_a_version_without_vectors_is_refused() -> None:
    version = write_tiny_version(make_products(3))
    ModelVersion.objects.filter(pk=version.pk).update(has_vectors=False)
    with pytest.raises(VersionNotServable):
        publish(version)
    assert live_ids() == []


def test_a_version_whose_table_is_gone_is_refused() -> None:
    version = write_tiny_version(make_products(3))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE recommender_itemembedding_v{version.pk}")
    with pytest.raises(VersionNotServable):
        publish(version)


def test_rolling_back_goes_one_version_back_each_time() -> None:
    products = make_products(3)
    first, second, _third = (publish_tiny_version(products) for _ in range(3))
    write_tiny_version(products)  # was never live
    assert roll_back() == second
    assert roll_back() == first
    with pytest.raises(NothingToRollBack):
        roll_back()
    assert live_ids() == [first.pk]


def test_rolling_back_skips_what_was_replaced_by_hand() -> None:
    products = make_products(3)
    good, _bad = publish_tiny_version(products), publish_tiny_version(products)
    publish(good)
    publish_tiny_version(products)
    assert roll_back() == good


def test_rolling_back_never_goes_to_a_version_that_was_rolled_back_from() -> None:
    products = make_products(3)
    good, bad = publish_tiny_version(products), publish_tiny_version(products)
    assert roll_back() == good
    newer = publish_tiny_version(products)
    assert roll_back_target() == good
    publish(bad)  # by hand it is one to go back to again
    publish_tiny_version(products)
    assert [roll_back(), roll_back(), roll_back()] == [bad, newer, good]
    assert roll_back_target() is None


def test_a_clock_that_was_set_back_does_not_change_what_comes_before() -> None:
    products = make_products(3)
    first = publish_tiny_version(products)
    ModelVersion.objects.update(published_at=timezone.now() + timedelta(days=400))
    second = publish_tiny_version(products)
    assert roll_back_target() == first
    publish_tiny_version(products)
    assert [roll_back(), roll_back()] == [second, first]


def test_versions_that_are_older_than_the_audit_go_by_their_time() -> None:
    products = make_products(3)
    first, second = publish_tiny_version(products), publish_tiny_version(products)
    AuditEntry.objects.all().delete()
    third = publish_tiny_version(products)
    assert [roll_back(), roll_back()] == [second, first]
    publish(third)
    assert roll_back_target() == first


def test_pruning_keeps_the_live_and_the_newest_versions(settings) -> None:
    settings.RECOMMENDER_VERSIONS_KEPT = 2
    products = make_products(3)
    live = publish_tiny_version(products)
    old, kept, newest = (write_tiny_version(products) for _ in range(3))
    assert prune() == [old]
    with_vectors = set(ItemEmbedding.objects.values_list("version_id", flat=True))
    assert with_vectors == {live.pk, kept.pk, newest.pk}
    old.refresh_from_db()
    assert not old.has_vectors and not old.artifacts.exists()
    assert prune() == []


@pytest.mark.django_db(transaction=True)
def test_pruning_leaves_a_version_that_is_being_read(settings) -> None:
    settings.RECOMMENDER_VERSIONS_KEPT = 0
    version = write_tiny_version(make_products(3))
    reads, done = threading.Event(), threading.Event()

    def read_for_long() -> None:
        with transaction.atomic():
            list(ItemEmbedding.objects.all())
            reads.set()
            done.wait(10)
        connection.close()

    reader = threading.Thread(target=read_for_long)
    reader.start()
    assert reads.wait(10)
    assert prune() == []
    done.set()
    reader.join()
    version.refresh_from_db()
    assert version.has_vectors
    assert prune() == [version]


@pytest.mark.django_db(transaction=True)
def test_reading_goes_on_while_a_version_is_written() -> None:
    products = make_products(3)
    publish_tiny_version(products)
    seen: list[int] = []

    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        seen.append(ItemEmbedding.objects.count())
        connection.close()

    with transaction.atomic():
        write_tiny_version(products)
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(10)
    assert seen == [3]  # neither blocked nor shown the uncommitted version


@pytest.mark.django_db(transaction=True)
def test_two_publishers_leave_one_live_version() -> None:
    products = make_products(3)
    versions = [write_tiny_version(products) for _ in range(4)]

    def publish_and_close(version: ModelVersion) -> None:
        publish(version)
        connection.close()

    publishers = [threading.Thread(target=publish_and_close, args=[version]) for version in versions]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(10)
    assert len(live_ids()) == 1
    assert ModelVersion.objects.filter(published_at__isnull=False).count() == 4


def test_a_roll_back_reaches_a_process_that_did_not_do_it_within_a_second() -> None:
    products = make_products(3)
    first, second = publish_tiny_version(products), publish_tiny_version(products)
    forget_live_version()
    assert live_version() == second  # remembered now, as in any web process
    began = time.monotonic()
    ModelVersion.objects.filter(pk=second.pk).update(is_live=False)  # as another process does it
    ModelVersion.objects.filter(pk=first.pk).update(is_live=True)
    while live_version() != first:
        assert time.monotonic() - began < 1.2
        time.sleep(0.01)


def test_a_pinned_version_is_never_pruned(settings) -> None:
    settings.RECOMMENDER_VERSIONS_KEPT = 1
    products = make_products(3)
    pinned, loose, newest = (write_tiny_version(products) for _ in range(3))
    pin(pinned, True)
    assert prune() == [loose]
    assert publish(pinned).has_vectors
    publish(newest)
    pin(pinned, False)
    assert prune() == [pinned]
    with pytest.raises(VersionNotServable):
        pin(loose, True)


def test_every_act_is_in_the_audit_with_who_before_and_after(admin_user, settings) -> None:
    settings.RECOMMENDER_VERSIONS_KEPT = 1
    products = make_products(3)
    first, second = write_tiny_version(products), write_tiny_version(products)
    publish(first, "Run 1")
    publish(second, admin_user)
    publish(second, admin_user)  # is live already: nothing happened
    roll_back(admin_user)
    pin(first, True, admin_user)
    pin(first, False, admin_user)
    publish(second)
    prune(admin_user)
    acts = [(entry.act, entry.by, entry.old, entry.new) for entry in AuditEntry.objects.order_by("pk")]
    assert acts == [
        ("publish", "Run 1", "", str(first)),
        ("publish", "admin", str(first), str(second)),
        ("roll_back", "admin", str(second), str(first)),
        ("pin", "admin", "", ""),
        ("unpin", "admin", "", ""),
        ("publish", "", str(first), str(second)),
        ("prune", "admin", "", ""),
    ]
    assert AuditEntry.objects.filter(user=admin_user).count() == 5


@pytest.mark.django_db(transaction=True)
def test_an_act_that_is_taken_back_leaves_no_entry() -> None:
    version = write_tiny_version(make_products(3))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish(version)
        raise ZeroDivisionError
    assert not AuditEntry.objects.exists() and live_ids() == []
