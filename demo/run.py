"""The demo from start to Ctrl-C, which reads like a table of contents."""

import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.broker import EmbeddedBroker
from demo.console import say, step, summary
from demo.credentials import Credentials
from demo.postgres import EmbeddedPostgres
from demo.processes import ProcessFailed, free_port, lock_folder
from demo.server_files import remove_home
from demo.supervisor import ROOT, Child, Supervisor

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
DATA_FOLDER: Final = ROOT / ".demo"
WEB_START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `python -m demo` was asked for."""

    size: str = "full"  # or "small": a sample of the data
    host: str = "127.0.0.1"
    port: int = 8000
    folder: Path = DATA_FOLDER
    reset: bool = False

    @property
    def data_folder(self) -> Path:
        """Each size has a database of its own."""
        return self.folder / self.size


def run(options: Options) -> None:
    """Start everything and serve until a signal.

    Raises:
        ProcessFailed: a part did not start, or ended on its own; the message says which and why.
        KeyboardInterrupt: asked to stop; everything is stopped.
    """
    folder = options.data_folder
    with ExitStack() as stack:
        stack.callback(os.close, lock_folder(folder))
        if options.reset:
            reset(folder)
        credentials = Credentials.load(folder / "credentials.json")
        os.environ.update(shop_environment(options, credentials))
        engines = start_engines(folder, stack)
        supervisor = stack.enter_context(Supervisor(folder / "log", os.environ, engines))
        prepare_database(options, supervisor)
        start_workers(supervisor, folder)
        url = start_web(options, supervisor)
        show_logins(options, credentials, url)
        train_first(supervisor)
        say("Ctrl-C stops everything.")
        while True:
            supervisor.check()
            time.sleep(0.5)


def reset(folder: Path) -> None:
    """Delete the data of earlier runs; the lock, which is ours, stays."""
    remove_home(folder / "postgres")
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


def shop_environment(options: Options, credentials: Credentials) -> dict[str, str]:
    """The production settings of the shop, for all children and for Django in this process."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DJANGO_SECRET_KEY": os.environ.get("DJANGO_SECRET_KEY") or credentials.secret_key,
        "DJANGO_STATIC_ROOT": str(options.data_folder / "static"),
        "SPILL_FOLDER": str(options.data_folder / "spill"),
        "CHECKPOINT_FOLDER": str(options.data_folder / "checkpoints"),
        "PYTHONUNBUFFERED": "1",
        "REMAP_SIGTERM": "SIGQUIT",  # Celery: stop now; a run that is cut off is taken up again by its row
    }
    if options.host not in LOOPBACK:
        environment["DJANGO_ALLOWED_HOSTS"] = "*"
    return environment


def start_engines(folder: Path, stack: ExitStack) -> list[Child]:
    """Postgres and the broker, unless DATABASE_URL and CELERY_BROKER_URL name others; `stack` stops them."""
    engines = []
    if os.environ.get("DATABASE_URL"):
        say("• Postgres: DATABASE_URL from the environment")
    else:
        with step("Postgres with pgvector"):
            postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", log=folder / "log" / "postgres.log"))
        os.environ["DATABASE_URL"] = postgres.url
        engines.append(Child("Postgres", postgres.process, postgres.log))
    if os.environ.get("CELERY_BROKER_URL"):
        say("• Broker: CELERY_BROKER_URL from the environment")
    else:
        with step("Broker"):
            broker = stack.enter_context(EmbeddedBroker(folder / "broker", log=folder / "log" / "broker.log"))
        os.environ["CELERY_BROKER_URL"] = broker.url
        engines.append(Child("The broker", broker.process, broker.log))
    return engines


def prepare_database(options: Options, supervisor: Supervisor) -> None:
    """Tables, static files, and a year of shopping."""
    with step("Tables and static files"):
        collecting = supervisor.start_errand("collectstatic", manage("collectstatic", "--noinput", "--verbosity=0"))
        supervisor.finish(supervisor.start_errand("migrate", manage("migrate", "--noinput")))
        supervisor.finish(collecting)
    load = manage("shop_load", *(["--small"] if options.size == "small" else []))
    supervisor.finish(supervisor.start_errand("shop_load", load, has_log=False))  # it shows its own progress


def start_workers(supervisor: Supervisor, folder: Path) -> None:
    """One worker for short tasks, one for training, and the clock."""
    celery = [sys.executable, "-m", "celery", "-A", "shop"]
    options = ["--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=INFO"]
    supervisor.start("worker", [*celery, "worker", "-Q", "celery", "-n", "short@%h", *options])
    supervisor.start("training-worker", [*celery, "worker", "-Q", "training", "-n", "training@%h", *options])
    supervisor.start("beat", [*celery, "beat", "--pidfile=", f"--schedule={folder / 'beat'}", "--loglevel=INFO"])


def start_web(options: Options, supervisor: Supervisor) -> str:
    """Granian, as in production; returns the address once it answers."""
    port = free_port(options.port, options.host)
    if port != options.port:
        say(f"• Port {options.port} is taken, using {port}")
    argv = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", options.host, "--port", str(port)]
    argv += ["--workers", "2", "--blocking-threads", "4", "--no-ws", "shop.wsgi:application"]
    with step("Web server"):
        web = supervisor.start("web", argv)
        wait_for_web(f"http://{address(options.host, '127.0.0.1')}:{port}/health/", web, supervisor)
    return f"http://{address(options.host, socket.gethostname())}:{port}/"


def address(host: str, anywhere: str) -> str:
    """How to reach a server that listens on `host`; `anywhere` is for one that listens on all addresses."""
    return anywhere if host in ("0.0.0.0", "::") else host  # noqa: S104  compared, not listened on


def wait_for_web(url: str, web: Child, supervisor: Supervisor) -> None:
    """Until the health check passes.

    Raises:
        ProcessFailed: it does not within a minute, or the server ended.
    """
    deadline = time.monotonic() + WEB_START_SECONDS
    while time.monotonic() < deadline:
        supervisor.check()
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own http:// address
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise ProcessFailed(f"The web server does not answer at {url}; see {web.log}")


def show_logins(options: Options, credentials: Credentials, url: str) -> None:
    """The box that one is looking for."""
    import django

    django.setup()
    from demo.accounts import ensure_admin, households
    from shop.demo_accounts import PASSWORD

    ensure_admin(credentials)
    rows = [("Shop", url), ("Admin", f"{url}admin/   {credentials.admin_name} / {credentials.admin_password}")]
    for place, (name, order_count) in enumerate(households()):
        rows.append(("" if place else "Shoppers", f"{name} / {PASSWORD}   ({order_count} orders)"))
    rows.append(("Logs", str(options.data_folder / "log")))
    summary("The shop is open", rows)


def train_first(supervisor: Supervisor) -> None:
    """Train in the worker unless a version is live already."""
    from demo.first_training import first_run, follow, has_live_version

    if not has_live_version():
        say("Training the first model in the worker; until it is live, the shop shows what is popular.")
        say(follow(first_run(), supervisor.check))


def manage(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *words]
