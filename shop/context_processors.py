"""What every page of the shop knows."""

from django.http import HttpRequest


def shop(request: HttpRequest) -> dict[str, object]:
    return {}
