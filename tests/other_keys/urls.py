from django.urls import include, path

urlpatterns = [path("recommender/", include("recommender.urls"))]
