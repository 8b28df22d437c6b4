"""Small tables that every list needs: what is known goes on while the database is away."""

import pytest
from django.db import OperationalError, connection

from recommender.index.reading import reading
from recommender.models import Visitor
from recommender.serving.remembered import Remembered

pytestmark = pytest.mark.django_db


def test_a_read_that_fails_inside_a_transaction_harms_nothing_else() -> None:
    def read() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        return "never"

    Visitor.objects.create()  # so the page's transaction has begun
    with reading(1_000):
        assert connection.in_atomic_block
        assert Remembered(read, 60.0, "unknown").get() == "unknown"
        assert Visitor.objects.exists()


def test_the_last_known_goes_on_while_the_database_is_away_and_a_line_of_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = iter(["saved"])

    def read() -> str:
        for answer in answers:
            return answer
        raise OperationalError("connection refused\n\tIs the server running?")

    remembered = Remembered(read, 60.0, "unknown")
    assert remembered.get() == "saved"
    remembered.expire()
    assert remembered.get() == "saved"
    (record,) = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        f"{__name__} has not read its table; the last known goes on: connection refused Is the server running?"
    )
    remembered.forget()
    assert remembered.get() == "unknown"
