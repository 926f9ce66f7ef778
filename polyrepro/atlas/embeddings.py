"""Ranking hinge and contrastive loss on linear embeddings of the embedded images."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from polyrepro.atlas.drawing import BLUE, GREY, name_panels, wide_figure
from polyrepro.atlas.margin_losses import contrastive, ranking_hinge
from polyrepro.atlas.shown import DIMENSIONS
from polyrepro.atlas.statements import SURVEY, Finding, finding_above, percent, states
from polyrepro.data import load

TRAIN_IMAGES, TEST_IMAGES = 2000, 1000
STEPS, BATCH, RATE = 100, 256, 3e-3
RANKING_MARGIN, CONTRASTIVE_MARGIN = 0.2, 1.0
"""Of cosine similarities, and of distances between points on the unit sphere."""
SEEDS = range(5)
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def ranking_loss(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """An image of the anchor's class should be more similar to it than one of another class."""
    return ranking_hinge((anchor * positive).sum(1), (anchor * negative).sum(1), RANKING_MARGIN)


def contrastive_loss(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The pairs of each class and of two classes, half and half."""
    same = torch.ones(len(anchor), dtype=torch.bool)
    together = contrastive((anchor - positive).norm(dim=1), same, CONTRASTIVE_MARGIN)
    apart = contrastive((anchor - negative).norm(dim=1), ~same, CONTRASTIVE_MARGIN)
    return together + apart


@cache
def images(split: str, count: int) -> tuple[Tensor, Tensor]:
    """The first images of a split as centred vectors `(count, 784)`, and their labels."""
    data = load("fashion_mnist")
    part = data.splits[split]
    pixels = torch.from_numpy(part.images[:count].reshape(count, -1).astype(np.float32)) / 255
    return pixels - data.mean, torch.from_numpy(part.labels[:count])


@cache
def trained(loss: Loss, seed: int) -> Tensor:
    """A projection `(784, DIMENSIONS)` trained on triplets; its start depends on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    pixels, labels = images("train", TRAIN_IMAGES)
    projection = start(seed).requires_grad_()
    optimiser = torch.optim.Adam([projection], RATE)
    for _ in range(STEPS):
        triplet = draw_triplets(labels, BATCH, generator)
        value = loss(*(embed(pixels[index], projection) for index in triplet)).mean()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return projection.detach()


def start(seed: int) -> Tensor:
    """A random projection."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(784, DIMENSIONS, generator=generator) / 28


def embed(pixels: Tensor, projection: Tensor) -> Tensor:
    """Points on the unit sphere, `(images, DIMENSIONS)`."""
    return torch.nn.functional.normalize(pixels @ projection)


def draw_triplets(labels: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """Indices of anchors, of images of their classes, and of images of other classes."""
    # With ten classes one in eleven random triples fits, so that twenty times as many suffice.
    triples = torch.randint(len(labels), (3, 20 * count), generator=generator)
    anchor, positive, negative = triples
    same, other = labels[anchor] == labels[positive], labels[anchor] != labels[negative]
    fitting = torch.nonzero(same & other & (anchor != positive))[:count, 0]
    return list(triples[:, fitting])


def right_order(projection: Tensor) -> float:
    """Share of test triplets in which the image of the same class is the more similar one."""
    pixels, labels = images("test", TEST_IMAGES)
    triplet = draw_triplets(labels, 4000, torch.Generator().manual_seed(99))
    anchor, positive, negative = (embed(pixels[index], projection) for index in triplet)
    return float(((anchor * positive).sum(1) > (anchor * negative).sum(1)).double().mean())


@states("Ranking hinge learns an order: images of one class become the more similar ones.", SURVEY)
def ranking_hinge_orders_embeddings() -> Finding:
    return _raises_the_order(ranking_loss)


@states("Contrastive loss learns embeddings in which classes lie together.", SURVEY)
def contrastive_loss_groups_embeddings() -> Finding:
    return _raises_the_order(contrastive_loss)


def figure() -> Figure:
    """Similarities of test pairs of one class and of two, before and after training."""
    drawing, panels = wide_figure(2.2, ncols=3)
    pixels, labels = images("test", TEST_IMAGES)
    triplet = draw_triplets(labels, 4000, torch.Generator().manual_seed(99))
    projections = (start(0), trained(ranking_loss, 0), trained(contrastive_loss, 0))
    bins = np.linspace(-1, 1, 41)
    for axes, projection in zip(panels, projections, strict=True):
        anchor, *others = (embed(pixels[index], projection) for index in triplet)
        looks = ((BLUE, "one class"), (GREY, "two classes"))
        for other, (colour, label) in zip(others, looks, strict=True):
            similarity = (anchor * other).sum(1).numpy()
            shares = np.full(len(similarity), 1 / len(similarity))
            axes.hist(similarity, bins, weights=shares, color=colour, alpha=0.55, label=label)
        share = f"{percent(right_order(projection), 0)} in order"
        axes.text(0.04, 0.6, share, transform=axes.transAxes, fontsize=7)
        axes.set(xlabel="cosine similarity", xlim=(-1, 1))
    panels[0].set(ylabel="share of pairs")
    panels[0].legend(loc="upper left")
    name_panels(panels, ["random projection", "ranking hinge", "contrastive loss"])
    return drawing


def _raises_the_order(loss: Loss) -> Finding:
    before = np.array([right_order(start(seed)) for seed in SEEDS])
    after = np.array([right_order(trained(loss, seed)) for seed in SEEDS])
    text = f"test triplets in the right order: {percent(before.mean())} before training, "
    text += f"{percent(after.mean())} after, {len(SEEDS)} starts; difference"
    return finding_above(after - before, 0, text, "points")
