"""The configuration: what `config/*.yaml` and `--config` may say, checked before anything runs."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from polyrepro.data import DATASETS, EXTERNAL_DATASETS, IMAGE_DATASETS, IMAGES32
from polyrepro.recipes import RECIPES, Frozen
from polyrepro.runs import InitialWeights
from polyrepro.settings_errors import describe, did_you_mean
from polyrepro.strict_yaml import SettingsError, load_strictly
from polyrepro.studies import SCALES, STUDIES

_FOLDER = Path(__file__).parents[1] / "config"
CONFIGURATIONS = {
    "embedded": _FOLDER / "config.yaml",
    "embedded_full": _FOLDER / "embedded_full.yaml",
    "cifar": _FOLDER / "cifar.yaml",
    "cifar_cpu": _FOLDER / "cifar_cpu.yaml",
    "imagenet_short": _FOLDER / "imagenet_short.yaml",
    "coco_short": _FOLDER / "coco_short.yaml",
    "kitti": _FOLDER / "kitti.yaml",
    "paper": _FOLDER / "paper.yaml",
    "coco_folder": _FOLDER / "coco_folder.yaml",
}
"""The configuration that comes with each scale."""


class Overrides(Frozen):
    """Replaces values of every recipe of the scale; for trying things out.

    The runs get another identity, so their records are never taken for the full ones.
    """

    epochs: int | None = Field(default=None, ge=1)
    train_images: int | None = Field(default=None, ge=1)
    images_per_device: int | None = Field(default=None, ge=1)
    dataset: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _as_yaml(cls, value: Any) -> Any:
        """Snakemake leaves everything inside `--config overrides={...}` as text."""
        return yaml.safe_load(value) if isinstance(value, str) else value

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, value: str | None) -> str | None:
        choices = (*DATASETS, *IMAGE_DATASETS, *IMAGES32)
        if value is not None and value not in choices:
            raise ValueError(f"unknown data set {value!r}{did_you_mean(value, choices)}")
        return value


def _expanded(path: str) -> str:
    """`~` is the home folder, as in a shell."""
    if "\0" in path or "\n" in path:
        raise ValueError("a path cannot contain line breaks")
    return os.path.expanduser(path)


def _without_patterns(path: str) -> str:
    """The results folder is part of Snakemake's patterns, in which some characters mean more."""
    if found := sorted(set(path) & set("{}*?[]|^$\\'\"`")):
        raise ValueError(
            f"the results folder {path!r} contains {' '.join(found)}, which mean something else "
            "in Snakemake's patterns; choose a name without them"
        )
    return path


AnyPath = Annotated[str, Field(min_length=1), AfterValidator(_expanded)]
"""A path of the user's; it never becomes part of a shell command."""

ResultsPath = Annotated[AnyPath, AfterValidator(_without_patterns)]


class Cache(Frozen):
    """A cache of resized images, see docs/data.md.

    Attributes:
        folder: for the cache alone.
        shorter_side: of the images in it, in pixels.
    """

    folder: AnyPath
    shorter_side: int = Field(default=256, ge=32)

    @field_validator("shorter_side", mode="before")
    @classmethod
    def _as_yaml(cls, value: Any) -> Any:
        """Snakemake leaves everything inside `--config cache={...}` as text."""
        return yaml.safe_load(value) if isinstance(value, str) else value


class Settings(Frozen):
    """One key per line of `config/config.yaml`; see `config/README.md`.

    Attributes:
        scale: on what the studies are run.
        studies: names, or "all".
        seeds: number of seeds per variant, 0 .. seeds - 1.
        runs_per_job: trainings that share one process.
        results: folder for everything that is generated.
        device: what trainings run on.
        processes_per_run: one run is spread over so many devices of a machine.
        cpus_per_process: threads, or processes that read images, of each of them.
        deterministic: on a GPU, use only operators that give the same bits every time.
        data: name of a data set to the folder it lies in; embedded ones need none.
        cache: name of a data set to the cache that its images are read from; without one they are
            decoded in full each time.
        labels: name of a data set to a file with the classes of images that have several.
        weights: name of a pre-training recipe to weights that stand in for its runs.
        finished_only: leave out runs that have no record, instead of training them.
        tensorboard: trainings write their curves for TensorBoard, too.
        references: folders of other results, which the report shows beside its own.
    """

    scale: str
    studies: list[str]
    seeds: int = Field(ge=1)
    runs_per_job: int = Field(ge=1)
    results: ResultsPath
    device: Literal["cpu", "cuda"] = "cpu"
    processes_per_run: int = Field(default=1, ge=1)
    cpus_per_process: int = Field(default=1, ge=1)
    deterministic: bool = True
    data: dict[str, AnyPath] = Field(default={})
    cache: dict[str, Cache] = Field(default={})
    labels: dict[str, AnyPath] = Field(default={})
    weights: dict[str, InitialWeights] = Field(default={})
    finished_only: bool = False
    tensorboard: bool = False
    references: list[AnyPath] = Field(default=[])
    overrides: Overrides = Overrides()

    @property
    def scale_label(self) -> str:
        """The scale as tables state it: overridden recipes never pass for the scale's own.

        Images per device do not count, because the batch of the optimiser stays what it is.
        """
        given = self.overrides.model_dump(exclude={"images_per_device"}, exclude_none=True)
        return f"{self.scale}, overridden" if given else self.scale

    @field_validator("scale")
    @classmethod
    def _known_scale(cls, value: str) -> str:
        if value not in SCALES:
            raise ValueError(f"unknown scale {value!r}{did_you_mean(value, SCALES)}")
        return value

    @field_validator("studies", mode="before")
    @classmethod
    def _known_studies(cls, value: Any, info: ValidationInfo) -> list[str]:
        scale = info.data.get("scale", SCALES[0])
        at_scale = [name for name, study in STUDIES.items() if scale in study.recipes]
        if value == "all":
            return at_scale
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list) or not names:
            raise ValueError(f'give "all" or a list of study names, not {value!r}')
        for name in names:
            if name not in STUDIES:
                raise ValueError(f"unknown study {name!r}{did_you_mean(name, STUDIES)}")
            if name not in at_scale:
                raise ValueError(
                    f"{name!r} does not exist at the scale {scale!r}; there: {', '.join(at_scale)}"
                )
        return [name for name in at_scale if name in names]

    @field_validator("deterministic", "finished_only", "tensorboard", mode="before")
    @classmethod
    def _as_yaml(cls, value: Any) -> Any:
        """Snakemake knows `True`; in YAML, and so in our files, it is `true`."""
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value

    @field_validator("references", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """On the command line they are separated by commas, as studies are."""
        return value.split(",") if isinstance(value, str) else value

    @field_validator("data", "labels", "cache")
    @classmethod
    def _known_data(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        # Detection data sets bring their labels with them, and are not cached.
        allowed = EXTERNAL_DATASETS if info.field_name == "data" else tuple(IMAGE_DATASETS)
        for name in value:
            if name not in allowed:
                raise ValueError(f"unknown data set {name!r}{did_you_mean(name, allowed)}")
        return value

    @field_validator("weights")
    @classmethod
    def _known_weights(cls, value: dict[str, InitialWeights]) -> dict[str, InitialWeights]:
        allowed = sorted(r.pretraining for r in RECIPES.values() if r.pretraining is not None)
        for name in value:
            if name not in allowed:
                raise ValueError(f"no recipe starts from {name!r}{did_you_mean(name, allowed)}")
        return value


def read_config(path: Path) -> dict[str, Any]:
    """The keys and values of a file, for `check_settings`.

    Raises:
        SettingsError: if it cannot be read, is not YAML, or holds something else than keys.
    """
    try:
        config = load_strictly(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the configuration {path}: {error}") from None
    if not isinstance(config, dict):
        raise SettingsError(f"{path} holds no keys; config/config.yaml shows how it looks")
    return config


def check_settings(config: dict[str, Any], files: tuple[Path, ...] = ()) -> Settings:
    """Turn a merged configuration into `Settings`.

    Args:
        config: keys and values, as Snakemake merges them from files and the command line.
        files: the files they came from, read again to find keys that are given twice and aliases.

    Raises:
        SettingsError: naming every key that is wrong, what it holds and what is allowed.
    """
    for path in files:
        load_strictly(path)
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        problems = [
            describe(detail, Settings.model_fields, Overrides.model_fields)
            for detail in error.errors()
        ]
        where = ", ".join(str(path) for path in files) or "the configuration"
        raise SettingsError(
            "\n  ".join([f"the configuration is not valid ({where}, or --config):", *problems])
        ) from None
