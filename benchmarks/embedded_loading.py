"""Our training of the embedded network beside timm's loop with a standard loader, same images.

    .venv/bin/python benchmarks/embedded_loading.py [--recipe fashion_mnist] [--workers 0]

Ours keeps the images on the device and augments there, a batch at once. The other one is what
people write: torch's DataLoader over PIL images with torchvision's RandomCrop,
RandomHorizontalFlip, ToTensor and Normalize, in `--workers` processes (0: in this one), and the
loop of benchmarks/training.py. `ratio` is their time over ours for all epochs of the recipe, of
which ours has the evaluations in it: processor time on a CPU (with 0 workers), which hardly depends
on what else runs, and the time on the clock on a GPU. A shorter training of each comes first.
"""

import argparse
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from training import TimmLoop

from polyrepro.classification.loop import train
from polyrepro.classification.synthetic import SyntheticBatches, now
from polyrepro.data import ImageArrays, load
from polyrepro.recipes import RECIPES, ClassificationRecipe
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import cross_entropy


class TrainingImages(Dataset):
    """The training images with the recipe's augmentation, one by one."""

    def __init__(self, data: ImageArrays, recipe: ClassificationRecipe) -> None:
        self.split = data.splits["train"]
        steps = [transforms.RandomCrop(recipe.image_size, padding=recipe.max_shift)]
        steps += [transforms.RandomHorizontalFlip()] if recipe.horizontal_flip else []
        normalise = transforms.Normalize(data.mean, data.std)
        self.transform = transforms.Compose([*steps, transforms.ToTensor(), normalise])

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.split.images[number])
        return self.transform(image), int(self.split.labels[number])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="fashion_mnist", choices=("fashion_mnist", "kanji"))
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe, data = RECIPES[options.recipe], load(RECIPES[options.recipe].dataset)
    loader = DataLoader(
        TrainingImages(data, recipe),
        recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        pin_memory=device.type == "cuda",
        persistent_workers=options.workers > 0,
    )
    shape = SyntheticBatches(recipe, device, len(loader), len(data.classes))
    theirs = TimmLoop(recipe, shape, loader)

    def our_training(epochs: int) -> None:
        changed = recipe.model_copy(update={"epochs": epochs})
        run = Run(recipe=changed, variant=cross_entropy(), seed=0)
        train(run, data, Execution(Processes(device)))

    def their_training(epochs: int) -> None:
        for _ in range(epochs):
            theirs.epoch()

    clock = time.process_time if device.type == "cpu" else lambda: now(device)
    seconds = []
    for training in (our_training, their_training):
        training(1)
        started = clock()
        training(recipe.epochs)
        seconds.append(clock() - started)
    ours, other = seconds
    images = recipe.epochs * len(loader) * recipe.batch_size
    print(
        f"{recipe.name}: {images / ours:,.0f} images/s, timm's loop with a DataLoader "
        f"{images / other:,.0f}, ratio {other / ours:.2f}"
    )


if __name__ == "__main__":
    main()
