"""Admin classes for tables that only the plugin writes: look, never edit."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from recommender.admin.frame import ListAdmin, framed


class ReadOnlyAdmin(ListAdmin):
    """No add, no change, no delete; `actions` would only offer deletion."""

    actions: Sequence[str] | None = None

    class Media:
        css: ClassVar = {"all": ["recommender/admin.css"]}
        js: ClassVar = ["recommender/admin.js"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DetailAdmin(ReadOnlyAdmin):
    """Shows one row on a page of its own instead of a form."""

    detail_template: ClassVar[str]

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the template needs besides `original`."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return super().change_view(request, object_id, form_url, extra_context)  # leads back with a message
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        return self.render(request, self.detail_template, obj, {**self.detail(request, obj), **(extra_context or {})})

    def render(self, request: HttpRequest, template: str, obj: Any, context: dict[str, Any]) -> TemplateResponse:
        """A page inside admin's frame, with the breadcrumbs of a change page."""
        return framed(self, request, template, obj, context)
