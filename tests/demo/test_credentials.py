"""Generated secrets are made once and are nobody else's."""

import stat
from pathlib import Path

import pytest
from django.contrib.auth import authenticate

from demo.accounts import ensure_admin
from demo.credentials import Credentials


def test_they_are_made_once_for_their_owner(tmp_path: Path):
    path = tmp_path / "new" / "credentials.json"
    made = Credentials.load(path)
    assert Credentials.load(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Credentials.load(tmp_path / "other.json").admin_password != made.admin_password
    assert len(made.secret_key) >= 50
    assert made.secret_key not in repr(made) and made.admin_password not in repr(made)


@pytest.mark.parametrize("broken", ["", "{", '{"secret_key": "x"}', "[]"])
def test_a_broken_file_is_replaced(tmp_path: Path, broken: str):
    path = tmp_path / "credentials.json"
    path.write_text(broken)
    assert Credentials.load(path) == Credentials.load(path)


def test_the_printed_password_opens_admin_also_after_it_was_changed(db):
    credentials = Credentials("key", "admin", "printed")
    ensure_admin(credentials)
    admin = authenticate(username="admin", password="printed")
    assert admin is not None and admin.is_superuser
    admin.set_password("changed")
    admin.save()
    ensure_admin(credentials)
    assert authenticate(username="admin", password="printed") == admin
