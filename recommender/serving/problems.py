"""Errors of the views in the one shape of `recommender.problems`, and how OpenAPI tells of them."""

from collections.abc import Iterator
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from recommender.problems import problem


class ProblemSerializer(serializers.Serializer):
    """Why a request was refused, see `recommender.problems`."""

    version = serializers.IntegerField(help_text="Of this shape and of the meaning of every code.")
    code = serializers.CharField(help_text="For programs.")
    reason = serializers.CharField(help_text="For people, in the caller's language.")
    fields = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong with each input, by its name.",
    )


def documented_problem(description: str, code: str, reason: str, **fields: list[str]) -> OpenApiResponse:
    """A refusal with an example, for `documented(responses={403: ...})`."""
    value = problem(code, reason, fields or None)
    example = OpenApiExample(code, value=value, response_only=True)
    return OpenApiResponse(ProblemSerializer, description=description, examples=[example])


BAD_KEY: Final = documented_problem(
    "The API key is unknown or was revoked.", "bad_key", "This API key is unknown or was revoked."
)


def answer_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """rest_framework's own answer to an error, with its status and headers, in our shape; None where it has none."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        fields: dict[str, list[str]] = {}
        for name, text in _flat(response.data):
            fields.setdefault(name, []).append(text)
        name, texts = next(iter(fields.items()))
        response.data = problem("invalid", f"{name}: {texts[0]}" if name else texts[0], fields)
    else:
        detail = response.data["detail"]
        response.data = problem(detail.code, str(detail))
    return response


def _flat(errors: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """("visitors.3", message) of every error, however deep; "non_field_errors" are of what holds them."""
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _flat(inner, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _flat(inner, path)
    else:
        yield ".".join(path), str(errors)
