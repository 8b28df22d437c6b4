"""The embedded server is real, closed to others, quick to start again, and never left behind."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from demo import server_files
from demo.postgres import EmbeddedPostgres
from demo.processes import ProcessFailed
from demo.server_files import can_run, install_folder, server_account, server_home
from tests.demo.test_processes import is_alive, killed, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    postgres.start()
    yield postgres
    postgres.destroy()
    assert not postgres.folder.exists()


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_it_has_a_pgvector_without_the_known_corruption(server: EmbeddedPostgres):
    version = ask(server.url, "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    assert tuple(int(part) for part in str(version).split(".")) >= (0, 8, 5)


def test_letters_beyond_ascii_are_compared_without_case(server: EmbeddedPostgres):
    assert ask(server.url, "SELECT 'CRÈME ЯБЛОКО' ILIKE 'crème яблоко'") is True


def test_a_wrong_password_is_refused(server: EmbeddedPostgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace(":", ":x", 2).replace(":x//", "://"))


def test_the_password_is_for_its_owner_only(server: EmbeddedPostgres):
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600


def test_a_second_user_of_the_folder_is_refused(server: EmbeddedPostgres):
    with pytest.raises(ProcessFailed, match="stop it first"):
        EmbeddedPostgres(server.folder, durable=False).start()


def test_rows_survive_a_stop_and_the_next_start_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGDATA", "/nowhere")  # libpq's variables must not point the server elsewhere
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=False)
    try:
        with postgres:
            ask(postgres.url, "CREATE TABLE kept AS SELECT 7 AS seven")
        began = time.monotonic()
        with postgres:
            assert time.monotonic() - began < 5
            assert ask(postgres.url, "SELECT seven FROM kept") == 7
    finally:
        postgres.destroy()


def test_a_first_start_that_was_cut_off_is_begun_anew(tmp_path: Path):
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=False)
    home = server_home_of(postgres)
    (home / "data.new" / "base").mkdir(parents=True)
    try:
        with postgres:
            assert ask(postgres.url, "SELECT 1") == 1
    finally:
        postgres.destroy()


def test_a_server_that_cannot_start_says_why(tmp_path: Path):
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=False)
    try:
        with postgres:
            home = server_home_of(postgres)
        (home / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
        with pytest.raises(ProcessFailed, match="no_such_setting"):
            postgres.start()
    finally:
        postgres.destroy()


def test_a_missing_package_names_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(server_files, "PACKAGE", "no_such_package")
    with pytest.raises(ProcessFailed, match="pip install -r requirements.txt"):
        install_folder(tmp_path, None)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_parent_takes_the_server_along_and_loses_nothing(tmp_path: Path):
    program = (
        "import sys, time; from pathlib import Path; from demo.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); print(server.start(), server.process.pid, flush=True);"
        "time.sleep(600)"
    )
    folder = tmp_path / "pg"
    parent = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True)
    with parent, killed(parent):
        assert parent.stdout is not None
        url, pid = parent.stdout.readline().split()
        ask(url, "CREATE TABLE kept AS SELECT 7 AS seven")
    assert wait_for(lambda: not is_alive(int(pid)))
    postgres = EmbeddedPostgres(folder)
    try:
        with postgres:
            assert ask(postgres.url, "SELECT seven FROM kept") == 7
    finally:
        postgres.destroy()


def test_a_server_that_outlived_its_parent_is_replaced(tmp_path: Path):
    """Outside Linux nobody tells the server that its parent died; the next start ends it."""
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=False)
    postgres.start()
    old = postgres.process
    assert postgres._lock is not None
    os.close(postgres._lock)  # as the end of the parent does
    postgres._lock = postgres._server = None
    try:
        with postgres:
            assert wait_for(lambda: old.poll() is not None)
            assert ask(postgres.url, "SELECT 1") == 1
    finally:
        postgres.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_root_in_a_private_folder_gets_a_public_place_that_is_deleted_with_it(tmp_path: Path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    postgres = EmbeddedPostgres(private / "pg", durable=False)
    with postgres:
        home = server_home_of(postgres)
        assert home.parent == server_files.PUBLIC_HOME
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert psutil.Process(postgres.process.pid).uids().effective != 0
    postgres.destroy()
    assert not home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_root_with_a_private_environment_runs_a_copy_of_the_binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    account = server_account()
    assert account is not None
    package = server_files._package_folder()
    private = tmp_path / "site-packages"
    private.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        (private / folder.name).symlink_to(folder)
    monkeypatch.setattr(server_files, "_package_folder", lambda: private / package.name)
    (tmp_path / "pg").mkdir()
    home = server_home(tmp_path / "pg", account)
    try:
        assert not can_run(account, private / package.name / "pginstall" / "bin" / "postgres")
        install = install_folder(home, account)
        assert install.is_relative_to(home)
        assert install_folder(home, account) == install
        argv = [install / "bin" / "postgres", "--version"]
        done = subprocess.run(argv, user=account.pw_uid, cwd="/", capture_output=True, text=True, check=True)
        assert "PostgreSQL" in done.stdout
    finally:
        server_files.remove_home(tmp_path / "pg")


def server_home_of(postgres: EmbeddedPostgres) -> Path:
    postgres.folder.mkdir(parents=True, exist_ok=True)
    return server_home(postgres.folder, server_account())


def test_stop_is_a_fast_shutdown_and_can_be_repeated(tmp_path: Path):
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=False)
    try:
        postgres.start()
        process = postgres.process
        with psycopg.connect(postgres.url):  # an open connection does not hold it up
            began = time.monotonic()
            postgres.stop()
            assert time.monotonic() - began < 10
        assert process.returncode not in (None, -signal.SIGKILL)
        postgres.stop()
        with pytest.raises(ProcessFailed, match="start"):
            _ = postgres.process
    finally:
        postgres.destroy()
