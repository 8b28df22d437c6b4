"""URLs of the shop, with the plugin's under /recommender/."""

from django.contrib import admin
from django.urls import include, path

from shop import views
from shop.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health),
    path("recommender/", include("recommender.urls")),
    path("", include((views.urlpatterns, "shop"))),
]
