"""What is said and what stays when a disk is full; a limit of the system stands in for the disk."""

import errno
import resource

import pytest

from polyrepro import cli
from polyrepro.files import naming_path, write_atomically
from polyrepro.running import training_commands


@pytest.fixture
def little_room():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_file_is_named_and_the_one_before_it_stays(tmp_path, little_room):
    path = tmp_path / "record.json"
    write_atomically(path, "before")
    with pytest.raises(OSError, match=rf"File too large: '{tmp_path}/.record.json"):
        write_atomically(path, "x" * 200)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_that_names_a_file_already_keeps_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"), naming_path(tmp_path / "other"):
        (tmp_path / "missing").read_text()


def test_a_command_says_how_to_go_on(monkeypatch):
    def full(options):
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/record.json")

    monkeypatch.setattr(training_commands, "_losses", full)
    with pytest.raises(SystemExit, match=r"'/scratch/record.json'; free some space there, then"):
        cli.main(["losses"])
