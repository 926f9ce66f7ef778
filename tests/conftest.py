"""Which tests stay together where several processes share them, and what all tests have."""

import atexit
import gc
import os
from pathlib import Path

# Before numpy and torch are loaded, and for every process that a test starts: tests run side by
# side, where threads that wait for each other cost more than they do.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from filelock import FileLock
from project_copy import TINY, copy_project, snakemake
from xdist.scheduler import LoadScopeScheduling

# Everything that is imported until the tests start stays: see `pytest_collection_finish`.
gc.disable()

TESTS = Path(__file__).parent
LONGEST = (
    "detection",
    "workflow/test_slurm.py",
    "workflow",
    "classification/test_launched_trainings.py",
    "figures",
)
"""Groups that are begun first, so that no process is left with one of them in the end. Files that
are named need nothing of their folder."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups come first."""
    order = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(_group(item.nodeid), len(order)))


def pytest_collection_finish() -> None:
    """What was imported stays: no collection of garbage looks through it."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Pytest would look through everything five times in the end, for nothing.

    Python itself does so once more, as some libraries want it.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)


class GroupScheduling(LoadScopeScheduling):
    """Tests that share fixtures run in one process, where these are made once."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


# The groups of `--dist loadgroup` have no effect with xdist 3.8 and pytest 9.2, silently.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> GroupScheduling:
    return GroupScheduling(config, log)


def _group(nodeid: str) -> str:
    """A folder of tests with fixtures of its own, or else a file."""
    path = TESTS.parent / nodeid.split("::", 1)[0]
    together = path.parent != TESTS and (path.parent / "conftest.py").exists()
    file, folder = (str(part.relative_to(TESTS)) for part in (path, path.parent))
    return folder if together and file not in LONGEST else file


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Results of convolutions may depend on the number of threads."""
    import torch  # not needed by the process that only hands out the tests

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, request) -> Path:
    """A folder that all processes which share the tests have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(request.config, "workerinput") else folder


@pytest.fixture(scope="session")
def project_with_atlas(shared_folder) -> Path:
    """A copy of the project with the loss atlas, its longest job, made once for all tests."""
    folder = shared_folder / "project_with_atlas"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            copy_project(folder)
            config = TINY | {"results": "results/tiny"}
            target = "results/tiny/atlas/statements.csv"
            process = snakemake(folder, target, config=config, PYTHONHASHSEED="1")
            assert process.returncode == 0, process.stdout + process.stderr
    return folder
