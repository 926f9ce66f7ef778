"""Small images with objects, and configurations of trainings on them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("square", "disc")
CATEGORY_IDS = (3, 90)  # with a gap, as COCO has them
SIDE = 64


def write_scenes(folder: Path, images: int = 4, seed: int = 0) -> Path:
    """PNG images with bright objects and a COCO file; the last image has no object."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    entries, annotations = [], []
    for number in range(images):
        pixels = random.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        entries.append({"id": number + 1, "file_name": f"{number}.png", "width": SIDE})
        entries[-1]["height"] = SIDE
        for _ in range(0 if number == images - 1 else 2):
            size, kind = int(random.integers(16, 30)), int(random.integers(2))
            x, y = (int(value) for value in random.integers(0, SIDE - size, 2))
            pixels[y : y + size, x : x + size, kind] = 220
            corners = [x, y, x + size, y, x + size, y + size, x, y + size]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": CATEGORY_IDS[kind],
                    "bbox": [x, y, size, size],
                    "area": size * size,
                    "segmentation": [corners],
                    "iscrowd": 0,
                }
            )
        Image.fromarray(pixels).save(folder / f"{number}.png")
    categories = [
        {"id": number, "name": name} for number, name in zip(CATEGORY_IDS, CLASSES, strict=True)
    ]
    content = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / "scenes.json").write_text(json.dumps(content))
    return folder


def _pipeline(training: bool) -> list[dict]:
    annotations = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    resize = {"type": "Resize", "scale": (SIDE, SIDE), "keep_ratio": True}
    pack = {"type": "PackDetInputs"}
    if training:
        flip = {"type": "RandomFlip", "prob": 0.5}
        return [{"type": "LoadImageFromFile"}, annotations, resize, flip, pack]
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    return [{"type": "LoadImageFromFile"}, resize, annotations, {**pack, "meta_keys": keys}]


def _loader(scenes: Path, training: bool, classes: tuple[str, ...]) -> dict:
    return {
        "batch_size": 2,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": training},
        "dataset": {
            "type": "CocoDataset",
            "ann_file": str(scenes / "scenes.json"),
            "data_prefix": {"img": str(scenes)},
            "metainfo": {"classes": classes},
            "pipeline": _pipeline(training),
            "test_mode": not training,
            "filter_cfg": {"filter_empty_gt": False},
        },
    }


def training(
    model: dict,
    scenes: Path,
    work_dir: Path,
    hooks: list[dict] | None = None,
    epochs: int = 1,
    classes: tuple[str, ...] = CLASSES,
    validate: bool = False,
    **more,
) -> dict:
    """Configuration of a whole run, for ``mmengine.runner.Runner.from_cfg``."""
    config = {
        "default_scope": "mmdet",
        # mmengine keeps state in this process under the name of the experiment.
        "experiment_name": str(work_dir).replace("/", "_"),
        "model": model,
        "work_dir": str(work_dir),
        "train_dataloader": _loader(scenes, True, classes),
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": epochs, "val_interval": 1},
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9},
        },
        "param_scheduler": [{"type": "MultiStepLR", "milestones": [2], "gamma": 0.5}],
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
        "custom_hooks": hooks or [],
        "randomness": {"seed": 5},
        "log_level": "INFO",
    }
    if validate:
        config["val_dataloader"] = _loader(scenes, False, classes)
        config["val_cfg"] = {"type": "ValLoop"}
        config["val_evaluator"] = {
            "type": "CocoMetric",
            "ann_file": str(scenes / "scenes.json"),
            "metric": ["bbox"],
        }
    return {**config, **more}
