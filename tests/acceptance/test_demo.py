"""`python -m demo` as a newcomer runs it: the small size, from nothing to a personal list, stop, start again."""

import http.cookiejar
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from demo.processes import free_port
from demo.server_files import remove_home
from tests.demo.test_processes import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 480  # three minutes on two free cores
OURS = ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "DJANGO_SECRET_KEY")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="recommender-demo-test-"))
    made.chmod(0o711)  # as root, Postgres runs as another account
    yield made
    remove_home(made / "small" / "postgres")
    shutil.rmtree(made)


class Demo:
    """A running demo and what it has said so far."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "output"
        self.url = f"http://127.0.0.1:{free_port()}/"
        argv = [sys.executable, "-m", "demo", "--size", "small", "--folder", str(folder)]
        argv += ["--port", str(urllib.parse.urlsplit(self.url).port)]
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_it_says(self, text: str, seconds: float) -> None:
        wait_for(lambda: text in self.said() or self.process.poll() is not None, seconds)
        assert text in self.said(), self.said()

    def stop(self, how: signal.Signals) -> list[psutil.Process]:
        """Everything that it had started, seconds after it ended."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        assert len(started) >= 6
        self.process.send_signal(how)
        assert self.process.wait(30) == 0, self.said()
        return [process for process in started if process.is_running()]


class Visitor:
    """A browser without JavaScript."""

    def __init__(self, url: str) -> None:
        self.url = url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def get(self, path: str = "") -> str:
        with self.opener.open(self.url + path, timeout=30) as response:
            return str(response.read().decode())

    def log_in(self, name: str, password: str, path: str = "login/") -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path))
        assert found
        form = {"username": name, "password": password, "csrfmiddlewaretoken": found[1], "next": ""}
        request = urllib.request.Request(self.url + path, urllib.parse.urlencode(form).encode())  # noqa: S310  http
        request.add_header("Referer", self.url + path)
        with self.opener.open(request, timeout=30) as response:
            return str(response.read().decode())


@pytest.mark.slow
def test_from_nothing_to_a_personal_list_and_again(folder: Path):
    demo = Demo(folder)
    try:
        demo.wait_until_it_says("The first model is live", READY_SECONDS)
        household = re.search(r"(household-\d+) / (\w+)", demo.said())
        admin = re.search(r"admin / (\S+)", demo.said())
        assert household and admin
        shopper = Visitor(demo.url)
        assert "rec-list--for_you" in shopper.log_in(household[1], household[2])
        (style,) = set(re.findall(r'href="(/static/recommender/widgets\.\w+\.css)"', shopper.get()))
        assert ".rec-card" in shopper.get(style.lstrip("/"))
        clerk = Visitor(demo.url)
        clerk.log_in("admin", admin[1], "admin/login/")
        assert "Retrain" in clerk.get("admin/recommender/trainingrun/")
        assert demo.stop(signal.SIGINT) == []
        began = time.monotonic()
        demo = Demo(folder)
        demo.wait_until_it_says("The shop is open", 15)
        assert time.monotonic() - began < 15
        assert "rec-list--for_you" in Visitor(demo.url).log_in(household[1], household[2])
        assert admin[1] in demo.said()
        assert demo.stop(signal.SIGTERM) == []
    finally:
        demo.process.terminate()
        demo.process.wait(60)
