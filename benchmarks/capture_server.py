"""A shop of its own under load: a durable Postgres that can be killed and frozen, a web server, browsers that post."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
import psycopg
from uuid_utils.compat import uuid7

from benchmarks import breaking
from demo.postgres import EmbeddedPostgres
from demo.processes import ProcessFailed, free_port, start, stop, tail

ROOT: Final = Path(__file__).resolve().parent.parent
HOST: Final = "127.0.0.1"
ITEMS: Final = 200
START_SECONDS: Final = 60
EVENTS_URL: Final = "/recommender/events/"


class CaptureShop:
    """Use as a context manager.

    Args:
        spill: where the web server keeps events while Postgres is away; a folder of its own unless given.
    """

    def __init__(self, spill: Path | None = None, threads: int = 8) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recommender-capture-"))
        self.folder.chmod(0o711)
        self.spill = spill or self.folder / "spill"
        self.web_port = free_port()
        self.items: list[int] = []
        self._threads = threads
        self._postgres = EmbeddedPostgres(self.folder / "postgres", port=free_port())
        self._web: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "CaptureShop":
        try:
            self._postgres.start()
            self._manage("migrate", "--noinput", "--verbosity=0")
            self._manage("shell", "-v0", "-c", _PRODUCTS)
            with self.connect() as connection:
                self.items = [int(str(key)) for (key,) in connection.execute("SELECT id FROM shop_product ORDER BY id")]
            self._start_web()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._web is not None:
            stop(self._web)
        self._postgres.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self._postgres.url, autocommit=True, connect_timeout=10)

    def stored(self) -> set[uuid.UUID]:
        """The ids of all events."""
        with self.connect() as connection:
            return {key for (key,) in connection.execute("SELECT id FROM recommender_event")}  # type: ignore[misc]

    def wait_until_drained(self, seconds: float = 60) -> None:
        """Until nothing waits on disk, however long that takes, as long as it becomes less.

        Raises:
            TimeoutError: nothing moved for `seconds`.
        """
        least, deadline = sys.maxsize, time.monotonic() + seconds
        while waiting := self._bytes_on_disk():
            if waiting < least:
                least, deadline = waiting, time.monotonic() + seconds
            if time.monotonic() > deadline:
                raise TimeoutError(f"{waiting} bytes of events still wait on disk:\n{tail(self.folder / 'web.log')}")
            time.sleep(0.1)

    def _bytes_on_disk(self) -> int:
        found = 0
        for path in self.spill.glob("*.spill"):
            with contextlib.suppress(FileNotFoundError):  # drained in this moment
                found += path.stat().st_size
        return found

    def kill_postgres(self) -> None:
        """SIGKILL to all of its processes at once, as a machine that loses power."""
        breaking.kill(self._postgres)

    def start_postgres(self) -> None:
        self._postgres.stop()
        self._postgres.start()

    def frozen(self) -> contextlib.AbstractContextManager[None]:
        """Postgres under SIGSTOP: connections stand, nobody answers."""
        return breaking.frozen(self._postgres)

    def cpu_seconds(self) -> tuple[float, float]:
        """CPU time used up so far by (web server, Postgres)."""
        web = psutil.Process(self._web.pid) if self._web is not None else None
        processes = [[web, *web.children(recursive=True)] if web else [], breaking.processes(self._postgres)]
        web_times, postgres_times = ([process.cpu_times() for process in each] for each in processes)
        return sum(each.user + each.system for each in web_times), sum(
            each.user + each.system for each in postgres_times
        )

    def environment(self) -> dict[str, str]:
        """In which a process works on this shop."""
        return {
            **os.environ,
            "DATABASE_URL": self._postgres.url,
            "DJANGO_SETTINGS_MODULE": "benchmarks.capture_settings",
            "DJANGO_SECRET_KEY": "only-for-the-benchmark-" + "x" * 40,
            "SPILL_FOLDER": str(self.spill),
            "PYTHONPATH": str(ROOT),
        }

    def _manage(self, *words: str) -> None:
        argv = [sys.executable, str(ROOT / "manage.py"), *words]
        subprocess.run(argv, env=self.environment(), check=True)

    def _start_web(self) -> None:
        argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(self.web_port)]
        argv += ["--no-ws", "--workers", "1", "--blocking-threads", str(self._threads), "shop.wsgi:application"]
        log = self.folder / "web.log"
        self._web = start(argv, log, cwd=ROOT, env=self.environment(), death_signal=signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with contextlib.closing(Browser(self)) as browser:
                    if browser.post([])[0] == 202:
                        return
            except OSError:
                time.sleep(0.1)
            if self._web.poll() is not None or time.monotonic() > deadline:
                raise ProcessFailed(f"The web server did not start:\n{tail(log)}")


class Browser:
    """A visitor with a cookie and a connection of its own."""

    def __init__(self, shop: CaptureShop) -> None:
        self._shop = shop
        self._connection = http.client.HTTPConnection(HOST, shop.web_port, timeout=60)
        self.cookie = ""

    def close(self) -> None:
        self._connection.close()

    def post(self, events: list[dict[str, object]], path: str = EVENTS_URL) -> tuple[int, dict[str, object]]:
        """(status, answer)."""
        sent_at = datetime.now(UTC).isoformat()
        status, body = self._request("POST", path, json.dumps({"events": events, "sent_at": sent_at}))
        return status, json.loads(body) if body else {}

    def get(self, path: str) -> int:
        return self._request("GET", path, None)[0]

    def views(self, count: int) -> list[dict[str, object]]:
        """New views of any items."""
        at = datetime.now(UTC).isoformat()
        items = self._shop.items
        same = {"kind": "view", "at": at}
        return [{"id": str(uuid7()), "item": items[number % len(items)], **same} for number in range(count)]

    def _request(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "User-Agent": "Mozilla/5.0"}
        headers |= {"Cookie": self.cookie} if self.cookie else {}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if cookie := response.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return response.status, text


_PRODUCTS: Final = f"""
from shop.models import Category, Department, Product
department = Department.objects.create(name="All", slug="all")
category = Category.objects.create(department=department, name="All", slug="all")
Product.objects.bulk_create(Product(name=f"Product {{n}}", category=category, price_cents=100) for n in range({ITEMS}))
"""
