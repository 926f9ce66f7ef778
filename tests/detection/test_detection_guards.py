"""The hooks that stop a training: losses that are not finite, classes that do not match."""

import math

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmdet.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from recorded_training import LossRecorder, train
from small_detectors import mask_rcnn, retinanet
from small_runs import training

from polyrepro.detection.detection_errors import DetectionError, NonFiniteLossError
from polyrepro.detection.resumable import ResumableHook


def test_a_loss_that_is_not_finite_stops_before_the_step(scenes, tmp_path):
    class Poison(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 2:
                with torch.no_grad():
                    runner.model.bbox_head.retina_cls.bias.fill_(math.inf)
                self.files = [sample.img_path for sample in data_batch["data_samples"]]
                self.before = runner.model.backbone.conv1.weight.clone()

    poison = Poison()
    runner = Runner.from_cfg(Config(training(retinanet(), scenes, tmp_path, epochs=2)))
    runner.register_hook(poison)
    runner.register_hook(HOOKS.build({"type": "FiniteLossHook"}))
    with pytest.raises(NonFiniteLossError, match=r"iteration 3 \(epoch 2\): loss_cls = ") as error:
        runner.train()
    assert len(poison.files) == 2 and all(file in str(error.value) for file in poison.files)
    assert torch.equal(runner.model.backbone.conv1.weight, poison.before)


def test_finite_losses_train_on_and_leave_the_model_as_it_was(scenes, tmp_path):
    runner, losses = train(retinanet(), scenes, tmp_path, [{"type": "FiniteLossHook"}])
    assert len(losses) == 2 and "parse_losses" not in vars(runner.model)


@pytest.mark.parametrize(
    "model, classes, message",
    [
        (
            mask_rcnn(num_classes=3),
            ("square", "disc"),
            "has 2 classes .square, disc., but roi_head",
        ),
        (retinanet(num_classes=1), ("square", "disc"), "bbox_head .RetinaHead. is built for 1"),
        (mask_rcnn(), ("square", "circle"), r"scenes.json has categories for 1 of them"),
        (retinanet(), "square", "with the comma"),
    ],
)
def test_class_lists_that_do_not_match_are_found_before_training(
    scenes, tmp_path, model, classes, message
):
    recorder = LossRecorder()
    runner = Runner.from_cfg(Config(training(model, scenes, tmp_path, classes=classes)))
    for hook in (HOOKS.build({"type": "ClassCountHook"}), recorder):
        runner.register_hook(hook)
    with pytest.raises(DetectionError, match=message):
        runner.train()
    assert not recorder.losses


def test_classes_are_checked_within_wrapped_data_sets(scenes, tmp_path):
    config = training(mask_rcnn(), scenes, tmp_path, classes=("square", "circle"))
    loader = config["train_dataloader"]
    loader["dataset"] = {"type": "RepeatDataset", "times": 2, "dataset": loader["dataset"]}
    runner = Runner.from_cfg(Config(config))
    runner.register_hook(HOOKS.build({"type": "ClassCountHook"}))
    with pytest.raises(DetectionError, match=r"scenes.json has categories for 1 of them"):
        runner.train()


def test_a_loader_that_cannot_be_resumed_within_an_epoch_is_refused(scenes, tmp_path):
    with pytest.raises(DetectionError, match="needs a ResumableBatchSampler, SeedImage as the fir"):
        train(retinanet(), scenes, tmp_path, [ResumableHook()])
