"""benchmarks/cache.py: a tiny measurement, whose ratios are those of its own columns."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest
from image_trees import write_tree

ROOT = Path(__file__).parents[2]


def test_every_way_to_store_images_is_measured_beside_decoding(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("cache", ROOT / "benchmarks/cache.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    root = write_tree(tmp_path / "photographs")
    options = ["--photographs", "4", "--rounds", "2", "--workers", "1"]
    monkeypatch.setattr(
        sys, "argv", ["cache.py", str(root), "--output", str(tmp_path / "out"), *options]
    )
    benchmark.main()
    table = pd.read_csv(tmp_path / "out" / "cache.csv")
    shown = table.groupby("what", sort=False)["storage"].agg(list)
    ways = ["originals", "cache (JPEG 90)", "JPEG 95", "pixels"]
    assert shown.tolist() == [ways] * 4 + [ways[:2]]
    assert list(shown.index[:3]) == [f"training, {size} px" for size in (128, 160, 192)]
    first = table.groupby("what")["milliseconds"].transform("first")
    assert table["ratio"].tolist() == pytest.approx(
        (first / table["milliseconds"]).tolist(), rel=0.1
    )
    # The pictures are smaller than the cache's, so it keeps their bytes.
    sizes = table.set_index("storage")["bytes"].groupby(level=0).first()
    assert sizes["originals"] == sizes["cache (JPEG 90)"] < sizes["pixels"]
