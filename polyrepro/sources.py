"""What a result of the workflow depends on besides data: source files and study definitions.

Source files are inputs of the rules. Definitions (studies and recipes) enter by their content
instead, so that another claim does not train, and a changed comment does nothing at all.
"""

import ast
import hashlib
import json
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from polyrepro.files import below_here
from polyrepro.studies.study import Study

ROOT = Path(__file__).parents[1]
DEFINITIONS = ("polyrepro.studies", "polyrepro.recipes")
CONFIGURATION = (
    *("polyrepro.options", "polyrepro.plan", "polyrepro.runs", "polyrepro.settings"),
    "polyrepro.variants",
)
"""What these make of a configuration reaches the rules as their parameters."""


def source_files(*modules: str) -> list[str]:
    """Files of these modules and of all that they import from this package, in order.

    Imports inside functions do not count: they are other stages, and have rules of their own.
    Modules of definitions and of the configuration are left out. Paths are relative if they lie
    below the working directory.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and not name.startswith((*DEFINITIONS, *CONFIGURATION)):
            found[name] = _path(name)
            waiting += _imports(found[name])
    return sorted(str(below_here(path)) for path in found.values())


def project_files(folder: str, pattern: str) -> list[str]:
    """Files of a folder of the project, wherever the working directory is."""
    return sorted(str(below_here(path)) for path in (ROOT / folder).glob(pattern))


def digest(studies: Iterable[Study], *, without: Collection[str] = ()) -> str:
    """Checksum of study definitions.

    Args:
        without: attributes of `Study` that do not count.
    """
    content = [study.model_dump(mode="json", exclude=set(without)) for study in studies]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    package = path / "__init__.py"
    return package if package.exists() else path.with_suffix(".py")


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Modules of this package that a file imports at its top."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and module.startswith("polyrepro"):
            # What is imported from a package may be a module of it.
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return tuple(sorted(name for name in names if _path(name).exists()))
