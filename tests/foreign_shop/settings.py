"""Least settings of a shop that embeds the plugin; which item model is said by the environment."""

import os

import dj_database_url

SECRET_KEY = "foreign-" + "x" * 50
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "drf_spectacular",
    "tests.foreign_shop",
    "recommender",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "recommender.middleware.VisitorMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "tests.foreign_shop.urls"
DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
RECOMMENDER_ITEM_MODEL = os.environ["FOREIGN_ITEM_MODEL"]

RECOMMENDER_BUDGET_MS = 10_000  # a busy machine must not turn a personal list into a popular one
