"""The wheel gives the losses to an environment with torch alone; a missing extra is named."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from polyrepro import __version__
from polyrepro.extras import EXTRAS, MissingExtraError, missing_extra

ROOT = Path(__file__).parents[1]
IMPORTED_AS = {
    "mmcv-lite": "mmcv",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "setuptools": "pkg_resources",
}
PLUGINS = {"snakemake-executor-plugin-slurm"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, because setuptools writes beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "polyrepro"):
        (folder / name).symlink_to(ROOT / name)
    script = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", script, "dist"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def torch_alone(wheel, tmp_path_factory) -> Path:
    """A folder of packages that holds the wheel, torch and what torch requires."""
    folder = tmp_path_factory.mktemp("torch_alone")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-compile", "--target", folder, wheel], check=True)
    for distribution in required_by("torch"):
        tops = {file.parts[0] for file in distribution.files if file.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            link = folder / top
            if not link.exists():  # several distributions share the folder `nvidia`
                link.symlink_to(distribution.locate_file(top))
    return folder


def required_by(name: str) -> list[metadata.Distribution]:
    """The installed distribution of this name and all that it requires, directly or not."""
    found, waiting = {}, [name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        requirements = found[name].requires or []
        waiting += [
            re.match(r"[\w.-]+", requirement).group().lower()
            for requirement in requirements
            if "extra ==" not in requirement
        ]
    return list(found.values())


def run_isolated(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Python that finds the standard library and the packages of `folder`, nothing else."""
    start = f"import runpy, sys; sys.path.append({str(folder)!r}); sys.argv = sys.argv[1:]; "
    command = [sys.executable, "-I", "-S", "-c", start + arguments[0], *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)


def test_contents_of_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name == f"polyrepro-{__version__}-py3-none-any.whl"
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "polyrepro").rglob("*.py")}
    embedded = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "polyrepro/data/embedded").iterdir()
        if path.is_file()
    }
    information = f"polyrepro-{__version__}.dist-info/"
    packaged = {name for name in names if not name.startswith(information)}
    assert packaged == sources | embedded | {"polyrepro/py.typed"}
    assert f"{information}licenses/LICENSE" in names


def test_wheel_requires_torch_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"polyrepro-{__version__}.dist-info/METADATA").decode()
    required = re.findall(r"^Requires-Dist: (.*)$", text, re.M)
    assert [line for line in required if "extra ==" not in line] == ["torch>=2.11"]
    assert set(re.findall(r"^Provides-Extra: (.*)$", text, re.M)) == {*EXTRAS, "all"}


LOSSES = """
import math, torch, polyrepro
from polyrepro.losses import PolyCrossEntropyLoss, poly_binary_cross_entropy, poly_cross_entropy
logits = torch.zeros(4, 10, requires_grad=True)
target = torch.arange(4)
loss = poly_cross_entropy(logits, target, epsilon=2.0)
loss.backward()
assert math.isclose(loss.item(), math.log(10) + 2 * 0.9, rel_tol=1e-6), loss
assert torch.isfinite(logits.grad).all() and logits.grad.abs().sum() > 0
assert math.isclose(PolyCrossEntropyLoss(2.0)(logits, target).item(), loss.item())
binary = poly_binary_cross_entropy(logits, torch.ones(4, 10), epsilon=1.0)
assert math.isclose(binary.item(), math.log(2) + 0.5, rel_tol=1e-6), binary
assert not {'numpy', 'pydantic', 'timm', 'mmdet'} & set(sys.modules)
print(polyrepro.__version__, polyrepro.__file__)
"""


def test_losses_beside_torch_alone(torch_alone):
    done = run_isolated(torch_alone, LOSSES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [__version__, str(torch_alone / "polyrepro/__init__.py")]


def test_command_line_beside_torch_alone_names_the_extras(torch_alone):
    script = "runpy.run_module('polyrepro', run_name='__main__')"
    done = run_isolated(torch_alone, script, "polyrepro", "--help")
    assert "from polyrepro.__main__ import main" in (torch_alone / "bin/polyrepro").read_text()
    assert done.returncode == 1
    assert "is not installed; run pip install 'polyrepro[classification]' or" in done.stderr
    assert "Traceback" not in done.stderr


def test_detection_beside_torch_alone_names_the_extra(torch_alone):
    done = run_isolated(torch_alone, "import polyrepro.detection")
    assert "not installed: mmdet, mmcv, mmengine" in done.stderr
    assert "run pip install 'polyrepro[detection]'" in done.stderr


def test_training_without_timm_names_the_extra(tmp_path):
    script = (
        "import runpy, sys; sys.modules['timm'] = None; "
        "runpy.run_module('polyrepro', run_name='__main__')"
    )
    run = "fashion_mnist/cross_entropy/seed0"
    command = [sys.executable, "-c", script, "train", "--set", f"results={tmp_path}", run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "polyrepro: error: timm is not installed; run pip install 'polyrepro[classification]' (in "
        "a checkout, `make setup` installs everything)"
    )
    assert "Traceback" not in done.stderr


def test_module_of_no_extra_is_not_explained():
    assert missing_extra(ModuleNotFoundError("No module named 'x'", name="x")) is None
    error = missing_extra(ModuleNotFoundError("No module", name="pandas.io"))
    assert isinstance(error, MissingExtraError)
    assert str(error).startswith("pandas is not installed; run pip install 'polyrepro[workflow]'")


def test_a_package_that_is_installed_by_itself_has_the_version_of_the_lock():
    error = missing_extra(ModuleNotFoundError("No module", name="mmdet3d"))
    (requirement,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"][
        "detection3d"
    ]
    assert (
        f"run pip install 'polyrepro[detection3d]' && pip install --no-deps {requirement} (in"
    ) in str(error)
    assert f"\n{requirement} " in (ROOT / "requirements.lock").read_text()
    script = (ROOT / "environment.post-deploy.sh").read_text()
    assert f"\npython -m pip install --no-deps {requirement}\n" in script


def test_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    stated = project["project"]["optional-dependencies"]
    assert stated.pop("all") == [f"polyrepro[{','.join(stated)}]"]
    for extra, requirements in stated.items():
        requirements = requirements + project["dependency-groups"].get(extra, [])
        names = {re.match(r"[a-z0-9-]+", requirement).group() for requirement in requirements}
        names -= PLUGINS | {"polyrepro"}
        assert {IMPORTED_AS.get(name, name) for name in names} == set(EXTRAS[extra])
