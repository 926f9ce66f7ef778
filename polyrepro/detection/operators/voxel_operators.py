"""mmcv's operators between points and voxels, in plain torch: one code for CPU and CUDA.

They stand in for those of the compiled extension: same arguments, results written into the tensors
that mmcv passes. Sorting takes the place of its per-point loops, so results do not depend on the
order in which threads run.
"""

import torch
from torch import Tensor

OUTSIDE = -1
"""Coordinate of a point that lies in no voxel."""


def dynamic_voxelize_forward(
    points: Tensor,
    voxel_size: Tensor,
    coors_range: Tensor,
    coors: Tensor,
    NDim: int = 3,  # noqa: N803 - mmcv gives it by this name
) -> None:
    """Fill ``coors`` (points, 3) with each point's voxel as z, y, x; -1 outside the range.

    Args:
        points: (points, 3 or more), x, y, z first.
        voxel_size: (3,), x, y, z. coors_range: (6,), lower x, y, z, then upper; the lower limit
            belongs to the range, the upper one does not.
        NDim: 3, mmcv's only value.
    """
    cells, inside, _ = _cells(points, voxel_size, coors_range)
    coors.copy_(cells.flip(1).masked_fill(~inside[:, None], OUTSIDE))


def hard_voxelize_forward(
    points: Tensor,
    voxel_size: Tensor,
    coors_range: Tensor,
    voxels: Tensor,
    coors: Tensor,
    num_points_per_voxel: Tensor,
    voxel_num: Tensor,
    max_points: int,
    max_voxels: int,
    NDim: int = 3,  # noqa: N803
    deterministic: bool = True,
) -> None:
    """Gather points into voxels, numbered in the order of their first points.

    Points beyond ``max_points`` of a voxel, and voxels beyond ``max_voxels``, are left out.

    Args:
        points, voxel_size, coors_range, NDim: as in :func:`dynamic_voxelize_forward`.
        voxels: (max_voxels, max_points, features), zeros; filled in the order of the points.
        coors: (max_voxels, 3), filled with z, y, x. num_points_per_voxel: (max_voxels,), filled.
        voxel_num: a scalar, set to the number of voxels.
        deterministic: without effect, as the result is always the same.
    """
    cells, inside, grid = _cells(points, voxel_size, coors_range)
    points, cells = points[inside], cells[inside]
    keys, order = _keys(cells.flip(1), grid.flip(0)).sort(stable=True)
    starts, group = _groups(keys)
    # The sort is stable, so the first of a group is the point that a loop would meet first.
    first = order[starts]
    number = torch.empty_like(first)
    number[first.argsort()] = torch.arange(len(first), device=first.device)
    position = torch.arange(len(order), device=order.device) - starts[group]
    kept = (number[group] < max_voxels) & (position < max_points)
    voxels[number[group[kept]], position[kept]] = points[order[kept]]
    known = number < max_voxels
    coors[number[known]] = cells[first[known]].flip(1).to(coors.dtype)
    counts = group.bincount(minlength=len(starts)).clamp(max=max_points)
    num_points_per_voxel[number[known]] = counts[known].to(num_points_per_voxel.dtype)
    voxel_num.fill_(min(len(starts), max_voxels))


def dynamic_point_to_voxel_forward(
    feats: Tensor, coors: Tensor, reduce_type: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reduce the features of the points of each voxel.

    Args:
        feats: (points, features).
        coors: (points, dimensions), the voxel of each point; a negative one is left out.
        reduce_type: ``max``, ``mean`` or ``sum``.

    Returns:
        Features (voxels, features); coordinates (voxels, dimensions) in rising order; for each
        point the index of its voxel, or -1; and the number of points of each voxel. The last two
        are int32.
    """
    inside = (coors >= 0).all(1)
    cells = coors[inside].long()
    size = cells.amax(0) + 1 if len(cells) else cells.new_ones(coors.shape[1])
    keys, voxel, counts = _keys(cells, size).unique(return_inverse=True, return_counts=True)
    owner = coors.new_full((len(coors),), OUTSIDE, dtype=torch.int32)
    owner[inside] = voxel.int()
    reduced = feats.new_zeros(len(keys), feats.shape[1])
    if reduce_type == "max":
        index = voxel[:, None].expand(-1, feats.shape[1])
        reduced.scatter_reduce_(0, index, feats[inside], "amax", include_self=False)
    else:
        reduced.index_add_(0, voxel, feats[inside])
        if reduce_type == "mean":
            reduced /= counts[:, None]
    return reduced, _from_keys(keys, size).to(coors.dtype), owner, counts.int()


def dynamic_point_to_voxel_backward(
    grad_feats: Tensor,
    grad_reduced_feats: Tensor,
    feats: Tensor,
    reduced_feats: Tensor,
    coors_map: Tensor,
    reduce_count: Tensor,
    reduce_type: str,
) -> None:
    """Fill ``grad_feats`` (points, features) from the gradient by the voxels' features.

    With ``max`` the first of a voxel's points that reach the maximum gets all of it. The other
    arguments are those of the forward pass and its results.
    """
    grad_feats.zero_()
    inside = coors_map >= 0
    owner = coors_map[inside].long()
    if reduce_type != "max":
        if reduce_type == "mean":
            grad_reduced_feats = grad_reduced_feats / reduce_count[:, None]
        grad_feats[inside] = grad_reduced_feats[owner]
        return
    points = len(feats)
    rows = inside.nonzero().expand(-1, feats.shape[1])
    rows = rows.where(feats[inside] == reduced_feats[owner], points)
    first = torch.full_like(reduced_feats, points, dtype=torch.long)
    first.scatter_reduce_(0, owner[:, None].expand_as(rows), rows, "amin")
    # A voxel whose maximum is NaN has no such point; what it gets goes to a row too many.
    padded = grad_feats.new_zeros(points + 1, feats.shape[1])
    grad_feats.copy_(padded.scatter_(0, first, grad_reduced_feats)[:points])


def _cells(
    points: Tensor, voxel_size: Tensor, coors_range: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Cells (points, 3) as x, y, z; which points are inside, NaN is not; and the grid's size."""
    xyz = points[:, :3].to(torch.promote_types(points.dtype, torch.float32))
    size, limits = voxel_size.to(xyz), coors_range.to(xyz)
    grid = ((limits[3:] - limits[:3]) / size).round()
    cells = ((xyz - limits[:3]) / size).floor()
    inside = ((cells >= 0) & (cells < grid)).all(1)
    return cells.where(inside[:, None], 0).long(), inside, grid.long()


def _keys(cells: Tensor, size: Tensor) -> Tensor:
    """One whole number per cell, in the order of its coordinates; size: cells per dimension."""
    return (cells * _strides(size)).sum(1)


def _from_keys(keys: Tensor, size: Tensor) -> Tensor:
    return keys[:, None] // _strides(size) % size


def _strides(size: Tensor) -> Tensor:
    return torch.cat([size.flip(0).cumprod(0).flip(0)[1:], size.new_ones(1)])


def _groups(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Of sorted keys: where each new one starts, and each element's group."""
    new = torch.ones_like(keys, dtype=torch.bool)
    new[1:] = keys[1:] != keys[:-1]
    return new.nonzero().squeeze(1), new.cumsum(0) - 1
