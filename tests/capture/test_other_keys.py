import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("key_type", ["uuid", "text", "child"])
def test_items_may_have_any_type_of_key(key_type: str) -> None:
    """UUID, text, and a link to a parent's row; the other tests have integers."""
    argv = [sys.executable, "-m", "pytest", "-q", "--ds", "tests.other_keys.settings", "tests/other_keys/journey.py"]
    run = subprocess.run(argv, cwd=ROOT, env={**os.environ, "KEY_TYPE": key_type}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout
