"""Images per second of our training loop beside that of timm's training script.

    .venv/bin/python benchmarks/training.py [--output results/benchmarks] [--recipe NAME ...]

Both loops train the same network with the same optimiser, schedule, images and labels in one
process, by turns, so that a machine that is slower at times is slower for both. The images are
random numbers that are already where the network is. Without --recipe: ResNet-50, on a GPU in
bfloat16 with 256 images of 224 pixels, compiled and not; on a CPU small, and the embedded network.

timm's script is not part of its package. `TimmLoop` does what `train_one_epoch` of train.py (timm
1.0) does in each step: forward pass under autocast, backward pass, step of the optimiser, the
loss as a number for its meter (which waits for the GPU), gradients to None, moving average if
there is one, schedule. Task, optimiser, schedule and meter are timm's own.

Writes ``training.csv``, of which `polyrepro estimate` takes the speeds; measurements of other
networks and devices in it stay.
"""

import argparse
import statistics
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task import ClassificationTask
from timm.utils import AverageMeter
from torch import nn

from polyrepro.check_gpu.speed import epoch_seconds, one_pass_per_step, throughput, write_rows
from polyrepro.classification.synthetic import SyntheticBatches, now
from polyrepro.estimate.sizes import CLASSES
from polyrepro.recipes import RECIPES, ClassificationRecipe


class TimmLoop:
    """What timm's script does with the same recipe and images.

    Args:
        loader: gives images and targets of an epoch; by default the synthetic ones.
    """

    def __init__(
        self, recipe: ClassificationRecipe, data: SyntheticBatches, loader: Iterable | None = None
    ) -> None:
        self.recipe, self.data = recipe, data
        synthetic = [(data.batch.images, data.batch.targets)] * data.steps_per_epoch
        self.loader = synthetic if loader is None else loader
        network = timm.create_model(
            recipe.model,
            in_chans=data.channels,
            num_classes=len(data.classes),
            drop_path_rate=recipe.drop_path,
        )
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        network.to(data.device, memory_format=layout)
        criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.task = ClassificationTask(network, criterion, device=data.device, verbose=False)
        self.optimizer = create_optimizer_v2(
            network,
            opt=recipe.optimizer,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            **({} if recipe.optimizer_epsilon is None else {"eps": recipe.optimizer_epsilon}),
        )
        self.scheduler, _ = create_scheduler_v2(
            self.optimizer,
            sched="multistep" if recipe.schedule == "step" else recipe.schedule,
            num_epochs=recipe.epochs,
            decay_milestones=list(recipe.milestones),
            warmup_epochs=recipe.warmup_epochs,
            warmup_lr=0.0,
            step_on_epochs=False,
            updates_per_epoch=data.steps_per_epoch,
        )
        if recipe.ema_decay is not None:
            self.task.setup_ema(decay=recipe.ema_decay)
        if recipe.compile:
            self.task.compile()
        self.updates = 0
        self.seconds: list[float] = []

    def epoch(self) -> None:
        """As many steps as an epoch of our loop."""
        half = self.recipe.precision == "bfloat16"
        losses, update_time = AverageMeter(), AverageMeter()
        self.task.train()
        self.optimizer.zero_grad()
        started = last = now(self.data.device)
        for images, targets in self.loader:
            images, targets = images.to(self.data.device), targets.to(self.data.device)
            if self.recipe.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cuda", torch.bfloat16) if half else nullcontext():
                loss = self.task(images, targets)["loss"]
            loss.backward()
            self.optimizer.step()
            losses.update(loss.item(), len(images))
            self.updates += 1
            self.optimizer.zero_grad()
            self.task.update_ema(step=self.updates)
            update_time.update(time.perf_counter() - last)
            last = time.perf_counter()
            self.scheduler.step_update(num_updates=self.updates, metric=losses.avg)
        self.seconds.append(now(self.data.device) - started)


def measure(recipe: ClassificationRecipe, device: torch.device, steps: int, rounds: int) -> dict:
    """A row of the table; the first turn of each loop is for warming up."""
    recipe = one_pass_per_step(recipe, rounds + 1)
    data = SyntheticBatches(recipe, device, steps, CLASSES[recipe.dataset])
    theirs = TimmLoop(recipe, data)
    our_seconds = epoch_seconds(recipe, device, steps, before=theirs.epoch)
    images = steps * recipe.batch_size
    pairs = list(zip(our_seconds, theirs.seconds[1:], strict=True))
    ours, timms = (images / statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    low, ratio, high = statistics.quantiles([timm / our for our, timm in pairs], n=4)
    return throughput(recipe, device, ours, "benchmarks/training.py") | {
        "timm_images_per_second": round(timms, 2),
        "ratio": round(ratio, 4),
        "ratio_quartile_low": round(low, 4),
        "ratio_quartile_high": round(high, 4),
        "rounds": rounds,
        "steps_per_round": steps,
    }


def cases(device: torch.device, names: list[str]) -> list[tuple[ClassificationRecipe, int, int]]:
    """Recipe, steps per round and rounds."""
    if names:
        chosen = [RECIPES[name] for name in names]
    elif device.type == "cuda":
        large = {"images_per_device": 256}
        chosen = [
            RECIPES["resnet50_imagenet1k"].model_copy(update=large | {"compile": compiled})
            for compiled in (False, True)
        ]
    else:
        small = {"images_per_device": 8, "image_size": 64, "compile": False}
        resnet50 = RECIPES["resnet50_imagenet1k"].model_copy(update=small)
        return [(RECIPES["fashion_mnist"], 40, 15), (as_on_a_cpu(resnet50), 4, 7)]
    if device.type == "cuda":
        return [(recipe, 30, 9) for recipe in chosen]
    return [(as_on_a_cpu(recipe), 4, 9) for recipe in chosen]


def as_on_a_cpu(recipe: ClassificationRecipe) -> ClassificationRecipe:
    """There is no half precision there."""
    return recipe.model_copy(update={"precision": "float32", "cpu_precision": "float32"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--recipe", nargs="+", default=[], choices=sorted(RECIPES))
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True  # as timm's script does, and ours if not deterministic
    for recipe, steps, rounds in cases(device, options.recipe):
        row = measure(recipe, device, steps, rounds)
        write_rows(options.output / "training.csv", [row])
        print(
            f"{row['model']}, {row['batch_size']} images of {row['image_size']} px, "
            f"{row['precision']}{', compiled' if recipe.compile else ''}, {row['device']}: "
            f"{row['images_per_second']:.1f} images/s, timm {row['timm_images_per_second']:.1f}, "
            f"ratio {row['ratio']:.3f} ({row['ratio_quartile_low']:.3f} to "
            f"{row['ratio_quartile_high']:.3f})"
        )


if __name__ == "__main__":
    main()
