"""A few steps of every kind of classifier: replayed from CUDA graphs, or with a moving average."""

import torch

from polyrepro.check_gpu.outcome import CheckFailedError
from polyrepro.check_gpu.speed import epoch_seconds, one_pass_per_step
from polyrepro.classification.loop import train
from polyrepro.classification.models import ConvNet
from polyrepro.classification.networks import ReplayedNetwork
from polyrepro.data import load
from polyrepro.recipes import RECIPES
from polyrepro.running.determinism import determinism
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import cross_entropy, poly1


def check_classifiers(device: torch.device) -> str:
    """Runs in one process end as they do alone; replayed steps as they do without graphs."""
    _check_shared_network(device)
    graphs = _check_graphs(device) if device.type == "cuda" else "graphs need a GPU"
    _train_larger_networks(device)
    return f"kanji: a repeated run gives the same bits; {graphs}; ResNet-9, EfficientNetV2-S train"


def _check_shared_network(device: torch.device) -> None:
    """The first and the third run are the same, with another loss in between."""
    recipe = RECIPES["kanji"].model_copy(update={"epochs": 1, "train_images": 1280})
    data, execution = load("kanji"), Execution(Processes(device))
    histories = []
    for variant in (poly1(2.0), cross_entropy(), poly1(2.0)):
        run = Run(recipe=recipe, variant=variant, seed=0)
        with determinism(execution, recipe.precision):
            rows = train(run, data, execution).history
        times = ("seconds", "images_per_second")
        histories.append([{k: v for k, v in row.items() if k not in times} for row in rows])
    if histories[0] != histories[2]:
        raise CheckFailedError(
            "a run of kanji that is repeated in the same process, with deterministic algorithms, "
            f"ends with loss {histories[2][-1]['loss']!r} instead of {histories[0][-1]['loss']!r}"
        )


def _check_graphs(device: torch.device) -> str:
    """Ten steps of the embedded network with and without CUDA graphs."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(10, 128, 1, 28, 28, generator=generator).to(device)
    targets = torch.randint(10, (10, 128), generator=generator).to(device)
    states = []
    with determinism(Execution(Processes(device)), "float32"):
        for wrapped in (False, True):
            torch.manual_seed(0)
            network = ConvNet().to(device)
            trained = ReplayedNetwork(network) if wrapped else network
            optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
            for batch, target in zip(images, targets, strict=True):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(trained(batch), target).backward()
                optimizer.step()
            if wrapped and trained.captured is None:
                raise CheckFailedError("the embedded network cannot be captured (see the log)")
            states.append(network.state_dict())
    for name, value in states[0].items():
        if not torch.allclose(value, states[1][name], rtol=1e-4, atol=1e-6):
            raise CheckFailedError(f"{name} differs after ten steps replayed from CUDA graphs")
    same = all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    return f"replayed steps agree ({'to the bit' if same else 'up to rounding'})"


def _train_larger_networks(device: torch.device) -> None:
    """Half precision, RMSProp, moving average, stochastic depth; a loss that is NaN stops it.

    ResNet-9 is replayed, in half precision.
    """
    sizes = {"image_size": 128, "evaluation_size": 128, "images_per_device": 8}
    for name, changes in (("resnet9_images32", {}), ("efficientnetv2_s_imagenet21k", sizes)):
        if device.type == "cpu":
            changes = {"image_size": 32, "images_per_device": 2, "precision": "float32"}
        recipe = one_pass_per_step(RECIPES[name].model_copy(update=changes), 1)
        epoch_seconds(recipe, device, steps=3)
