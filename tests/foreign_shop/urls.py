from django.urls import include, path

urlpatterns = [path("suggestions/", include("recommender.urls"))]
