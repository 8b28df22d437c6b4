"""Which version is live, why one was refused, publish and roll back behind a question and a permission."""

import pytest
from django.test import Client

from recommender.index.publish import publish
from recommender.models import ModelVersion
from tests.admin.conftest import StaffClient
from tests.worlds import make_products, write_tiny_version

LIST = "/admin/recommender/modelversion/"
ROLL_BACK = f"{LIST}roll-back/"


def page(version: ModelVersion, rest: str = "change/") -> str:
    return f"{LIST}{version.pk}/{rest}"


def live_ids() -> list[int]:
    return list(ModelVersion.objects.filter(is_live=True).values_list("pk", flat=True))


@pytest.fixture
def versions(db: None) -> tuple[ModelVersion, ModelVersion]:
    """Two versions that were published one after the other; the second is live."""
    products = make_products(4)
    old, new = publish(write_tiny_version(products)), publish(write_tiny_version(products))
    old.refresh_from_db()
    return old, new


def test_the_list_marks_the_live_one_and_shows_what_it_had_to_beat(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
) -> None:
    _, new = versions
    new.verdict["metrics"] = {"ours": {"ndcg@10": 0.25}, "popularity": {"ndcg@10": 0.05}, "item_knn": {"ndcg@10": 0.1}}
    new.save()
    shown = admin_client.get(LIST).content.decode()
    assert shown.count("recommender-badge--live") == 1
    assert "0.2500" in shown and "0.1000 Bought by the same visitors" in shown
    assert "Roll back to" in shown


def test_a_version_shows_its_parts_its_files_and_its_run(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
) -> None:
    shown = admin_client.get(page(versions[1])).content.decode()
    assert "What the product is" in shown and "100 %" in shown
    assert "visitor_encoder.onnx" in shown and str(versions[1].run) in shown


def test_publishing_asks_first(admin_client: Client, versions: tuple[ModelVersion, ModelVersion]) -> None:
    old, new = versions
    assert "Yes, make it live" in admin_client.get(page(old, "publish/")).content.decode()
    assert live_ids() == [new.pk]
    response = admin_client.post(page(old, "publish/"), follow=True)
    assert "is live: your visitors see it" in response.content.decode()
    assert live_ids() == [old.pk]


def test_rolling_back_asks_first_and_ends_where_there_is_nothing_earlier(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
) -> None:
    old, new = versions
    assert f"Roll back to {old}?" in admin_client.get(ROLL_BACK).content.decode()
    assert live_ids() == [new.pk]
    admin_client.post(ROLL_BACK)
    assert live_ids() == [old.pk]
    for method in (admin_client.get, admin_client.post):
        response = method(ROLL_BACK, follow=True)
        assert response.status_code == 200 and live_ids() == [old.pk]
    assert "Roll back to" not in admin_client.get(LIST).content.decode()


def test_a_refused_version_says_why_before_it_can_be_published(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
) -> None:
    refused = write_tiny_version(make_products(2))
    refused.verdict = {"passed": False, "reasons": ["NDCG@10 0.01 is below popularity"], "metrics": {}}
    refused.save()
    assert "below popularity" in admin_client.get(page(refused)).content.decode()
    assert "below popularity" in admin_client.get(page(refused, "publish/")).content.decode()


@pytest.mark.parametrize(("visitors", "is_said"), [(1, True), (19, True), (20, False)])
def test_a_version_that_too_few_visitors_were_asked_about_says_so(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion], visitors: int, is_said: bool
) -> None:
    old, _ = versions
    old.verdict = {"passed": True, "reasons": [], "metrics": {}, "holdout": {"visitors": visitors, "start": ""}}
    old.save()
    run = f"/admin/recommender/trainingrun/{old.run_id}/change/"
    for url in (page(old), page(old, "publish/"), run):
        assert (f"Not judged: {visitors} visitor" in admin_client.get(url).content.decode()) is is_said


def test_a_version_without_vectors_cannot_be_published(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
) -> None:
    old, new = versions
    ModelVersion.objects.filter(pk=old.pk).update(has_vectors=False)
    assert "Publish…" not in admin_client.get(page(old)).content.decode()
    response = admin_client.post(page(old, "publish/"), follow=True)
    assert "has no vectors" in response.content.decode()
    assert live_ids() == [new.pk]


def test_the_right_to_look_is_not_the_right_to_publish(
    staff_client: StaffClient, versions: tuple[ModelVersion, ModelVersion]
) -> None:
    old, new = versions
    client = staff_client("view_modelversion")
    assert "Publish…" not in client.get(page(old)).content.decode()
    for url in (page(old, "publish/"), ROLL_BACK):
        assert client.get(url).status_code == client.post(url).status_code == 403
    assert live_ids() == [new.pk]
    staff_client("publish").post(page(old, "publish/"))
    assert live_ids() == [old.pk]
