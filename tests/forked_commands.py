"""Commands of `polyrepro` in processes that are forked from one that has imported what they need.

A process that is started as a user starts it takes seconds to import torch and timm.
"""

import multiprocessing
import os
import signal
import socket

from polyrepro.cli import main

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["polyrepro.cli", "polyrepro.running.jobs", "polyrepro.classification.classifier_training"]
)


class ForkedCommand:
    """A command, with those methods of `subprocess.Popen` that are needed.

    Args:
        words: what follows `polyrepro`.
        variables: of the environment, in addition.
    """

    def __init__(self, *words: str, **variables: str) -> None:
        self._process = CONTEXT.Process(target=_command, args=(words, variables), daemon=True)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self) -> int | None:
        """The exit status, once it has ended; None after five minutes."""
        self._process.join(300)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)


def in_two_processes(*words: str) -> None:
    """A command in two processes of one run, connected as torchrun connects them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    shared["TORCHELASTIC_RUN_ID"] = "test"
    commands = [ForkedCommand(*words, **shared, RANK=rank, LOCAL_RANK=rank) for rank in "01"]
    assert [command.wait() for command in commands] == [0, 0]


def _command(words: tuple[str, ...], variables: dict[str, str]) -> None:
    os.environ.update(variables)
    main(list(words))
