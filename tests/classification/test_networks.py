"""One network for the runs of a job: same numbers as alone, compiled once, captured once.

No GPU is needed: the choices that depend on one are replaced, and what captures CUDA graphs by
something that writes its results to the same memory every time, as they do.
"""

import functools

import pytest
import torch
from small_trainings import ALONE, CROSS_ENTROPY, HERE, POLY1, history, without_times
from torch import nn

from polyrepro.classification import evaluator, networks
from polyrepro.classification.batches import MemoryBatches
from polyrepro.classification.evaluator import filled_up
from polyrepro.classification.loop import train
from polyrepro.classification.models import ConvNet
from polyrepro.data import load
from polyrepro.recipes import RECIPES
from polyrepro.recipes.fashion_mnist import FASHION_MNIST
from polyrepro.running.processes import Processes
from polyrepro.runs import Run

RECIPE = FASHION_MNIST.model_copy(update={"epochs": 1, "train_images": 1280})
RUNS = [
    Run(recipe=RECIPE, variant=variant, seed=seed)
    for variant, seed in ((POLY1, 1), (CROSS_ENTROPY, 0), (POLY1, 0))
]


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


@pytest.fixture(scope="module")
def alone(data):
    """The history of each run, trained with a network of its own."""
    return [history(run, data) for run in RUNS]


@pytest.fixture
def one_network(monkeypatch):
    monkeypatch.setattr(networks, "kept_between_runs", lambda processes: True)
    monkeypatch.setattr(networks, "_KEPT", {})


def test_runs_that_share_a_network_end_as_they_do_alone(data, alone, one_network):
    trained = [train(run, data, HERE) for run in RUNS]
    assert trained[0].network is trained[2].network
    assert [without_times(each.history) for each in trained] == alone


def test_another_network_takes_the_place_of_the_last_one(one_network):
    first = networks.build_network(RUNS[0], 1, 10, ALONE, False)
    other = networks.build_network(RUNS[0], 1, 20, ALONE, False)
    assert first.network is not other.network
    assert networks.build_network(RUNS[1], 1, 20, ALONE, False).network is other.network


def test_training_and_evaluation_are_compiled_once_for_all_runs(
    data, alone, one_network, monkeypatch
):
    """2,000 images are evaluated in batches of 300, of which the last one has 200."""
    compiled = []
    whole = MemoryBatches.evaluation
    monkeypatch.setattr(MemoryBatches, "evaluation", lambda self, split: whole(self, split, 300))

    def counting(graph, inputs):
        compiled.append([tuple(i.shape) for i in inputs if i.shape[1:] == (1, 28, 28)])
        return graph.forward

    for module in (networks, evaluator):
        monkeypatch.setattr(module, "compiles", lambda recipe, device: True)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=counting))
    torch._dynamo.reset()
    trained = [history(run, data) for run in RUNS]
    assert compiled == [[(128, 1, 28, 28)], [(300, 1, 28, 28)]]
    for rows, expected in zip(trained, alone, strict=True):
        assert rows[0] == expected[0]  # of training; another batch in evaluation rounds otherwise
        assert [row["top1"] for row in rows] == [row["top1"] for row in expected]


def test_a_filled_up_batch_changes_no_logits():
    network = ConvNet().eval()
    images = torch.randn(3, 1, 28, 28)
    full = filled_up(images, 8)
    assert full.shape == (8, 1, 28, 28) and filled_up(full, 8) is full
    torch.testing.assert_close(network(full)[:3], network(images))


def replaying(holder, samples):
    """What `torch.cuda.make_graphed_callables` does to a module, without a GPU.

    Results are in the same memory in each pass. Warming up moves running statistics.
    """
    weights, forward = list(holder.parameters()), holder.forward
    for _ in range(3):
        logits = forward(*samples)
    out, gradients = torch.empty_like(logits), [torch.empty_like(w) for w in weights]
    seen = torch.empty_like(samples[0])

    class Replay(torch.autograd.Function):
        @staticmethod
        def forward(ctx, images, *_):
            seen.copy_(images)
            with torch.enable_grad():
                ctx.logits = forward(seen)
            out.copy_(ctx.logits)
            return out.detach()

        @staticmethod
        def backward(ctx, by_logits):
            for kept, new in zip(
                gradients, torch.autograd.grad(ctx.logits, weights, by_logits), strict=True
            ):
                kept.copy_(new)
            return None, *(kept.detach() for kept in gradients)

    holder.forward = lambda images: Replay.apply(images, *weights)
    return holder


@pytest.fixture
def captures(monkeypatch):
    """Counts the captures."""
    calls = []

    def capture(holder, samples):
        calls.append(samples[0].shape)
        return replaying(holder, samples)

    monkeypatch.setattr(networks, "replays", lambda recipe, processes, in_memory: in_memory)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    return calls


def test_replayed_runs_end_as_they_do_without_graphs(data, alone, one_network, captures):
    assert [history(run, data) for run in RUNS] == alone
    assert captures == [(128, 1, 28, 28)]


def test_a_moving_average_does_not_share_the_graphs(data, one_network, captures):
    run = Run(recipe=RECIPE.model_copy(update={"ema_decay": 0.5}), variant=POLY1, seed=0)
    both = [history(run, data) for _ in range(2)]
    networks._KEPT.clear()
    captures_before = len(captures)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "replays", lambda recipe, processes, in_memory: False)
        without = history(run, data)
    assert both == [without, without]
    assert len(captures) == captures_before == 1


def test_a_batch_of_another_shape_is_not_replayed(captures):
    replayed = networks.ReplayedNetwork(ConvNet())
    reference = ConvNet()
    reference.load_state_dict(replayed.module.state_dict())
    for count in (4, 3, 4):
        images = torch.randn(count, 1, 28, 28)
        torch.testing.assert_close(replayed(images), reference(images), rtol=0, atol=0)
    assert len(captures) == 1
    torch.testing.assert_close(replayed.eval()(images), reference.eval()(images))


def test_a_network_that_cannot_be_captured_is_trained_without(monkeypatch, capsys):
    def refuse(holder, samples):
        holder(*samples)
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten())
    replayed = networks.ReplayedNetwork(network)
    replayed(torch.ones(2, 1, 2, 2))
    replayed(torch.ones(2, 1, 2, 2))
    assert network[0].num_batches_tracked == 2
    message = "trained without CUDA graphs, which this network refuses: operation not permitted "
    assert capsys.readouterr().err == message + "when stream is capturing\n"


@pytest.mark.parametrize(
    ("name", "in_memory", "count", "expected"),
    [
        ("kanji", True, 1, True),
        ("kanji", False, 1, False),  # streamed: captures and reading threads do not go together
        ("kanji", True, 2, False),
        ("resnet50_imagenet1k", True, 1, False),  # compiled, eight passes
        ("efficientnetv2_s_imagenet21k", True, 1, False),  # stochastic depth
    ],
)
def test_small_networks_are_replayed_on_a_gpu(name, in_memory, count, expected):
    gpu = Processes(torch.device("cuda"), count=count)
    assert networks.replays(RECIPES[name], gpu, in_memory) == expected
    assert not networks.replays(RECIPES[name], ALONE, in_memory)
    assert networks.kept_between_runs(gpu) == (count == 1)
    assert not networks.kept_between_runs(ALONE)
