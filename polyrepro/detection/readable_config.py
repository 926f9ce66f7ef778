"""A configuration that is quickly turned into text.

mmengine writes the text of a configuration four times per run: to its log, twice to the run's
folder, and into the information for hooks; with each checkpoint again. Formatting it with yapf
takes up to half a CPU second each time.
"""

from pprint import pformat

from mmengine.config import Config

WIDTH = 100


class ReadableConfig(Config):
    """A configuration whose text is that of pprint; `Config.fromfile` reads it like any other."""

    @classmethod
    def of(cls, config: Config) -> "ReadableConfig":
        """The same configuration with the other text."""
        return cls(config.to_dict(), filename=config.filename)

    @property
    def pretty_text(self) -> str:
        """An assignment per key, in the order of the configuration."""
        lines = []
        for key, value in self.to_dict().items():
            start = f"{key} = "
            text = pformat(value, width=WIDTH - len(start), sort_dicts=False)
            lines.append(start + text.replace("\n", "\n" + " " * len(start)) + "\n")
        return "".join(lines)
