import pytest
from django.test import Client

from recommender.api_keys import create_key
from recommender.models import ApiKey

pytestmark = pytest.mark.django_db
DEEP = "[" * 200_000


@pytest.mark.parametrize("path", ["consent/", "feedback/", "recommendations/batch/"])
def test_json_that_is_nested_too_deep_to_be_read_is_a_wrong_body(client: Client, path: str) -> None:
    _key, plaintext = create_key("app", [ApiKey.Scope.LISTS])
    headers = {"authorization": f"Api-Key {plaintext}"} if "batch" in path else {}
    response = client.post(f"/recommender/{path}", DEEP, content_type="application/json", headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "parse_error")
