"""docker-compose.yml keeps its promises: no secret in it, health checks, the same settings for all programs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
PROGRAMS = sorted(name for name, service in SERVICES.items() if "build" in service)
REQUIRED = re.compile(r"\$\{(\w+):\?")
NAMED = re.compile(r"(?<!\$)\$\{(\w+)")


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_parts_of_the_issue_are_there():
    assert {"postgres", "redis", "migrate", "web", "worker", "beat", "training-gpu", "training-cpu"} <= set(SERVICES)


def test_secrets_come_from_the_environment_and_are_required():
    for name in ("DJANGO_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert name in REQUIRED.findall(TEXT)
        assert example()[name] == ""
    values = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    assert [value for value in values if "://" in str(value) and "${" not in str(value)] == []


def test_every_variable_is_explained_or_has_a_default():
    with_default = set(re.findall(r"\$\{(\w+):-", TEXT))
    assert set(NAMED.findall(TEXT)) <= set(example()) | with_default
    assert set(example()) - {"COMPOSE_PROFILES"} <= set(NAMED.findall(TEXT))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate", "load"}))
def test_what_runs_on_has_a_health_check_and_comes_back(name: str):
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_run_unprivileged_on_the_same_settings_after_the_migration(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["environment"] == SERVICES["web"]["environment"]
    if name != "migrate":
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_only_the_web_server_is_reachable():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert FILE["networks"]["backend"]["internal"] is True


def test_each_queue_has_its_worker():
    commands = {name: " ".join(SERVICES[name]["command"]) for name in PROGRAMS}
    assert "-Q celery " in commands["worker"]
    assert "-Q training " in commands["training-gpu"] and "-Q training " in commands["training-cpu"]
    assert SERVICES["training-gpu"]["profiles"] == ["gpu"] and SERVICES["training-cpu"]["profiles"] == ["cpu"]
    (device,) = SERVICES["training-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_the_images_are_stages_of_the_dockerfile_and_hold_what_it_copies():
    dockerfile = (ROOT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", dockerfile, re.MULTILINE))
    assert {SERVICES[name]["build"]["target"] for name in PROGRAMS} <= stages
    sources = {words.split()[0] for words in re.findall(r"^COPY (.+)", dockerfile, re.MULTILINE)}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources <= sent
    assert [name for name in sources if not (ROOT / name).exists()] == []
