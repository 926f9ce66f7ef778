"""Killed and resumed trainings, and checkpoints that must not be loaded."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner, load_checkpoint
from small_detectors import mask_rcnn, retinanet
from small_runs import training

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.safe_loading import load_from_local_safely

HOOKS = [
    {"type": "PolyLossHook", "epsilon": -1.0},
    {"type": "EpochSeedHook"},
    {"type": "ClassCountHook"},
]

# Trains the configuration in the first argument, and is killed in its third epoch. The operators
# and registered names come from the configuration's custom_imports alone.
KILLED = """
import os, signal, sys, torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
torch.set_num_threads(1)
class Kill(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 4:
            os.kill(os.getpid(), signal.SIGKILL)
runner = Runner.from_cfg(Config.fromfile(sys.argv[1]))
runner.register_hook(Kill())
runner.train()
"""


def configuration(scenes, folder, hooks=HOOKS, **more) -> dict:
    config = training(mask_rcnn(), scenes, folder, hooks, epochs=3, validate=True, **more)
    config["custom_imports"] = {"imports": ["polyrepro.detection"]}
    # Augmentation draws its random numbers in a worker, the sampling of boxes in the main process.
    config["train_dataloader"].update(num_workers=1, persistent_workers=False)
    config["default_hooks"]["checkpoint"] = {
        "type": "CheckpointHook",
        "interval": 1,
        "save_best": "coco/bbox_mAP",
    }
    return config


def trained(config: dict) -> dict[str, torch.Tensor]:
    runner = Runner.from_cfg(Config(config))
    runner.train()
    return runner.model.state_dict()


@pytest.fixture(scope="module")
def killed(scenes, tmp_path_factory) -> Path:
    """Folder of a training that was killed in its third epoch of three."""
    folder = tmp_path_factory.mktemp("killed")
    Config(configuration(scenes, folder)).dump(folder / "config.py")
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder / "config.py")],
        capture_output=True,
        timeout=120,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert not (folder / "epoch_3.pth").exists()
    return folder


def test_killed_training_resumes_to_the_same_numbers(scenes, tmp_path, killed):
    whole = trained(configuration(scenes, tmp_path / "whole"))
    resumed = trained(configuration(scenes, killed, resume=True))
    assert (killed / "epoch_3.pth").exists()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    unseeded = configuration(
        scenes, tmp_path / "unseeded", HOOKS[:1], resume=True, load_from=str(killed / "epoch_2.pth")
    )
    # Without EpochSeedHook the resumed epoch draws the random numbers of the first one.
    other = trained(unseeded)
    assert not all(torch.equal(value, other[name]) for name, value in whole.items())


def test_a_checkpoint_of_mmengine_is_read_by_torch_with_weights_only(killed):
    checkpoint = torch.load(killed / "epoch_2.pth", weights_only=True)
    assert checkpoint["meta"]["epoch"] == 2
    history = checkpoint["message_hub"]["log_scalars"]
    assert any(name.startswith("val/coco") for name in history)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["top", "message_hub"])
def test_a_pickle_that_wants_to_run_code_is_refused(scenes, tmp_path, killed, place):
    checkpoint = torch.load(killed / "epoch_2.pth", weights_only=True)
    bomb = tmp_path / "bomb"
    if place == "top":
        checkpoint = Bomb(bomb)
    else:
        checkpoint["message_hub"]["log_scalars"]["train/loss"] = Bomb(bomb)
    torch.save(checkpoint, tmp_path / "epoch_2.pth")
    load_from = str(tmp_path / "epoch_2.pth")
    for more in ({"resume": True}, {}):
        runner = Runner.from_cfg(
            Config(configuration(scenes, tmp_path / "run", load_from=load_from, **more))
        )
        with pytest.raises(DetectionError, match=r"epoch_2.pth was refused.*mkdir") as error:
            runner.train()
        assert "weights_only=False" not in str(error.value)
    assert not bomb.exists()
    # The same file does run code where it is not refused, so the refusal is what prevented it.
    torch.load(load_from, weights_only=False)
    assert bomb.exists()


class Reach:
    """Takes an attribute when it is unpickled, as mmengine's histories do."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return getattr, self.arguments


@pytest.mark.parametrize("arguments", [(HistoryBuffer, "__init__"), (torch.Tensor, "mean")])
def test_getattr_reaches_nothing_but_statistics(tmp_path, arguments):
    torch.save(Reach(HistoryBuffer, "mean"), tmp_path / "good.pth")
    assert load_from_local_safely(tmp_path / "good.pth") is HistoryBuffer.mean
    torch.save(Reach(*arguments), tmp_path / "bad.pth")
    with pytest.raises(DetectionError, match=r"refused.*getattr"):
        load_from_local_safely(tmp_path / "bad.pth")


def test_a_history_in_a_checkpoint_does_not_change_the_others(tmp_path):
    history = HistoryBuffer([1.0], [1])
    history.__dict__["_statistics_methods"] = {"mean": HistoryBuffer.max, "other": set}
    torch.save(history, tmp_path / "history.pth")
    assert load_from_local_safely(tmp_path / "history.pth")
    assert set(HistoryBuffer._statistics_methods) == {"min", "max", "current", "mean"}
    assert HistoryBuffer._statistics_methods["mean"] is HistoryBuffer.mean


def test_refusal_does_not_depend_on_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save(Bomb(tmp_path / "bomb"), tmp_path / "bad.pth")
    with pytest.raises(DetectionError, match="refused"):
        load_from_local_safely(tmp_path / "bad.pth")
    assert not (tmp_path / "bomb").exists()


def test_python_code_in_the_meta_data_is_refused(scenes, tmp_path, killed):
    checkpoint = torch.load(killed / "epoch_2.pth", weights_only=True)
    checkpoint["meta"]["config"] = f"import os\nos.mkdir({str(tmp_path / 'bomb')!r})\n"
    torch.save(checkpoint, tmp_path / "bad.pth")
    config = configuration(scenes, tmp_path / "run", load_from=str(tmp_path / "bad.pth"))
    with pytest.raises(DetectionError, match="holds Python code"):
        trained({**config, "resume": True})
    assert not (tmp_path / "bomb").exists()


def test_a_checkpoint_cut_short_is_named(tmp_path, killed):
    content = (killed / "epoch_2.pth").read_bytes()
    for size in (0, 1000, len(content) // 2):
        (tmp_path / "cut.pth").write_bytes(content[:size])
        with pytest.raises(DetectionError, match=r"cut.pth"):
            load_from_local_safely(tmp_path / "cut.pth")
    with pytest.raises(FileNotFoundError, match=r"nothing.pth does not exist"):
        load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / "nothing.pth"))


def test_a_checkpoint_of_another_number_of_classes_is_refused(scenes, tmp_path, killed):
    checkpoint = torch.load(killed / "epoch_2.pth", weights_only=True)
    weight = checkpoint["state_dict"]["roi_head.bbox_head.fc_cls.weight"]
    checkpoint["state_dict"]["roi_head.bbox_head.fc_cls.weight"] = weight[:2].clone()
    torch.save(checkpoint, tmp_path / "other.pth")
    load_from = str(tmp_path / "other.pth")
    with pytest.raises(DetectionError, match=r"fc_cls.weight has shape \(2, 32\) there and \(3, "):
        trained(configuration(scenes, tmp_path / "run", load_from=load_from))
    allowed = [{"type": "ClassCountHook", "allow_other_checkpoint": True}]
    config = configuration(scenes, tmp_path / "fine", allowed, load_from=load_from)
    with pytest.raises(DetectionError, match="does not fit the model"):
        trained({**config, "resume": True})
    assert trained({**config, "experiment_name": "fine"})


def test_seeding_refuses_workers_that_it_cannot_reach(scenes, tmp_path):
    config = training(retinanet(), scenes, tmp_path, [{"type": "EpochSeedHook"}])
    config["train_dataloader"].update(num_workers=1, persistent_workers=True)
    with pytest.raises(DetectionError, match="persistent_workers=False"):
        trained(config)
    config["train_dataloader"] = {**config["train_dataloader"], "num_workers": 0}
    config["train_dataloader"]["persistent_workers"] = False
    config["train_cfg"] = {"type": "IterBasedTrainLoop", "max_iters": 1}
    with pytest.raises(DetectionError, match="IterBasedTrainLoop"):
        trained({**config, "experiment_name": "iterations"})
