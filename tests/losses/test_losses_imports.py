"""The losses' modules depend on each other without a cycle, and on torch's public names alone."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from polyrepro import losses

PACKAGE = losses.__name__
TREES = {
    path.stem: ast.parse(path.read_text()) for path in Path(losses.__file__).parent.glob("*.py")
}


def _imported(tree: ast.AST) -> set[str]:
    """Modules of the package that a module imports anywhere, also inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            names = [node.module.removeprefix(PACKAGE).removeprefix(".")]
            found.update(names if names[0] else [each.name for each in node.names])
    return found & set(TREES)


def _check_order(graph: dict[str, set[str]]) -> None:
    TopologicalSorter(graph).prepare()


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: _imported(tree) for name, tree in TREES.items()}
    _check_order(graph)
    assert graph["cross_entropy"] >= {"series", "row_statistics"}
    with pytest.raises(CycleError):
        _check_order({**graph, "series": {"cross_entropy"}})


def _dotted(node: ast.AST) -> list[str]:
    """The parts of ``torch.nn.functional``, or nothing for anything but names and dots."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return [*before, node.attr] if before else []
    return [node.id] if isinstance(node, ast.Name) else []


def _private_names(tree: ast.AST) -> list[str]:
    names = [_dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names += [[*(node.module or "").split("."), each.name] for each in node.names]
    return [
        ".".join(parts)
        for parts in names
        if parts[:1] == ["torch"]
        and any(part.startswith("_") and not part.startswith("__") for part in parts)
    ]


@pytest.mark.parametrize("name", TREES)
def test_torch_s_private_names_are_left_alone(name):
    assert _private_names(TREES[name]) == []


@pytest.mark.parametrize("line", ["torch._C.x()", "from torch._inductor import y", "torch.nn._z"])
def test_a_private_name_would_be_found(line):
    assert _private_names(ast.parse(line))
