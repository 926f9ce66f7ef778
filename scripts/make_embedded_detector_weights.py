"""Make polyrepro/data/embedded/detector.safetensors: initial weights of the light detectors.

    python scripts/make_embedded_detector_weights.py

The paper's detectors start from a backbone trained on ImageNet. The light ones start from this
backbone and feature pyramid, trained on composites of the training garments and of no others, with
plain cross-entropy: each cell of the pyramid learns the class of the garment that covers its
centre, or background, and the distances to the sides of that garment's box. All classes are equally
frequent, and the scenes are drawn from other random numbers than those of the data set. About ten
minutes on one core; the bits depend on the versions of torch and numpy.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from polyrepro.data.drawn.composite_drawing import SIDE, draw_scene
from polyrepro.data.in_memory.fashion_mnist import load_fashion_mnist
from polyrepro.data.in_memory.image_arrays import ImageArrays
from polyrepro.detection.small_models import CHANNELS, MEAN, STD, WEIGHTS, features

SEED = 7
SCENES, EPOCHS, BATCH = 8000, 9, 16
LEARNING_RATE, WEIGHT_DECAY, WARMUP = 2e-3, 0.05, 0.1


class DenseClassifier(nn.Module):
    """Backbone and pyramid with a prediction per cell: classes, background, four distances."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        # MMDetection's registry is known once polyrepro.detection has been imported.
        from mmdet.registry import MODELS

        parts, self.strides = features(frozen=False)
        self.backbone, self.neck = MODELS.build(parts["backbone"]), MODELS.build(parts["neck"])
        self.heads = nn.ModuleList(nn.Conv2d(CHANNELS, classes + 5, 1) for _ in self.strides)

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = self.neck(self.backbone(images))
        return [head(level) for head, level in zip(self.heads, levels, strict=True)]


def draw(garments: ImageArrays, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scenes: pixels (n, 3, h, w), class per pixel (n, h, w), box of its owner (n, 4, h, w)."""
    classes = len(garments.classes)
    frequencies = np.full(classes, 1 / classes)
    pixels = np.zeros((count, SIDE, SIDE, 3), np.uint8)
    labels = np.full((count, SIDE, SIDE), classes, np.int64)
    boxes = np.zeros((count, 4, SIDE, SIDE), np.float32)
    for number in range(count):
        random = np.random.default_rng([SEED, number])
        scene = draw_scene(garments.splits["train"], frequencies, random)
        pixels[number] = scene.pixels
        for mask, label in zip(scene.masks, scene.labels, strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            labels[number][mask] = label
            sides = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            boxes[number][:, mask] = np.array(sides)[:, None]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    return images, torch.from_numpy(labels), torch.from_numpy(boxes)


def augmented(images: Tensor, labels: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A normalised batch, mirrored or not, with its colours exchanged."""
    images = images[:, torch.randperm(3)]
    if torch.rand(()) < 0.5:
        left, top, right, bottom = boxes.flip(-1).unbind(1)
        boxes = torch.stack([SIDE - right, top, SIDE - left, bottom], 1)
        images, labels = images.flip(-1), labels.flip(-1)
    return (images.float() - MEAN) / STD, labels, boxes


def loss_of(outputs: list[Tensor], strides: list[int], labels: Tensor, boxes: Tensor) -> Tensor:
    """Cross-entropy of the cells' classes plus the L1 distance of garments' sides, in strides."""
    total = torch.zeros(())
    for output, stride in zip(outputs, strides, strict=True):
        centre = slice(stride // 2, None, stride)
        label, box = labels[:, centre, centre], boxes[:, :, centre, centre]
        total = total + functional.cross_entropy(output[:, :-4], label)
        x = torch.arange(SIDE)[centre].float()
        place = torch.stack([x.expand(len(x), -1), x.expand(len(x), -1).T] * 2)
        distance = (box - place) / (4 * stride)
        covered = (label < output.shape[1] - 5).unsqueeze(1).expand_as(distance)
        total = total + functional.l1_loss(output[:, -4:][covered], distance[covered])
    return total


def train(model: DenseClassifier, data: tuple[Tensor, Tensor, Tensor]) -> None:
    """Train for all epochs; prints the mean loss of each."""
    scenes = len(data[0]) // BATCH * BATCH
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, EPOCHS * scenes // BATCH, pct_start=WARMUP
    )
    for epoch in range(EPOCHS):
        losses = []
        for batch in torch.randperm(len(data[0]))[:scenes].split(BATCH):
            images, labels, boxes = augmented(*(part[batch] for part in data))
            loss = loss_of(model(images), model.strides, labels, boxes)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    garments = load_fashion_mnist()
    model = DenseClassifier(len(garments.classes))
    train(model, draw(garments, SCENES))
    # Half precision is enough for initial weights, and half the size.
    weights = {
        name: value.half().contiguous()
        for name, value in model.state_dict().items()
        if value.is_floating_point() and not name.startswith("heads.")
    }
    save_file(weights, options.output)


if __name__ == "__main__":
    main()
