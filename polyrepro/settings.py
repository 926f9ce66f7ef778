"""The configuration: what `config/*.yaml` and `--config` may say, checked before anything runs."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from polyrepro.classification.recipes import Frozen
from polyrepro.errors import PolyreproError
from polyrepro.studies import SCALES, STUDIES


class SettingsError(PolyreproError):
    """A configuration that cannot be used; the text says what, where and how to mend it."""


class Overrides(Frozen):
    """Replaces values of every recipe of the scale; for trying things out.

    The runs get another identity, so their records are never taken for the full ones.
    """

    epochs: int | None = Field(default=None, ge=1)
    train_images: int | None = Field(default=None, ge=1)

    @field_validator("*", mode="before")
    @classmethod
    def _as_yaml(cls, value: Any) -> Any:
        """Snakemake leaves everything inside `--config overrides={...}` as text."""
        return yaml.safe_load(value) if isinstance(value, str) else value


class Settings(Frozen):
    """One key per line of `config/config.yaml`; see `config/README.md`.

    Attributes:
        scale: on what the studies are run.
        studies: names, or "all".
        seeds: number of seeds per variant, 0 .. seeds - 1.
        runs_per_job: trainings that share one process.
        results: folder for everything that is generated.
    """

    scale: str
    studies: list[str]
    seeds: int = Field(ge=1)
    runs_per_job: int = Field(ge=1)
    # Part of shell commands and of wildcard patterns: no spaces, quotes or braces.
    results: str = Field(pattern=r"^[\w./+-]+$")
    overrides: Overrides = Overrides()

    @field_validator("scale")
    @classmethod
    def _known_scale(cls, value: str) -> str:
        if value not in SCALES:
            raise ValueError(f"unknown scale {value!r}{_known(value, SCALES)}")
        return value

    @field_validator("studies", mode="before")
    @classmethod
    def _known_studies(cls, value: Any) -> list[str]:
        if value == "all":
            return list(STUDIES)
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list) or not names:
            raise ValueError(f'give "all" or a list of study names, not {value!r}')
        for name in names:
            if name not in STUDIES:
                raise ValueError(f"unknown study {name!r}{_known(name, STUDIES)}")
        return [name for name in STUDIES if name in names]


def _known(value: Any, choices: Any) -> str:
    close = difflib.get_close_matches(str(value), list(choices), n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} Known are: {', '.join(choices)}"


def check_settings(config: dict[str, Any], files: tuple[Path, ...] = ()) -> Settings:
    """Turn a merged configuration into `Settings`.

    Args:
        config: keys and values, as Snakemake merges them from files and the command line.
        files: the files they came from, read again to find keys that are given twice.

    Raises:
        SettingsError: naming every key that is wrong, what it holds and what is allowed.
    """
    for path in files:
        _refuse_duplicate_keys(path)
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        problems = [_describe(detail) for detail in error.errors()]
        where = ", ".join(str(path) for path in files) or "the configuration"
        raise SettingsError(
            "\n  ".join([f"the configuration is not valid ({where}, or --config):", *problems])
        ) from None


def _describe(detail: Any) -> str:
    """One pydantic error in the words of someone who edits a YAML file."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        model = Overrides if key.startswith("overrides.") else Settings
        return f"{key}: unknown key{_known(key.split('.')[-1], model.model_fields)}"
    if detail["type"] == "missing":
        return f"{key}: missing; config/config.yaml shows it"
    message = detail["msg"].removeprefix("Value error, ")
    value = detail["input"]
    text = f"{key}: {message}" if "error" in detail.get("ctx", {}) else ""
    text = text or f"{key}: {message}, got {value!r}"
    if isinstance(value, str) and _is_number(value):
        text += " (YAML reads this as text; write a plain number, 1e-3 as 1.0e-3)"
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _StrictLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; this one refuses."""


def _mapping_without_duplicates(loader: _StrictLoader, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise SettingsError(
                f"{node.start_mark.name}: the key {key!r} is given twice; remove one of the lines"
            )
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates
)


def _refuse_duplicate_keys(path: Path) -> None:
    with open(path, encoding="utf-8") as file:
        try:
            yaml.load(file, _StrictLoader)
        except yaml.YAMLError as error:
            raise SettingsError(f"{path} is not valid YAML: {error}") from None
