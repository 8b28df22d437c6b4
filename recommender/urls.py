"""URLs of the plugin: `path("recommender/", include("recommender.urls"))`."""

from django.urls import URLPattern

app_name = "recommender"
urlpatterns: list[URLPattern] = []
