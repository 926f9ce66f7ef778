"""What to install when a package is missing: the losses need torch alone, the rest has extras."""

from polyrepro.errors import PolyreproError

EXTRAS = {
    "classification": (
        *("filelock", "numpy", "PIL", "pydantic", "safetensors", "scipy", "timm", "torchvision"),
        *("tqdm", "yaml"),
    ),
    "detection": ("cv2", "mmcv", "mmdet", "mmengine", "pkg_resources", "pycocotools", "scipy"),
    "detection3d": ("mmdet3d", "numba", "pyarrow"),
    "tensorboard": ("tensorboard",),
    "workflow": (
        *("filelock", "lightgbm", "matplotlib", "numpy", "pandas", "PIL", "pycocotools"),
        *("pydantic", "rich", "scipy", "sklearn", "snakemake", "statsmodels", "typst", "yaml"),
    ),
}
"""Extra of pyproject.toml to the modules that it brings."""
AFTERWARDS = {"detection3d": " && pip install --no-deps mmdet3d==1.4.0"}
"""What pip can install only by another command: here a package without its dependencies."""


class MissingExtraError(PolyreproError, ImportError):
    """A package of an extra is not installed; the text names the extra."""


def how_to_install(*extras: str) -> str:
    """The command that installs one of these extras."""
    commands = [f"pip install 'polyrepro[{extra}]'{AFTERWARDS.get(extra, '')}" for extra in extras]
    return f"{' or '.join(commands)} (in a checkout, `make setup` installs everything)"


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error to show instead of `error`, if the missing module belongs to an extra."""
    module = (error.name or "").partition(".")[0]
    extras = [extra for extra, modules in EXTRAS.items() if module in modules]
    if not extras:
        return None
    return MissingExtraError(f"{module} is not installed; run {how_to_install(*extras)}")
