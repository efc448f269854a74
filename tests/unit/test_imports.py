"""Imports run one way; seen in the sources, so that no path through the code can hide one."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "mmseg", "mmengine", "mmcv"}
VERBS = {
    "repro.train",
    "repro.evaluate",
    "repro.predict",
    "repro.reproduce",
    "repro.prepare",
    "repro.runner",
    "repro.settings",
    "repro.verify",
}


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "repro").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def imports(module: str, only_at_once: bool = False) -> frozenset[str]:
    """The modules that a module's source imports, of repro in full; `only_at_once`: when it is itself imported."""
    path = MODULES[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if only_at_once and (isinstance(node, ast.FunctionDef) or _is_for_types(node)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], *filter(None, [base])]
                )
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found.update(inner & set(MODULES))
            if inner - set(MODULES) or base not in MODULES:
                found.add(base)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return frozenset(found)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def reached(module: str) -> set[str]:
    """All that is loaded when a module is imported: through repro's modules, and the packages around them."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in MODULES:
            waiting += imports(name, only_at_once=True)
            waiting += [parent for parent in (name.rpartition(".")[0],) if parent]
    return seen


def tops(names: set[str] | frozenset[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_the_graph_is_seen():
    assert len(MODULES) > 40
    assert "repro.resume" in imports("repro.train") and "repro.train" in imports("repro.cli.runs")
    assert "repro.train" not in imports("repro.cli.runs", only_at_once=True)
    assert "torch" in tops(reached("repro.train")) and "mmengine" in tops(reached("repro.configs._base_.runtime"))
    assert "repro.configs.voc2011.fcn32s_vgg16" in imports("repro.configs.voc2011.fcn16s_vgg16")


@pytest.mark.parametrize("module", MODULES)
def test_repro_imports_neither_baselines_nor_tests(module):
    assert not tops(imports(module)) & {"baselines", "tests", "conftest", "pytest"}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("repro.report")])
def test_the_report_needs_neither_torch_nor_mmseg(module):
    loaded = reached(module)
    assert not tops(loaded) & HEAVY
    everywhere = set().union(*(imports(name) for name in loaded if name in MODULES and name != "repro"))
    assert not tops(everywhere) & HEAVY, "not even inside a function"
    assert not {name for name in everywhere if name.startswith(("repro.models", "repro.weights"))} | (
        everywhere & VERBS
    )


QUICK = ("repro", "repro.cli", "repro.cli.runs", "repro.__main__", "repro.experiments", "repro.listing")


@pytest.mark.parametrize("module", QUICK)
def test_the_list_needs_neither_torch_nor_mmseg_nor_pandas(module):
    assert not tops(reached(module)) & {*HEAVY, "pandas"}


LAYERS = {  # a layer -> the layers it must not know
    "repro.models": ("repro.data", "repro.weights", "repro.report", "repro.records", "repro.hooks", "repro.configs"),
    "repro.data": ("repro.models", "repro.weights", "repro.report", "repro.records", "repro.hooks", "repro.configs"),
    "repro.weights": ("repro.data", "repro.report", "repro.records", "repro.hooks", "repro.configs"),
    "repro.metrics": ("repro.models", "repro.data", "repro.weights", "repro.report", "repro.records"),
    "repro.records": ("repro.models", "repro.weights", "repro.report", "repro.hooks", "repro.configs"),
    "repro.configs": ("repro.report", "repro.records", "repro.weights", "repro.experiments"),
    "repro.errors": ("repro",),
    "repro.files": ("repro.models", "repro.data", "repro.weights", "repro.report", "repro.records"),
}


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    known = imports(module)
    for layer, forbidden in LAYERS.items():
        if module == layer or module.startswith(f"{layer}."):
            above = (*forbidden, "repro.cli", *VERBS)
            assert not {name for name in known if any(name == top or name.startswith(f"{top}.") for top in above)}
    if module in VERBS:
        assert "repro.cli" not in known
    command = module.startswith("repro.cli") or module == "repro.__main__"
    if not command:
        assert "repro.cli" not in known, "only the command imports the command"
    verbs = {"repro.cli.report", "repro.cli.results", "repro.cli.runs"}
    draws = {*verbs, "repro.predict", "repro.reproduce", "repro.verify"}
    if not module.startswith("repro.report") and module not in draws:
        assert not {name for name in known if name.startswith("repro.report")}, "the report is the last stop"
