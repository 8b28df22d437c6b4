"""Pages of the shop."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
