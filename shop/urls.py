"""URLs of the shop, with the plugin's under /recommender/."""

from django.contrib import admin
from django.urls import include, path

from shop import views
from shop.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("favicon.ico", views.catalogue.picture, {"name": "basket-150"}),  # what admin's pages are asked for
    path("health/", health),
    path("recommender/", include("recommender.urls")),
    path("", include((views.urlpatterns, "shop"))),
]
