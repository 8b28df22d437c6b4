"""The built package in a shop of three files, without torch: what a shop gets from `pip install`."""

import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

SETTINGS = """
import os
import dj_database_url
SECRET_KEY = "x" * 60
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles", "rest_framework", "toys", "recommender",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "recommender.middleware.VisitorMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
ROOT_URLCONF = "toys.urls"
STATIC_URL = "static/"
DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RECOMMENDER_ITEM_MODEL = "toys.Toy"
REST_FRAMEWORK = {  # of the shop's own API
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FileUploadParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.StaticHTMLRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.NamespaceVersioning",
    "UNAUTHENTICATED_USER": None,
}
"""
MODELS = """
import uuid
from django.db import models

class Toy(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=80)
    stock = models.IntegerField(default=1)

    def get_absolute_url(self):
        return f"/toys/{self.pk}/"
"""
RECOMMENDATIONS = """
from recommender.catalog import Catalog, register

@register
class ToyCatalog(Catalog):
    title = "name"
    text = ["name"]

    def available(self, toys):
        return toys.filter(stock__gt=0)
"""
URLS = """
from django.contrib import admin
from django.http import HttpResponse
from django.template import Template, RequestContext
from django.urls import include, path

PAGE = "{% load recommender %}<h1>Toys</h1>{% recommended_for_you %}{% recommender_beacon %}"

def home(request):
    return HttpResponse(Template(PAGE).render(RequestContext(request)))

urlpatterns = [path("", home), path("admin/", admin.site.urls), path("recommender/", include("recommender.urls"))]
"""
VISIT = """
import json, sys
for name in ("torch", "torch_geometric", "sklearn", "scipy", "onnx", "onnxscript", "safetensors"):
    sys.modules[name] = None  # importing it fails, as where the extra is not installed
import django
django.setup()
import recommender
from django.core.management import call_command
from django.test import Client
from recommender.models import Event
from toys.models import Toy

assert "wheel" in recommender.__file__, recommender.__file__
call_command("check", fail_level="WARNING")
call_command("migrate", run_syncdb=True, verbosity=0)
bear, kite = Toy.objects.create(name="Bear"), Toy.objects.create(name="Kite", stock=0)
visitor = Client(headers={"origin": "http://testserver"})
event = {"kind": "view", "item": str(bear.pk)}
stored = visitor.post("/recommender/events/", json.dumps({"events": [event]}), content_type="application/json")
assert stored.status_code == 202, stored.content
assert Event.objects.get().item_id == bear.pk
page = visitor.get("/").content.decode()
assert "<h1>Toys</h1>" in page and "recommender/beacon" in page, page
assert "Kite" not in page
for _ in range(2):
    answer = visitor.get("/recommender/recommendations/?placement=for_you")
    assert answer.status_code == 200 and answer.json()["items"], answer.content
chosen = visitor.post("/recommender/consent/", {"level": "full"})
assert chosen.status_code in (200, 204), chosen.content
assert visitor.get("/recommender/schema/").status_code == 200
from django.contrib.staticfiles import finders
assert finders.find("recommender/beacon.js")
print("visited")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("django_embedded_recommender-*-py3-none-any.whl")
    return built


@pytest.fixture
def empty_database() -> Iterator[str]:
    server, name = os.environ["DATABASE_URL"], f"toys_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_package_holds_the_plugin_with_its_files_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"recommender"}
    tracked = subprocess.run(["git", "ls-files", "recommender"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0:
        assert {name for name in tracked.stdout.split() if (ROOT / name).exists()} <= names
    assert any(name.endswith("py.typed") for name in names)
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert not any("torch" in line and "extra ==" not in line for line in needed)


def test_a_shop_of_three_files_runs_on_the_package_without_torch(wheel: Path, empty_database: str, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    app = tmp_path / "shop" / "toys"
    app.mkdir(parents=True)
    (app.parent / "shop_settings.py").write_text(SETTINGS)
    texts = {"__init__": "", "models": MODELS, "recommendations": RECOMMENDATIONS, "urls": URLS}
    for name, text in texts.items():
        (app / f"{name}.py").write_text(text)
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "shop_settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "wheel"), str(app.parent)]),
    }
    argv = [sys.executable, "-W", "error", "-c", VISIT]
    done = subprocess.run(argv, cwd=app.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("visited")
