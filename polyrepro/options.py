"""The configuration as options of a command: read from them, and written as them."""

import argparse
import json
import shlex
from pathlib import Path

from polyrepro.settings import (
    CONFIGURATIONS,
    Settings,
    SettingsError,
    check_settings,
    read_config,
)
from polyrepro.strict_yaml import read_value
from polyrepro.studies import SCALES


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add the configuration to the options of a command, as Snakemake takes it."""
    chosen = command.add_mutually_exclusive_group()
    chosen.add_argument("--configfile", type=Path, help="a configuration; see config/README.md")
    chosen.add_argument(
        "--scale", choices=SCALES, default=SCALES[0], help="the one that comes with a scale"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of it, e.g. --set seeds=2 --set 'overrides={epochs: 1}'",
    )
    command.add_argument("--results", help="short for --set results=...")
    command.add_argument("--epochs", help="short for --set 'overrides={epochs: ...}'")


def settings_of(options: argparse.Namespace) -> Settings:
    """The configuration that the options of `add_settings` describe.

    Raises:
        SettingsError: if it is not valid.
    """
    path = options.configfile or CONFIGURATIONS[options.scale]
    config = read_config(path)
    for assignment in options.set:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: give KEY=VALUE, for example seeds=2")
        config[key] = read_value(value)
    if options.results is not None:
        config["results"] = options.results
    if options.epochs is not None:
        config["overrides"] = config.get("overrides", {}) | {"epochs": read_value(options.epochs)}
    return check_settings(config, (path,))


def command(settings: Settings, *words: str) -> str:
    """A command of `polyrepro` with these settings, complete, to be pasted into a shell."""
    usual = check_settings(read_config(CONFIGURATIONS[settings.scale])).model_dump(mode="json")
    given = settings.model_dump(mode="json")
    # The file of given weights is not part of their dump.
    given["weights"] = {
        n: {"path": w.path, "sha256": w.sha256} for n, w in settings.weights.items()
    }
    parts = ["polyrepro", *words, "--scale", settings.scale]
    for key, value in given.items():
        if value != usual[key]:
            text = value if isinstance(value, str) else json.dumps(value)
            parts += ["--set", f"{key}={text}"]
    return shlex.join(parts)
