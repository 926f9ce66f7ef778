"""Configurations of the paper's scale, and ones that cannot be trained."""

import copy
import dataclasses

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from pydantic import ValidationError

from polyrepro.data.coco.coco_format import CocoData
from polyrepro.detection.configuration import run_config
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.readable_config import ReadableConfig
from polyrepro.detection.safe_loading import load_from_local_safely
from polyrepro.detection.small_models import WEIGHTS
from polyrepro.recipes import RECIPES
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Variant, poly_loss

COCO_CLASSES = tuple(f"class {number}" for number in range(80))


def coco(tmp_path, masks=True) -> CocoData:
    paths = {split: tmp_path / split for split in ("train", "validation", "test")}
    counts = {"splits": {split: {"images": 100} for split in paths}}
    return CocoData(
        name="coco",
        classes=COCO_CLASSES,
        masks=masks,
        annotations=paths,
        images=paths,
        citation=counts,
    )


def config_of(name, tmp_path, masks=True, count=8, workers=2, **changed):
    run = Run(
        recipe=RECIPES[name].model_copy(update=changed),
        variant=Variant(name="v", loss=poly_loss((-1.0,)), learning_rate_factor=0.5),
        seed=4,
    )
    processes = dataclasses.replace(Processes(torch.device("cpu")), count=count)
    return run_config(
        run, coco(tmp_path, masks), tmp_path, Execution(processes, workers=workers), None
    )


@pytest.mark.parametrize(
    ("name", "rate", "loss"),
    [("mask_rcnn_coco", 0.01, "CrossEntropyLoss"), ("retinanet_coco", 0.005, "FocalLoss")],
)
def test_the_paper_s_scale_trains_mmdetection_s_own_configuration(tmp_path, name, rate, loss):
    config = config_of(name, tmp_path)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum) == ("SGD", rate, 0.9)
    assert [s.get("milestones") for s in config.param_scheduler] == [None, [8, 11]]
    assert config.train_cfg["max_epochs"] == 12
    train, test = config.train_dataloader, config.test_dataloader
    # Sixteen images per step, whatever the number of processes.
    assert train.batch_size == 2 and train.num_workers == 2
    assert train.batch_sampler.inner.type == "AspectRatioBatchSampler"
    steps = [step["type"] for step in train.dataset.pipeline]
    assert steps[:2] == ["SeedImage", "LoadImageFromFile"]
    assert train.dataset.ann_file == str(tmp_path / "train")
    assert test.dataset.ann_file == str(tmp_path / "test")
    assert train.dataset.metainfo.classes == COCO_CLASSES
    assert config.custom_hooks == []
    # mmengine takes None for hooks of its own only.
    assert [name for name, hook in config.default_hooks.items() if hook is None] == ["checkpoint"]
    head = config.model.roi_head.bbox_head if "roi_head" in config.model else config.model.bbox_head
    assert head.loss_cls.type == loss and head.num_classes == 80
    assert config.model.backbone.depth == 50


@pytest.mark.parametrize("name", ["mask_rcnn_coco", "retinanet_coco"])
def test_the_short_scale_changes_images_and_schedule_and_nothing_else(tmp_path, name):
    whole, short = (config_of(n, tmp_path).to_dict() for n in (name, f"{name}_short"))
    assert short["train_cfg"].pop("max_epochs") == 6
    assert short["train_cfg"].pop("val_interval") == 6
    (multi,) = (s for s in short["param_scheduler"] if s["type"] == "MultiStepLR")
    assert (multi.pop("milestones"), multi.pop("end"), multi["gamma"]) == ([4, 5], 6, 0.1)
    for loader in ("train_dataloader", "test_dataloader"):
        pipeline = short[loader]["dataset"]["pipeline"]
        (resize,) = (step for step in pipeline if step["type"] == "Resize")
        assert tuple(resize.pop("scale")) == (853, 512) and resize["keep_ratio"]
    # The rest is that of the paper's scale.
    for key in ("max_epochs", "val_interval"):
        del whole["train_cfg"][key]
    (multi,) = (s for s in whole["param_scheduler"] if s["type"] == "MultiStepLR")
    assert (multi.pop("milestones"), multi.pop("end")) == ([8, 11], 12)
    for loader in ("train_dataloader", "test_dataloader"):
        (resize,) = (s for s in whole[loader]["dataset"]["pipeline"] if s["type"] == "Resize")
        assert tuple(resize.pop("scale")) == (1333, 800)
    for key in ("model", "train_dataloader", "test_dataloader", "param_scheduler", "optim_wrapper"):
        assert short[key] == whole[key], key


def test_what_cannot_be_trained_is_an_error_before_training(tmp_path):
    with pytest.raises(DetectionError, match="16 images per step cannot be divided among 5 proc"):
        config_of("mask_rcnn_coco", tmp_path, count=5)
    with pytest.raises(DetectionError, match="needs masks, but coco has objects without"):
        config_of("mask_rcnn_coco", tmp_path, masks=False)


def test_a_light_detector_has_a_mask_head_only_for_data_with_masks(tmp_path):
    for masks in (True, False):
        config = config_of("mask_rcnn_composites", tmp_path, masks, count=1, workers=0)
        model = MODELS.build(config.model)
        assert model.with_mask is masks
        assert model.roi_head.bbox_head.num_classes == 80
        frozen = [*model.backbone.parameters(), *model.neck.parameters()]
        assert not any(parameter.requires_grad for parameter in frozen)
        model.train()
        assert not model.backbone.body.training and model.roi_head.training
    config = config_of("retinanet_coco_folder", tmp_path, count=1, workers=0)
    model = MODELS.build(config.model).train()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.backbone.body.training


def test_the_embedded_weights_are_those_of_backbone_and_pyramid(tmp_path):
    weights = load_from_local_safely(WEIGHTS)["state_dict"]
    for name in ("mask_rcnn_composites", "retinanet_composites"):
        config = config_of(name, tmp_path, count=1, workers=0)
        assert config.load_from == str(WEIGHTS)
        state = MODELS.build(config.model).state_dict()
        parts = {key for key in state if key.startswith(("backbone.", "neck."))}
        counters = {key for key in parts if key.endswith("num_batches_tracked")}
        assert set(weights) == parts - counters
        assert all(weights[key].shape == state[key].shape for key in weights)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(DetectionError, match=r"damaged.safetensors cannot be read.*restore them"):
        load_from_local_safely(damaged)


def test_a_recipe_is_packaged_or_light_and_not_both():
    for name, change in (
        ("mask_rcnn_coco", {"image_size": 64}),
        ("retinanet_composites", {"warmup": None}),
    ):
        recipe = RECIPES[name]
        with pytest.raises(
            ValidationError, match=f"recipe {name}: give either config, or image_size"
        ):
            type(recipe).model_validate(recipe.model_dump() | change)
    light, packaged = RECIPES["retinanet_composites"], RECIPES["retinanet_coco_short"]
    with pytest.raises(ValidationError, match="scale and milestones belong to a config; a light"):
        type(light).model_validate(light.model_dump() | {"scale": (640, 400)})
    with pytest.raises(ValidationError, match=r"scale \(400, 640\) has the longer side first"):
        type(light).model_validate(packaged.model_dump() | {"scale": (400, 640)})


def test_the_text_of_a_configuration_is_quickly_made_and_read_again(tmp_path):
    packaged = get_config("mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py")
    packaged.note = "two\nlines, a 'quote' and " + "a long sentence " * 20
    readable = ReadableConfig.of(packaged)
    assert isinstance(copy.deepcopy(readable), ReadableConfig)
    assert readable.filename == packaged.filename
    readable.dump(tmp_path / "config.py")
    assert max(map(len, (tmp_path / "config.py").read_text().splitlines())) <= 100
    assert Config.fromfile(tmp_path / "config.py").to_dict() == packaged.to_dict()
