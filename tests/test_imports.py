"""What may import what: the contract that keeps the stages apart (docs/decisions.md)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "recommender"

# Modules on the top level that every Django stage builds on; they import no stage.
DJANGO_ROOT = {"models", "conf", "catalog", "exceptions", "tokens", "signals", "api_keys", "audit", "problems"} | {
    "deadline",
    "savepoints",
    "telemetry",
}
ALLOWED = {
    "capture": DJANGO_ROOT,
    "dataset": set(),
    "encoders": {"dataset"},
    "feedback": DJANGO_ROOT
    | {"capture", "privacy.views", "serving.authentication", "serving.problems", "serving.schema"},
    "evaluation": {"dataset", "encoders.tables"},
    "experiments": set(),
    "operations": DJANGO_ROOT | {"capture", "delivery", "index", "serving"},
    "privacy": DJANGO_ROOT | {"capture", "serving.authentication", "serving.problems", "serving.schema"},
    "quality": DJANGO_ROOT | {"capture", "index.reading"},
    "index": DJANGO_ROOT | {"dataset", "encoders.tables"},
    "serving": DJANGO_ROOT
    | {
        "index",
        "experiments.assignment",
        "experiments.interleaving",
        "dataset.cold_items",
        "dataset.ease_links",
        "dataset.link_packing",
        "dataset.ranking_features",
        "dataset.text_features",
    }
    | {f"capture.{name}" for name in ("accounts", "consent", "items", "openapi", "visitor")},
    "uplift": DJANGO_ROOT | {"experiments", "capture.partitions", "capture.visitor", "serving.arms"},
    **{name: DJANGO_ROOT for name in DJANGO_ROOT},
}
FOR_ALL = {"capture.tables"}  # the columns that travel
PURE = ["dataset", "encoders", "evaluation", "experiments"]
NOT_PURE = {"django", "celery", "rest_framework", "pgvector", "psycopg"}
SHOP_MAY_USE = {
    "catalog",
    "signals",
    "tasks",
    "urls",
    "serving.search",
    "capture.accounts",
    "capture.bulk",
    "capture.tables",
    "privacy",
}


def modules(stage: str) -> list[Path]:
    folder = PACKAGE / stage
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{stage}.py"]


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at whatever depth: `from a import b` gives a.b where that is a module."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            for alias in node.names:
                longer = ROOT.joinpath(*f"{node.module}.{alias.name}".split("."))
                is_module = longer.with_suffix(".py").exists() or longer.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else str(node.module)


def is_within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def violations(path: Path, allowed: set[str]) -> list[str]:
    ours = (name.partition(".")[2] for name in imported(path) if name.split(".")[0] == "recommender")
    return [
        f"{path.relative_to(ROOT)} imports recommender.{name}" for name in ours if name and not is_within(name, allowed)
    ]


@pytest.mark.parametrize("stage", sorted(ALLOWED))
def test_a_stage_imports_only_what_its_contract_names(stage: str):
    assert modules(stage)
    assert [fault for path in modules(stage) for fault in violations(path, ALLOWED[stage] | {stage} | FOR_ALL)] == []


@pytest.mark.parametrize("stage", PURE)
def test_a_pure_stage_knows_no_framework(stage: str):
    faults = [(path.name, name) for path in modules(stage) for name in imported(path) if name.split(".")[0] in NOT_PURE]
    assert faults == []


def test_every_folder_has_a_contract():
    composing = {"admin", "management", "migrations", "templatetags"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders - composing <= set(ALLOWED)


def test_the_shop_uses_the_public_interface_only():
    faults = [fault for path in (ROOT / "shop").rglob("*.py") for fault in violations(path, SHOP_MAY_USE)]
    assert faults == []


def test_the_plugin_knows_nothing_of_the_shop_around_it():
    faults = [
        (path.name, name)
        for path in PACKAGE.rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in {"shop", "demo", "tests", "benchmarks"}
    ]
    assert faults == []


def test_no_migration_names_the_shop_that_it_was_made_in():
    """`makemigrations` writes the model that RECOMMENDER_ITEM_MODEL names just then; another shop could not migrate."""
    named = ('("shop",', '"shop.product"')
    migrations = (ROOT / "recommender" / "migrations").glob("*.py")
    assert [path.name for path in migrations if any(name in path.read_text().lower() for name in named)] == []


def test_a_fault_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bad = ROOT / "recommender" / "dataset" / "never_written.py"
    source = "def f():\n    from recommender import models\n    from recommender.capture import tables, record\n"
    monkeypatch.setattr(Path, "read_text", lambda path: source)
    found = violations(bad, ALLOWED["dataset"] | {"dataset"} | FOR_ALL)
    assert [fault.rpartition(" ")[2] for fault in found] == ["recommender.models", "recommender.capture.record"]


def names_of(folder: Path) -> list[str]:
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(folder.rglob("*.py"))]


def run_in_new_process(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_pure_stages_load_no_framework():
    names = [name.removesuffix(".__init__") for stage in PURE for name in names_of(PACKAGE / stage)]
    program = (
        "import importlib, sys, warnings; warnings.simplefilter('ignore');"
        f"[importlib.import_module(name) for name in {names!r}];"
        f"print(sorted({NOT_PURE!r} & set(sys.modules)))"
    )
    assert run_in_new_process(program) == "[]"


def test_what_the_web_process_and_the_worker_import_loads_no_torch():
    names = ["recommender.urls", "recommender.tasks", "shop.wsgi"]
    names += [name.removesuffix(".__init__") for part in ("admin", "templatetags") for name in names_of(PACKAGE / part)]
    program = (
        "import importlib, sys, django; django.setup();"
        f"[importlib.import_module(name) for name in {names!r}];"
        "from django.urls import reverse; reverse('recommender:events');"
        "print(sorted({'torch', 'torch_geometric', 'sklearn', 'onnx'} & set(sys.modules)))"
    )
    assert run_in_new_process(program) == "[]"
