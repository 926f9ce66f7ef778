"""benchmarks/training.py: a tiny measurement, and that the estimate understands its table."""

import importlib.util
from pathlib import Path

import pytest
import torch

from polyrepro.classification import loop
from polyrepro.estimate.throughputs import rate_of, read_throughputs
from polyrepro.recipes import RECIPES
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Variant

ROOT = Path(__file__).parents[2]
CROSS_ENTROPY = Variant(name="cross_entropy")
RECIPE = RECIPES["fashion_mnist"].model_copy(update={"images_per_device": 8, "ema_decay": 0.9})


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("training", ROOT / "benchmarks/training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_loops_make_the_same_steps_and_the_estimate_uses_our_speed(benchmark, tmp_path):
    row = benchmark.measure(RECIPE, torch.device("cpu"), steps=2, rounds=3)
    assert row["images_per_second"] > 0 and row["timm_images_per_second"] > 0
    assert row["ratio_quartile_low"] <= row["ratio"] <= row["ratio_quartile_high"]
    path = tmp_path / "training.csv"
    other = row | {"device": "another", "images_per_second": 1.0}
    for rows in ([other], [row | {"images_per_second": 2.0}], [row]):
        benchmark.write_rows(path, rows)
    table = read_throughputs(measured=(path,))[-2:]
    assert [entry.images_per_second for entry in table] == [1.0, row["images_per_second"]]
    rate = rate_of(RECIPES["fashion_mnist"], "cpu", read_throughputs(measured=(path,)))
    assert rate.origin.status == "measured" and rate.scaled == 1


def test_timms_loop_makes_the_steps_that_ours_does(benchmark):
    """Same network, images, optimiser and schedule: they end with the same weights."""
    recipe = RECIPE.model_copy(update={"batch_size": 8, "epochs": 2})
    data = benchmark.SyntheticBatches(recipe, torch.device("cpu"), steps=3, classes=10)
    run = Run(recipe=recipe, variant=CROSS_ENTROPY, seed=0)
    ours = loop._Training(run, data, Execution(Processes(torch.device("cpu"))), None)
    theirs = benchmark.TimmLoop(recipe, data)
    theirs.task.trainable_module.load_state_dict(ours.state.network.state_dict())
    ours.to_the_end()
    for _ in range(recipe.epochs):
        theirs.epoch()
    torch.testing.assert_close(
        dict(theirs.task.trainable_module.state_dict()), dict(ours.state.network.state_dict())
    )
