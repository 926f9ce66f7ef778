"""YAML as a configuration needs it: nothing is dropped without a word."""

from pathlib import Path
from typing import Any

import yaml

from polyrepro.errors import PolyreproError


class SettingsError(PolyreproError):
    """A configuration that cannot be used; the text says what, where and how to mend it."""


def read_value(text: str) -> Any:
    """The value of one key as YAML reads it, with the same care as a file.

    Raises:
        SettingsError: if it is not YAML.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{text!r} is not valid YAML: {error}") from None


class _StrictLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; this one refuses.

    It also refuses aliases, which a configuration this small does not need: a few lines of them
    stand for gigabytes, or for themselves without end.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise SettingsError(
                f"{event.start_mark.name}, line {event.start_mark.line + 1}: YAML aliases "
                f"(*{event.anchor}) are not allowed; write the value out"
            )
        return super().compose_node(parent, index)


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


def load_strictly(path: Path) -> Any:
    """The content of a file.

    Raises:
        SettingsError: if it is not YAML, gives a key twice or uses aliases.
        OSError, UnicodeDecodeError: if it cannot be read.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return yaml.load(file, _StrictLoader)
        except yaml.YAMLError as error:
            raise SettingsError(f"{path} is not valid YAML: {error}") from None
