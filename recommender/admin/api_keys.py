"""API keys: made here, shown once, revoked here."""

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.forms import CheckboxSelectMultiple, ModelForm, MultipleChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from recommender.admin.frame import framed
from recommender.admin.read_only import ReadOnlyAdmin
from recommender.api_keys import create_key, forget_keys
from recommender.models import ApiKey

MADE: Final = "recommender_made_key"  # in the session, until the next page shows the key: {"id", "plaintext"}


class ApiKeyForm(ModelForm):  # type: ignore[type-arg]  # takes no arguments at run time
    scopes = MultipleChoiceField(
        label=gettext_lazy("May"),
        choices=ApiKey.Scope.choices,
        widget=CheckboxSelectMultiple,
        help_text=gettext_lazy("No more than the app needs: whoever steals the key can do it, too."),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    intro = gettext_lazy("With a key, another app of yours asks for lists or sends events. It is shown only when made.")
    change_form_template = "admin/recommender/apikey/form.html"
    form = ApiKeyForm
    list_display = ("name", "prefix", "scope_names", "state", "created_at", "last_used_at")
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("name", "prefix", "scope_names", "created_at", "last_used_at", "revoked_at")
        return shown if obj else ("name", "scopes")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("scope_names",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:key_id>/created/", view(require_GET(self.created)), name="recommender_apikey_created"),
            path("<int:key_id>/revoke/", view(require_POST(self.revoke)), name="recommender_apikey_revoke"),
        ]
        return own + super().get_urls()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One button: whichever was pressed, the page with the key comes next."""
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**buttons, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_revoke": may_revoke(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        key, obj.plaintext = create_key(obj.name, obj.scopes)
        obj.pk, obj.prefix, obj.key_sha256 = key.pk, key.prefix, key.key_sha256

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """A page of its own shows the key: a reload of the answer to the form would make a second one."""
        request.session[MADE] = {"id": obj.pk, "plaintext": obj.plaintext}
        return redirect("admin:recommender_apikey_created", obj.pk)

    def created(self, request: HttpRequest, key_id: int) -> HttpResponse:
        """The only page that ever shows the key, to the session that made it, once."""
        made = request.session.pop(MADE, {})
        key = ApiKey.objects.filter(pk=key_id).first()
        if key is None or made.get("id") != key_id:
            messages.warning(request, _("A key is shown only once. Make another one where it was not copied."))
            return self.response_post_save_add(request, key)
        context = {"plaintext": made["plaintext"], "title": _("Your API key"), "change": False}
        response = framed(self, request, "admin/recommender/apikey/created.html", key, context)
        add_never_cache_headers(response)
        return response

    def revoke(self, request: HttpRequest, key_id: int) -> HttpResponse:
        if not may_revoke(request):
            raise PermissionDenied
        key = ApiKey.objects.filter(pk=key_id).first()
        if key is None:
            raise Http404(_("There is no such API key."))
        if ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=timezone.now()):
            forget_keys()
            self.log_change(request, key, _("Revoked."))
        messages.success(request, _("The key “%(name)s” is revoked; requests with it are refused.") % {"name": key})
        return redirect("admin:recommender_apikey_changelist")

    @admin.display(description=gettext_lazy("may"))
    def scope_names(self, key: ApiKey) -> str:
        labels = dict(ApiKey.Scope.choices)
        return ", ".join(str(labels.get(scope, scope)) for scope in key.scopes)

    @admin.display(description=gettext_lazy("status"))
    def state(self, key: ApiKey) -> str:
        kind, text = ("cancelled", _("revoked")) if key.revoked_at else ("live", _("valid"))
        return format_html('<span class="recommender-badge recommender-badge--{}">{}</span>', kind, text)


def may_revoke(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("recommender.change_apikey"))
