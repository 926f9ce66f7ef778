"""With and without MMDetection: what can be imported, and what the error says."""

import importlib.util
import runpy
import subprocess
import sys

import pytest

BLOCK = "import sys; sys.modules.update({name: None for name in ('mmdet', 'mmcv', 'mmengine')})\n"

EVERYTHING_ELSE = """
import importlib, pkgutil, polyrepro
for module in pkgutil.walk_packages(polyrepro.__path__, 'polyrepro.', onerror=lambda name: None):
    if 'detection' not in module.name and not module.name.endswith('__main__'):
        importlib.import_module(module.name)
assert 'polyrepro.runs' in sys.modules and 'polyrepro.cli' in sys.modules
assert 'polyrepro.detection' not in sys.modules
"""

DETECTION = """
from polyrepro.errors import PolyreproError
try:
    import polyrepro.detection
except ImportError as error:
    assert isinstance(error, PolyreproError), type(error)
    print(error)
"""


def run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_everything_else_works_without_mmdetection():
    run(BLOCK + EVERYTHING_ELSE)


def test_error_names_what_is_missing_and_what_to_install():
    message = run(BLOCK + DETECTION)
    assert "not installed: mmdet, mmcv, mmengine" in message
    assert "pip install 'polyrepro[detection]'" in message


def test_error_says_why_an_installed_mmdetection_cannot_be_imported():
    broken = "import types, importlib.machinery as m\n" + "".join(
        f"{name} = types.ModuleType('{name}'); {name}.__spec__ = m.ModuleSpec('{name}', None)\n"
        f"sys.modules['{name}'] = {name}\n"
        for name in ("mmcv", "mmengine")
    )
    finder = """
class Broken:
    def find_spec(self, name, path=None, target=None):
        return m.ModuleSpec(name, self) if name == 'mmdet' else None
    def create_module(self, spec): return None
    def exec_module(self, module): raise AssertionError('MMCV==9.9.9 is used but incompatible')
sys.meta_path.insert(0, Broken())
"""
    message = run("import sys\n" + broken + finder + DETECTION)
    assert "cannot be imported (MMCV==9.9.9 is used but incompatible)" in message


with_mmdetection = pytest.mark.skipif(
    importlib.util.find_spec("mmdet") is None, reason="MMDetection is not installed"
)


@with_mmdetection
def test_a_name_that_is_taken_is_not_hidden():
    from mmengine.registry import Registry

    from polyrepro.detection.detection_errors import DetectionError
    from polyrepro.detection.registration import register

    root = Registry("loss", scope="root")
    child = Registry("loss", parent=root, scope="child")
    ours, theirs = type("Loss", (), {}), type("Loss", (), {"__module__": "elsewhere"})
    register(child, ours)
    register(child, ours)  # as when a notebook loads the module again
    assert child.get("Loss") is ours
    for taken in (child, root):
        fresh = Registry("loss", parent=root, scope=f"below_{taken.scope}")
        (fresh if taken is child else root).register_module(module=theirs)
        with pytest.raises(DetectionError, match=r"already registered .* as elsewhere.Loss"):
            register(fresh, ours)


@with_mmdetection
def test_names_are_found_in_the_registries_of_mmdetection():
    from mmdet.registry import HOOKS, MODELS

    import polyrepro.detection as detection

    for name in ("PolyCrossEntropyLoss", "PolyFocalLoss"):
        assert MODELS.get(name) is getattr(detection, name)
    for name in ("PolyLossHook", "TargetProbabilityHook", "FiniteLossHook", "ClassCountHook"):
        assert HOOKS.get(name) is getattr(detection, name)


@with_mmdetection
def test_scripts_of_mmdetection_find_the_operators_at_once(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("WORD = 'beside'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from mmcv.ops import nms\n"
        "import beside, sys\n"
        "if __name__ == '__main__': print(nms.__name__, beside.WORD, *sys.argv[1:])\n"
    )
    command = [sys.executable, "-m", "polyrepro.detection"]
    done = subprocess.run([*command, script, "one", "--two"], capture_output=True, text=True)
    assert done.stdout.strip() == "nms beside one --two", done.stderr
    monkeypatch.setattr(sys, "argv", ["polyrepro.detection", str(tmp_path / "none.py")])
    with pytest.raises(SystemExit, match="error: give a Python script that exists"):
        runpy.run_module("polyrepro.detection", run_name="__main__")
