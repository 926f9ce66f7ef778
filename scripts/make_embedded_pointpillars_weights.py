"""Make polyrepro/data/embedded/pointpillars.safetensors: initial weights of the light PointPillars.

    python scripts/make_embedded_pointpillars_weights.py

The body (pillars, backbone and pyramid) is trained with a head of its own, which is thrown away, on
scenes that are drawn for this alone, each seen once, with the plain focal loss (gamma 2, alpha
0.25). No result uses any of these scenes: they come from another seed than the data set's. About
four minutes on a free core; the bits depend on the versions of torch and numpy.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from safetensors.torch import save_file
from torch import Tensor

import polyrepro.detection  # noqa: F401 - puts the operators in place
from polyrepro.data.drawn.lidar_drawing import CLASSES, draw_scene
from polyrepro.detection.lidar.small_pointpillars import BODY, WEIGHTS, pointpillars

SEED = 11
SCENES, BATCH = 4800, 4
LEARNING_RATE, WEIGHT_DECAY, WARMUP = 4e-3, 0.01, 0.1
CLIP_NORM = 10.0
PRINTED = 50
"""Steps per line of output."""


def batch(first: int) -> dict:
    """Scenes from this number on, as MMDetection3D passes them to a detector."""
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes

    points, samples = [], []
    for number in range(first, first + BATCH):
        scene = draw_scene(np.random.default_rng([SEED, number]))
        boxes = scene.boxes.copy()
        boxes[:, 2] -= boxes[:, 5] / 2
        found = InstanceData()
        found.bboxes_3d = LiDARInstance3DBoxes(torch.from_numpy(boxes).float().reshape(-1, 7))
        found.labels_3d = torch.from_numpy(scene.labels)
        sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
        sample.gt_instances_3d = found
        points.append(torch.from_numpy(scene.points))
        samples.append(sample)
    return {"inputs": {"points": points}, "data_samples": samples}


def loss_of(model: torch.nn.Module, data: dict) -> tuple[Tensor, Tensor]:
    """The whole loss, and the focal loss in it."""
    data = model.data_preprocessor(data, training=True)
    losses = model.loss(data["inputs"], data["data_samples"])
    parts = {name: sum(value) for name, value in losses.items() if name.startswith("loss")}
    return sum(parts.values()), parts["loss_cls"]


def train(model: torch.nn.Module) -> None:
    """Train over all scenes once; prints means of the losses."""
    steps = SCENES // BATCH
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, steps, pct_start=WARMUP
    )
    seen = []
    for step in range(steps):
        loss, focal = loss_of(model, batch(step * BATCH))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimiser.step()
        schedule.step()
        seen.append((loss.item(), focal.item()))
        if (step + 1) % PRINTED == 0:
            means = np.mean(seen[-PRINTED:], 0)
            print(
                f"step {step + 1} of {steps}: loss {means[0]:.3f}, focal {means[1]:.3f}", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    init_default_scope("mmdet3d")
    import mmdet3d.models  # noqa: F401
    from mmdet3d.registry import MODELS

    model = MODELS.build(ConfigDict(pointpillars(CLASSES)))
    model.init_weights()
    model.train()
    train(model)
    # Half precision is enough for initial weights, and half the size.
    weights = {
        name: value.half().contiguous()
        for name, value in model.state_dict().items()
        if value.is_floating_point() and name.startswith(BODY)
    }
    save_file(weights, options.output)
    print(f"sha256 {hashlib.sha256(options.output.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
