"""A page of ours inside admin's frame."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst


class ListAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes no arguments at run time
    """Its list is headed by what it is of, not by "Select … to change", and says what that is for."""

    change_list_template = "admin/recommender/list.html"
    intro: Any = ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if any("\0" in value for _name, values in request.GET.lists() for value in values):
            # Postgres takes no NUL in a text: to admin a value like any other that no filter can have.
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        context = {"title": capfirst(str(self.opts.verbose_name_plural)), "intro": self.intro}
        return super().changelist_view(request, context | (extra_context or {}))


def framed(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, template: str, obj: Any, context: dict[str, Any]
) -> TemplateResponse:
    """The template with all that admin's base templates need, and the breadcrumbs of a change page."""
    frame = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": obj if obj is not None else context.get("title"),  # ends the breadcrumbs
        "title": str(obj) if obj is not None else capfirst(str(model_admin.opts.verbose_name_plural)),
        "media": model_admin.media,
        "has_view_permission": True,
        "change": obj is not None,
        "is_popup": False,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, template, {**frame, **context})
