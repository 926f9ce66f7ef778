"""A row of a table of images per second."""

from polyrepro.estimate.throughputs import Throughput


def row(**changes):
    entries = {
        "model": "resnet50",
        "image_size": 224,
        "precision": "float16",
        "compile": False,
        "processor": "gpu",
        "device": "some GPU",
        "images_per_second": 1000.0,
        "status": "given",
        "source": "a table",
    }
    return Throughput(**entries | changes)
