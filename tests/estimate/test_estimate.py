"""The price of a configuration: numbers by hand, cut down, unknown, and bad tables."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from throughput_rows import row

from polyrepro.cli import main
from polyrepro.data import DATASETS, load
from polyrepro.data.indexed.image_datasets import IMAGE_DATASETS
from polyrepro.estimate import estimate, read_throughputs, study_prices
from polyrepro.estimate.sizes import CLASSES, IMAGES, state_count, weight_count
from polyrepro.estimate.throughputs import GIVEN
from polyrepro.plan import Plan
from polyrepro.recipes import RECIPES
from polyrepro.settings import CONFIGURATIONS, check_settings, read_config

RESNET50 = RECIPES["resnet50_imagenet1k"]
WEIGHTS = {"efficientnetv2_s_imagenet21k": {"path": "weights/s.safetensors", "sha256": "0" * 64}}


def cost_of(rows=(), scale="paper", **changes):
    """The estimate of a scale with some settings changed."""
    config = read_config(CONFIGURATIONS[scale]) | {"results": "results/none"} | changes
    return estimate(Plan(check_settings(config)), list(rows))


def test_hours_by_hand():
    """ResNet-50: 90 epochs of 1,271,167 images; 10,000 evaluated after each, 50,000 in the end."""
    result = cost_of([row()], studies="truncation", seeds=2)
    (cost,) = result.recipes
    assert (cost.runs, cost.images, cost.evaluated) == (22, 90 * 1_271_167, 950_000)
    assert cost.hours_per_run == pytest.approx((114_405_030 + 950_000 / 3) / 1000 / 3600)
    assert result.hours == pytest.approx(22 * cost.hours_per_run)
    assert result.unknown_runs == 0


def test_images_that_grow_cost_their_area():
    """18 epochs: 7 of 128, 7 of 160, 4 of 192 pixels; evaluated with 224 pixels."""
    result = cost_of([row(image_size=192)], "imagenet_short", studies="truncation", seeds=1)
    (cost,) = result.recipes
    area = (7 * 128**2 + 7 * 160**2 + 4 * 192**2) / 18 / 192**2
    trained = 18 * 1_271_167 * area
    evaluated = (18 * 10_000 + 50_000) * (224 / 192) ** 2 / 3
    assert cost.hours_per_run == pytest.approx((trained + evaluated) / 1000 / 3600)


def test_detectors_are_evaluated_once_and_cost_the_area_of_their_scale():
    rows = [row(model="Mask R-CNN R50-FPN", image_size=800, images_per_second=10.0)]
    own = {"studies": "mask_rcnn_epsilon", "seeds": 1}
    (short,), (whole,) = (cost_of(rows, scale, **own).recipes for scale in ("coco_short", "paper"))
    assert short.evaluated == whole.evaluated == 7_465
    assert whole.rate.images_per_second == 10
    assert short.rate.images_per_second == pytest.approx(10 * (800 / 512) ** 2)
    assert short.images == whole.images / 2 == 6 * 114_823


def test_the_affordable_scales_cost_a_few_hundred_hours_where_the_paper_costs_thousands():
    rows = read_throughputs(GIVEN, measured=())
    own = "truncation,truncation_lr,epsilon_sweep,poly_n"
    for seeds, most in ((3, 300), (5, 500)):
        cost = cost_of(rows, "imagenet_short", studies=f"{own},poly1_lr,long_tail", seeds=seeds)
        assert 100 < cost.hours < most and cost.unknown_runs == 0
    assert cost_of(rows, "paper", studies=own).hours > 2_000
    assert 100 < cost_of(rows, "coco_short").hours < 400
    kitti = cost_of(rows, "kitti")
    assert kitti.runs == 12 and kitti.unknown_runs == 0
    # 160 epochs of nine tenths of 3,712 frames at 13.4 a second, and an evaluation.
    assert kitti.hours / 12 == pytest.approx((160 * 3_341 + 4_140 / 3) / 13.4 / 3600)


def test_caches_are_priced(capsys):
    cache = {"imagenet1k": {"folder": "/scratch/cache"}}
    result = cost_of([row()], "imagenet_short", studies="truncation", cache=cache)
    assert result.caches == {"imagenet1k": (Path("/scratch/cache"), 1_331_167 * 29_000)}
    larger = {"imagenet1k": {"folder": "/scratch/cache", "shorter_side": 512}}
    (_, size) = cost_of([row()], studies="truncation", cache=larger).caches["imagenet1k"]
    assert size == 4 * 1_331_167 * 29_000
    text = printed(capsys, "--scale", "imagenet_short", "--set", f"cache={json.dumps(cache)}")
    assert "Cache of imagenet1k: 38.6 GB in /scratch/cache." in text


def test_disk_by_hand():
    """EfficientNetV2-S on ImageNet-21K, RMSProp with a moving average: four numbers per weight."""
    (cost,) = cost_of(studies="pretraining_s", seeds=1).recipes
    weights = 48_158_371 + 153_872
    assert weight_count(cost.recipe) == weights and state_count(cost.recipe) == 4 * weights
    assert cost.while_training == 3 * 4 * 4 * weights
    assert 4 * weights < cost.kept < 4 * weights + 1e6
    (resnet50,) = cost_of(studies="truncation", seeds=1).recipes
    assert resnet50.kept < 1e6  # only a record


def test_networks_have_the_sizes_that_timm_makes():
    import timm
    import torch

    from polyrepro.classification import models, residual_networks  # noqa: F401

    classifiers = [recipe for recipe in RECIPES.values() if recipe.kind == "classification"]
    assert classifiers
    for recipe in classifiers:
        with torch.device("meta"):
            network = timm.create_model(
                recipe.model,
                num_classes=CLASSES[recipe.dataset],
                in_chans=1 if recipe.model == "polyrepro_convnet" else 3,
            )
        state = network.state_dict().values()
        counted = sum(value.numel() for value in state if value.is_floating_point())
        assert weight_count(recipe) == counted, recipe.name


@pytest.mark.parametrize("name", DATASETS)
def test_embedded_data_has_the_listed_sizes(name):
    data = load(name)
    assert {split: len(entry.labels) for split, entry in data.splits.items()} == IMAGES[name]
    assert len(data.classes) == CLASSES[name]


@pytest.mark.parametrize("name", ["imagenet1k", "imagenet1k_long_tail", "imagenet21k"])
def test_large_data_have_the_listed_classes_and_held_out_images(name):
    dataset = IMAGE_DATASETS[name]()
    assert len(dataset.classes) == CLASSES[name]
    assert dataset.held_out.items() <= IMAGES[name].items()
    if dataset.tail is not None:
        assert sum(dataset.tail.sizes) == IMAGES[name]["train"]


def test_a_manifest_counts_more_than_the_list(tmp_path):
    manifest = tmp_path / "data/imagenet1k/manifest.json"
    manifest.parent.mkdir(parents=True)
    splits = {"train": {"images": 1000}, "validation": {"images": 10}, "test": {"images": 20}}
    manifest.write_text(json.dumps({"splits": splits}))
    (cost,) = cost_of(studies="truncation", results=str(tmp_path)).recipes
    assert (cost.images, cost.evaluated) == (90_000, 920)


def test_shared_runs_count_once():
    result = cost_of([row()], studies="truncation,truncation_lr", seeds=3)
    first, second = result.studies
    assert (first.runs, first.new_runs) == (33, 33)
    assert (second.runs, second.new_runs) == (36, 24)  # CE, 1, 2 and 5 terms are shared
    assert result.runs == 57
    assert first.new_hours + second.new_hours == pytest.approx(result.hours)


def test_finetuning_pays_for_its_pretraining_unless_weights_are_given():
    alone = cost_of(studies="finetuning_s", seeds=2)
    assert {c.recipe.name: c.runs for c in alone.recipes} == {
        "efficientnetv2_s_imagenet21k": 4,
        "efficientnetv2_s_finetune_imagenet1k": 4,
    }
    assert alone.studies[0].runs == 8
    assert cost_of(studies="finetuning_s", seeds=2, weights=WEIGHTS).runs == 4
    both = cost_of(studies="pretraining_s,finetuning_s", seeds=2)
    assert [(s.runs, s.new_runs) for s in both.studies] == [(4, 4), (8, 4)]


def test_overrides_cut_the_images():
    overrides = {"epochs": 2, "train_images": 1000}
    (cost,) = cost_of(studies="truncation", overrides=overrides).recipes
    assert (cost.images, cost.evaluated) == (2_000, 70_000)


def test_shipped_table_knows_every_classifier_of_the_paper():
    rows = read_throughputs(measured=(GIVEN.with_name("none.csv"),))
    assert all(row.source for row in rows)
    assert cost_of(rows).unknown_runs == 0


def printed(capsys, *arguments):
    main(["estimate", *arguments])
    return capsys.readouterr().out


def test_what_is_printed(capsys):
    text = printed(capsys, "--scale", "paper", "--set", "studies=truncation,epsilon_sweep")
    assert "sum, each run once" in text and "54 runs, " in text
    assert "on 8 GPUs" in text and "given: timm, results/benchmark-train-" in text
    scaled = printed(
        capsys, "--scale", "paper", "--set", "studies=pretraining_s", "--set", "seeds=1"
    )
    assert "times 1.79 for the area of the images" in scaled and "2 runs, " in scaled


def test_unknown_throughputs_make_a_lower_bound(capsys, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(
        "model,image_size,precision,compile,processor,device,images_per_second,status,source\n"
        "resnet50,224,bfloat16,true,gpu,our GPU,3000,given,a colleague\n"
    )
    arguments = [
        "--scale",
        "paper",
        "--set",
        "studies=truncation,pretraining_s",
        "--set",
        "seeds=1",
    ]
    text = printed(capsys, *arguments, "--throughputs", str(table))
    assert "13 runs, at least 117 GPU-hours" in text
    assert (
        "The throughput or the data set of 2 runs is unknown, so the sum is a lower bound" in text
    )


def test_own_configuration(capsys, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text(CONFIGURATIONS["paper"].read_text().replace("seeds: 3", "seeds: 5"))
    text = printed(capsys, "--configfile", str(config), "--set", "studies=truncation")
    assert "55 runs, " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "studies=truncatoin"], "unknown study 'truncatoin'; did you mean 'truncation'?"),
        (["--scale", "paper", "--set", "studies=long_tail"], "does not exist at the scale 'paper'"),
        (["--set", "seeds=0"], "seeds: Input should be greater than or equal to 1, got 0"),
        (["--throughputs", "nowhere.csv"], "cannot read the throughputs nowhere.csv"),
        (["--configfile", "nowhere.yaml"], "cannot read the configuration nowhere.yaml"),
    ],
)
def test_mistakes(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_info:
        main(["estimate", *arguments])
    assert message in f"{capsys.readouterr().err}{exit_info.value.code}"


def test_needs_no_torch():
    code = (
        "import sys; from polyrepro.cli import main; main(['estimate', '--scale', 'paper']); "
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_prices_are_those_of_each_study_alone_with_the_seeds_of_its_configuration():
    prices = study_prices("paper")
    rows = read_throughputs(GIVEN, measured=())
    (alone,) = cost_of(rows, studies="truncation").studies
    assert prices["truncation"] == f"{alone.hours:,.0f} GPU-hours"
    assert "gates" not in prices  # the paper's scale does not run it
    assert study_prices("embedded")["truncation"].endswith(" CPU-hours")
    assert study_prices("coco_folder") == {"mask_rcnn_epsilon": "", "retinanet_epsilon": ""}
