"""API keys as DRF authentication: `Authorization: Api-Key <key>`."""

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from recommender.api_keys import verify_key
from recommender.models import ApiKey

SCHEME = "Api-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """`request.auth` is the ApiKey of the calling app; nobody is logged in by it."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        scheme, _space, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != SCHEME.lower().encode():
            return None
        key = verify_key(secret.strip().decode(errors="replace"))
        if key is None:
            raise AuthenticationFailed(_("This API key is unknown or was revoked."))
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Names the header in the OpenAPI document."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        description = (
            "`Api-Key <key>`: another app, which names the visitor. Made in admin or by `recommender_api_key`."
        )
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}
