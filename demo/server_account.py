"""Whom a server runs as when the demo runs as root: Postgres refuses root."""

import contextlib
import os
import pwd
import subprocess
from pathlib import Path

from demo.processes import ProcessFailed


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


def can_run(account: pwd.struct_passwd, path: Path) -> bool:
    """Whether the account can enter a folder or run a file: tried, not computed, so ACLs and mounts count too."""
    argv = ["test", "-x", str(path)]
    done = subprocess.run(argv, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0


def make_readable(folder: Path) -> None:
    """Everybody may read what is below `folder`, and run what its owner may run."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if os.access(path, os.X_OK) or path.is_dir() else 0o444))


def give(path: Path, account: pwd.struct_passwd | None) -> None:
    """Make the account the owner; nothing to do without one."""
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
