"""OpenAPI 3 of the plugin's own endpoints, without those of the shop around it."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.urls import include, path, reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

from recommender import __version__
from recommender.capture.openapi import events_path
from recommender.serving.authentication import OwnRules

DESCRIPTION = """Lists of recommended items, as JSON.

A browser with the visitor cookie or a session gets its own lists. Another app sends `Authorization: Api-Key <key>`
and names the visitor. Send the `token` of a list back with each click on it, so that the click is counted."""


Handler = TypeVar("Handler", bound=Callable[..., Any])


def documented(**options: Any) -> Callable[[Handler], Handler]:
    """`extend_schema`, also in a project whose DEFAULT_SCHEMA_CLASS is not drf-spectacular's."""

    def decorate(handler: Handler) -> Handler:
        handler.kwargs = {"schema": AutoSchema}  # type: ignore[attr-defined]  # where extend_schema looks for its base
        return extend_schema(**options)(handler)

    return decorate


class RecommenderSchemaGenerator(SchemaGenerator):
    """Names the plugin, not the project, as the author of the API."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        schema: dict[str, Any] = super().get_schema(request, public)
        schema["paths"][reverse("recommender:events")] = events_path()
        return schema | {"info": {"title": "Recommender API", "version": __version__, "description": DESCRIPTION}}


class SchemaView(OwnRules, SpectacularAPIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    generator_class = RecommenderSchemaGenerator
    schema = None  # does not describe itself

    def setup(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        mounted_at = reverse("recommender:schema").removesuffix("schema/").lstrip("/")
        self.patterns = [path(mounted_at, include("recommender.urls"))]
