"""Images per second: which row of a table counts for a recipe, and tables that cannot be used."""

import pytest
from throughput_rows import row

from polyrepro.estimate import ThroughputError, read_throughputs
from polyrepro.estimate.throughputs import rate_of
from polyrepro.recipes import RECIPES

RESNET50 = RECIPES["resnet50_imagenet1k"]


def test_measured_here_comes_before_given():
    exact = {"precision": "bfloat16", "compile": True, "status": "measured"}
    measured = row(images_per_second=3000.0, **exact)
    assert rate_of(RESNET50, "gpu", [row(), measured]).images_per_second == 3000
    for other in ({"image_size": 64}, {"precision": "float32"}, {"compile": False}):
        rows = [row(), row(images_per_second=3000.0, **exact | other)]
        assert rate_of(RESNET50, "gpu", rows).images_per_second == 1000, other
    on_cpu = row(images_per_second=30.0, **exact, processor="cpu")
    assert rate_of(RESNET50, "gpu", [on_cpu]) is None


def test_measured_here_at_a_similar_size_comes_before_given_at_a_closer_one():
    short = RECIPES["resnet50_short"]  # 192 pixels
    measured = {"precision": short.precision, "compile": short.compile, "status": "measured"}
    rows = [row(image_size=169), row(images_per_second=3000.0, **measured)]
    rate = rate_of(short, "gpu", rows)
    assert rate.images_per_second == pytest.approx(3000 * (224 / 192) ** 2)
    rows.append(row(image_size=192, images_per_second=5000.0, **measured))
    assert rate_of(short, "gpu", rows).images_per_second == 5000
    too_large = row(image_size=400, images_per_second=9000.0, **measured)
    assert rate_of(short, "gpu", [row(image_size=169), too_large]).origin.status == "given"


def test_closest_image_size_is_scaled_by_area():
    rows = [row(image_size=112, images_per_second=4100.0), row(image_size=448)]
    rate = rate_of(RESNET50, "gpu", [*rows, row(image_size=280, images_per_second=600.0)])
    assert rate.origin.image_size == 280
    assert rate.images_per_second == pytest.approx(600 * (280 / 224) ** 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("images_per_second", "speed", "the column images_per_second is missing"),
        (",1000,", ",0,", "line 2: .*images_per_second '0' a number above 0"),
        (",1000,", ",nan,", "images_per_second 'nan'"),
        (",224,", ",-1,", "line 2: image_size '-1' must be a whole number above 0 or empty"),
        (",given,", ",heard,", "line 2: status must be measured or given, not 'heard'"),
        (",gpu,", ",tpu,", "line 2: processor must be gpu or cpu, not 'tpu'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, old, new, message):
    good = (
        "model,image_size,precision,compile,processor,device,images_per_second,status,source\n"
        "resnet50,224,bfloat16,true,gpu,our GPU,1000,given,a colleague\n"
    )
    path = tmp_path / "mine.csv"
    path.write_text(good)
    assert len(read_throughputs(path, (tmp_path / "none.csv",))) == 1
    path.write_text(good.replace(old, new))
    with pytest.raises(ThroughputError, match=message):
        read_throughputs(path, (tmp_path / "none.csv",))
