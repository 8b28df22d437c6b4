import os
import subprocess
import sys

WEB = """
import django, sys
django.setup()
import shop.urls, recommender.urls, recommender.tasks, recommender.templatetags.recommender
heavy = {"torch", "torch_geometric", "sklearn", "scipy", "onnx", "pandas"} & set(sys.modules)
sys.exit(f"a web process imports {heavy}" if heavy else 0)
"""


def test_a_web_process_imports_nothing_that_only_training_needs() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", WEB], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
