"""mmcv's operators between points and voxels, against loops over the points."""

import pytest
import torch

pytest.importorskip(
    "polyrepro.detection", reason="MMDetection is not installed", exc_type=ImportError
)

from mmcv.ops import DynamicScatter, dynamic_scatter, voxelization

SIZE, RANGE = [0.5, 1.0, 2.0], [-2.0, -1.0, 0.0, 2.0, 3.0, 4.0]


def points(number: int = 200, seed: int = 0) -> torch.Tensor:
    """x, y, z, and the point's own number; about a quarter lie outside the range."""
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(number, 3, generator=generator) * torch.tensor([4.4, 4.4, 4.4])
    xyz += torch.tensor([-2.2, -1.2, -0.2])
    return torch.cat([xyz, torch.arange(number)[:, None]], 1)


def cell(point: torch.Tensor) -> tuple[int, ...] | None:
    """z, y, x of a point's voxel; None outside."""
    index = [
        int((float(point[axis]) - RANGE[axis]) // SIZE[axis])
        for axis in range(3)
        if RANGE[axis] <= float(point[axis]) < RANGE[axis + 3]
    ]
    return tuple(reversed(index)) if len(index) == 3 else None


def voxelized_by_a_loop(cloud, max_points: int, max_voxels: int) -> dict[tuple, list[int]]:
    """Voxel to the numbers of its points, in the order in which a loop meets them."""
    voxels = {}
    for number, point in enumerate(cloud):
        where = cell(point)
        if where is None or (where not in voxels and len(voxels) == max_voxels):
            continue
        inside = voxels.setdefault(where, [])
        if len(inside) < max_points:
            inside.append(number)
    return voxels


@pytest.mark.parametrize(("max_points", "max_voxels"), [(3, 1000), (100, 1000), (3, 20), (1, 1)])
def test_hard_voxels_are_those_of_a_loop(max_points, max_voxels):
    cloud = points()
    expected = voxelized_by_a_loop(cloud, max_points, max_voxels)
    voxels, cells, counts = voxelization(cloud, SIZE, RANGE, max_points, max_voxels)
    assert [tuple(row) for row in cells.tolist()] == list(expected)
    assert counts.tolist() == [len(inside) for inside in expected.values()]
    for voxel, inside in zip(voxels, expected.values(), strict=True):
        assert torch.equal(voxel[: len(inside)], cloud[inside])
        assert not voxel[len(inside) :].any()
    assert cells.dtype == counts.dtype == torch.int32


def test_dynamic_voxels_are_those_of_a_loop():
    cloud = points()
    cells = voxelization(cloud, SIZE, RANGE, -1, -1)
    assert cells.tolist() == [list(cell(point) or (-1, -1, -1)) for point in cloud]
    assert (cells < 0).any()


def test_lower_limit_belongs_to_the_range_and_the_upper_one_does_not():
    cloud = torch.tensor([RANGE[:3], RANGE[3:], [2.0, 0, 0], [1.99, 2.99, 3.99]])
    assert voxelization(cloud, SIZE, RANGE, -1, -1).tolist() == [
        [0, 0, 0],
        [-1, -1, -1],
        [-1, -1, -1],
        [1, 3, 7],
    ]


def test_points_that_are_nan_lie_outside():
    cloud = torch.tensor([[0.1, float("nan"), 1], [0.1, 0.1, 1]])
    assert voxelization(cloud, SIZE, RANGE, -1, -1).tolist() == [[-1, -1, -1], [0, 1, 4]]
    assert len(voxelization(cloud, SIZE, RANGE, 5, 5)[0]) == 1


@pytest.mark.parametrize("cloud", [points(0), points(1) + 100], ids=["none", "all outside"])
def test_a_scene_without_points_has_no_voxels(cloud):
    voxels, cells, counts = voxelization(cloud, SIZE, RANGE, 3, 10)
    assert voxels.shape == (0, 3, 4) and cells.shape == (0, 3) and counts.shape == (0,)
    features, cells = dynamic_scatter(cloud, voxelization(cloud, SIZE, RANGE, -1, -1), "max")
    assert features.shape == (0, 4) and cells.shape == (0, 3)


REDUCTIONS = {"max": lambda x: x.amax(0), "mean": lambda x: x.mean(0), "sum": lambda x: x.sum(0)}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_features_of_voxels_and_their_gradient_are_those_of_a_loop(reduction):
    cloud = points()
    cells = voxelization(cloud, SIZE, RANGE, -1, -1)
    features = torch.randn(len(cloud), 5, dtype=torch.float64, requires_grad=True)
    got, where = dynamic_scatter(features, cells, reduction)
    known = sorted(set(map(tuple, cells.tolist())) - {(-1, -1, -1)})
    assert list(map(tuple, where.tolist())) == known
    inside = [(cells == torch.tensor(cell)).all(1) for cell in known]
    expected = torch.stack([REDUCTIONS[reduction](features[mask]) for mask in inside])
    torch.testing.assert_close(got, expected)
    direction = torch.randn_like(got)
    gradients = [torch.autograd.grad((y * direction).sum(), features)[0] for y in (got, expected)]
    torch.testing.assert_close(*gradients)


def test_the_first_of_equal_points_has_the_gradient_of_their_maximum():
    features = torch.tensor([[1.0], [3.0], [3.0], [2.0]], requires_grad=True)
    cells = torch.tensor([[0, 0, 0]] * 3 + [[-1, 0, 0]], dtype=torch.int32)
    dynamic_scatter(features, cells, "max")[0].sum().backward()
    assert features.grad.squeeze(1).tolist() == [0, 1, 0, 0]


def test_scatter_of_a_batch_keeps_scenes_apart():
    cells = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=torch.int32)
    layer = DynamicScatter(SIZE, RANGE, average_points=True)
    features, where = layer(torch.tensor([[1.0], [2.0], [4.0]]), cells)
    assert features.tolist() == [[1], [3]] and where[:, 0].tolist() == [0, 1]
