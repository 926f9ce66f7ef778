"""What the methods section says is what the code does."""

import re

import timm
from torch import nn

import polyrepro.classification.models  # noqa: F401
from polyrepro.report.method_values import KERNELS, NETWORK, method_values


def test_the_small_network_is_the_one_described(plan):
    network = timm.create_model(NETWORK, num_classes=3)
    found = [
        (layer.kernel_size[0], layer.kernel_size[1], layer.stride[0], layer.out_channels)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    numbers = [int(number) for number in re.findall(r"\d+", KERNELS)]
    assert numbers == [number for layer in found for number in layer]
    shown = method_values(plan)["network"]
    assert shown["features"] == str(network.get_classifier().in_features)


def test_studies_have_their_seeds_and_margins(plan):
    (study,) = method_values(plan)["studies"]
    assert study["title"] == "Truncation: how many terms are needed"
    assert (study["variants"], study["choose"], study["test"]) == (5, 0, 3)
    assert (study["planned"], study["margins"]) == ("10", "1")
