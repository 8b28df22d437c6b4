from django.contrib import admin
from django.urls import include, path

from shop import views

app_urls = (views.urlpatterns, "shop")

urlpatterns = [
    path("admin/", admin.site.urls),
    path("recommender/", include("recommender.urls")),
    path("", include(app_urls)),
]
