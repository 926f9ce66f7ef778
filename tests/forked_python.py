"""`python -m MODULE` in copies of a process that has imported the libraries it needs.

A process that is started as a user starts it takes seconds to import torch, pandas and Snakemake,
and a test of the workflow starts twenty. `serve` is the process that is copied; `main` is what
runs in the place of `python`: it hands its words, its environment and its open files to the server
and ends as the copy does. This package itself is imported by each copy, from the folder that it is
called in: tests edit it.
"""

import json
import os
import socket
import sys

IMPORTED = (
    *("torch", "torch._dynamo", "torchvision", "timm", "statsmodels.stats.power", "pandas"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "typst"),
    *("pydantic", "yaml", "safetensors.torch", "snakemake.cli"),
)
MODULES = ("polyrepro", "snakemake")
"""What is run in a copy. Everything else needs a process of its own, and so does a command with a
seed of Python's hashes, which is fixed when a process starts."""


def run(path: str, words: list[str], folder: str, environment: dict[str, str], files) -> int:
    """Run `python -m WORDS` in a copy of the server's process; its exit status.

    Args:
        path: the server's socket.
        files: descriptors of its standard input, output and error.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = json.dumps({"words": words, "folder": folder, "environment": environment})
        socket.send_fds(connection, [len(request.encode()).to_bytes(8)], files)
        connection.sendall(request.encode())
        answer = connection.recv(8)
    return int(answer) if answer else 1


def main(path: str, python: str, words: list[str]) -> None:
    """What `python WORDS` does; by the server, if it can."""
    if words[:1] != ["-m"] or words[1] not in MODULES or "PYTHONHASHSEED" in os.environ:
        os.execv(python, [python, *words])
    sys.exit(run(path, words[1:], os.getcwd(), dict(os.environ), (0, 1, 2)))


def serve(path: str) -> None:
    """Answer requests one beside the other, until standard input is closed."""
    import gc
    import importlib
    import selectors

    for name in IMPORTED:
        importlib.import_module(name)
    # A collection in a copy would copy the memory of all that was imported.
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as waiting:
        server.bind(path)
        server.listen()
        waiting.register(server, selectors.EVENT_READ)
        waiting.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while sys.stdin not in [key.fileobj for key, _ in waiting.select()]:
            connection, _ = server.accept()
            if os.fork() == 0:
                waiting.close()
                server.close()
                _answer(connection)
            connection.close()
            while _ended():
                pass
    os._exit(0)  # Libraries complain of leaks where a process ends in the usual way.


def _ended() -> bool:
    """Whether a copy had ended, whose status nobody else will fetch."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _answer(connection: socket.socket) -> None:
    """Run what is requested in a process of its own, and send its exit status."""
    import multiprocessing

    length, files, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as reader:
        request = json.loads(reader.read(int.from_bytes(length)))
    child = multiprocessing.get_context("fork").Process(
        target=_become, args=(files,), kwargs=request
    )
    child.start()
    child.join()
    status = child.exitcode
    connection.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _become(files: list[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    """What `python -m WORDS` would do with these files, in this folder and environment."""
    import runpy

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    named = environment.get("PYTHONPATH", "")
    sys.path[:0] = [folder, *named.split(os.pathsep)] if named else [folder]
    # Where it looks for `python`, as Snakemake does.
    sys.executable = environment.get("FORKED_PYTHON", sys.executable)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
