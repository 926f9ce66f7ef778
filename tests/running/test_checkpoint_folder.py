"""The folder of checkpoints that both trainers use: whole or not there, and never another run's."""

import hashlib
import itertools
import json
import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from polyrepro.running import checkpoints
from polyrepro.running.checkpoints import CheckpointError, Checkpoints
from polyrepro.running.processes import Processes

ALONE = Processes(torch.device("cpu"))


def of(folder, identity="x", **options) -> Checkpoints:
    """The checkpoints of a process that is alone."""
    return Checkpoints(folder, identity, ALONE, **options)


def save(folder, *positions, identity="x") -> None:
    """Checkpoints with some bytes and a JSON file that say where they are."""

    def write(position):
        def into(path: Path) -> None:
            (path / "state.bin").write_bytes(b"weights" * 100 + bytes([position]))
            (path / "state.json").write_text(json.dumps({"position": position, "top1": 90.25}))

        return into

    for position in positions:
        of(folder, identity).save(position, write(position))


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_is_found_and_the_last_two_are_kept(tmp_path):
    save(tmp_path, 2, 7, 12)
    assert names(tmp_path) == ["step_000000007", "step_000000012"]
    newest = of(tmp_path).newest()
    assert json.loads((newest / "state.json").read_text())["position"] == 12


def test_without_checkpoints_there_is_nothing_to_go_on_from(tmp_path):
    assert of(tmp_path / "none").newest() is None
    assert not (tmp_path / "none").exists()


def test_one_is_due_when_the_interval_has_passed(tmp_path):
    assert of(tmp_path, interval=0.0).due and not of(tmp_path, interval=3600.0).due


def replaced(name, old, new):
    def damage(folder):
        path = folder / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return damage


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def rewritten(folder):
    """Another identity, without the checksum that belongs to it."""
    path = folder / "checkpoint.json"
    description = json.loads(path.read_text())
    description["content"]["identity"] = "another"
    path.write_text(json.dumps(description))


def consistent(content):
    """Nonsense that has its own checksum."""

    def damage(folder):
        checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        (folder / "checkpoint.json").write_text(
            json.dumps({"sha256": checksum, "content": content})
        )

    return damage


DAMAGE = {
    "a changed bit": replaced("state.bin", b"w", b"v"),
    "a changed digit of a metric": replaced("state.json", b"90.25", b"90.75"),
    "a moved position": replaced("state.json", b"7", b"8"),
    "an emptied file": written("state.json", b""),
    "a file cut short": written("state.bin", b"weights"),
    "bytes that are no text": written("state.json", b"\xff\xfe\x00"),
    "a missing file": lambda folder: (folder / "state.bin").unlink(),
    "a folder in a file's place": lambda folder: (
        (folder / "state.bin").unlink(),
        (folder / "state.bin").mkdir(),
    ),
    "no description": lambda folder: (folder / "checkpoint.json").unlink(),
    "another identity": rewritten,
    "a changed checksum": replaced("checkpoint.json", b'"sha256": "', b'"sha256": "0'),
    "half a description": written("checkpoint.json", b'{"sha256": "ab'),
    "no JSON": written("checkpoint.json", b"\xff\x00"),
    "a list": written("checkpoint.json", b"[]"),
    "null": written("checkpoint.json", b"null"),
    "a number": written("checkpoint.json", b"1"),
    "brackets without end": written("checkpoint.json", b"[" * 200_000),
    "a list with a checksum": consistent([]),
    "a list of files": consistent({"identity": "x", "files": []}),
    "checksums that are numbers": consistent({"identity": "x", "files": {"state.bin": 1}}),
    "no identity": consistent({"files": {}}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_passed_over_for_the_one_before(tmp_path, capsys, damage):
    save(tmp_path, 3, 7)
    damage(tmp_path / "step_000000007")
    assert of(tmp_path).newest() == tmp_path / "step_000000003"
    message = capsys.readouterr().err
    assert message.startswith(f"checkpoint {tmp_path / 'step_000000007'} is not used: it ")
    assert message.count("\n") == 1


def test_damaged_ones_do_not_take_the_place_of_whole_ones(tmp_path):
    """They are newer than what is written next, and would be kept in its place."""
    save(tmp_path, 50, 60)
    for name in names(tmp_path):
        written("state.bin", b"")(tmp_path / name)
    resumed = of(tmp_path)
    assert resumed.newest() is None
    assert names(tmp_path) == ["step_000000050", "step_000000060"]
    resumed.save(5, lambda folder: (folder / "state.bin").write_bytes(b"5"))
    assert names(tmp_path) == ["step_000000005"]


def test_those_of_earlier_versions_are_passed_over_with_a_message(tmp_path, capsys):
    (tmp_path / "step_000000009").mkdir()
    (tmp_path / "step_000000009/state.json").write_text('{"identity": "x", "position": 9}')
    (tmp_path / "step_000000011.pth").write_bytes(b"a detector's")
    resumed = of(tmp_path)
    assert resumed.newest() is None
    first, second = capsys.readouterr().err.splitlines()
    assert "step_000000011.pth is not used: it has no checkpoint.json" in first
    assert "step_000000009 is not used" in second and "an earlier version of polyrepro" in second
    resumed.save(1, lambda folder: (folder / "state.bin").write_bytes(b"1"))
    assert names(tmp_path) == ["step_000000001"]


def test_one_of_another_run_is_refused_and_stays(tmp_path):
    save(tmp_path, 3, identity="one")
    with pytest.raises(CheckpointError, match=r"step_000000003 belongs to another configuration"):
        of(tmp_path, "another").newest()
    assert names(tmp_path) == ["step_000000003"]


def dies_at(number):
    """Make this process kill itself in the middle of the `number`-th stage of what it does next."""
    calls = itertools.count(1)

    def mortal(function):
        def wrapped(*arguments, **options):
            if next(calls) == number:
                if function is checkpoints.write_durably:  # half a file
                    function(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return wrapped

    checkpoints.Path.mkdir = mortal(checkpoints.Path.mkdir)
    checkpoints.Path.write_bytes = mortal(checkpoints.Path.write_bytes)
    checkpoints.write_durably = mortal(checkpoints.write_durably)
    checkpoints.flush_to_disk = mortal(checkpoints.flush_to_disk)
    checkpoints.fsync_folder = mortal(checkpoints.fsync_folder)
    checkpoints.os.rename = mortal(os.rename)
    checkpoints.shutil.rmtree = mortal(checkpoints.shutil.rmtree)


def test_killed_at_every_stage_of_writing_there_is_always_a_whole_one(tmp_path):
    """Stage by stage until one is reached that the writing does not have."""
    for stage in itertools.count(1):
        folder = tmp_path / str(stage)
        save(folder, 1, 2)
        child = os.fork()
        if child == 0:
            dies_at(stage)
            save(folder, 3)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        newest = of(folder).newest()
        assert newest.name in ("step_000000002", "step_000000003")
        save(folder, 4)
        assert names(folder) == [newest.name, "step_000000004"]
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert stage > 8


def test_a_full_disk_is_named_and_leaves_the_older_one_and_no_half_one(tmp_path):
    """A real limit of the system on the size of files, as a full disk would be."""
    save(tmp_path, 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(OSError, match=rf"File too large: '{tmp_path}/.writing_\d+'"):
            save(tmp_path, 6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["step_000000005"]
    assert of(tmp_path).newest().name == "step_000000005"
