"""The rule by which our autograd functions take part in ``torch.vmap``."""

from torch import Tensor


def merge_mapped_dimension(info, in_dims, *tensors: Tensor) -> tuple[int, list[Tensor]]:
    """Move the mapped dimension of every tensor into its batch dimension.

    Returns the size of the mapped dimension and the tensors, each of whose first dimension is now
    mapped size times batch size. Tensors that are not mapped are repeated.
    """
    merged = []
    for tensor, dim in zip(tensors, in_dims, strict=False):
        if dim is None:
            tensor = tensor.expand(info.batch_size, *tensor.shape)
        else:
            tensor = tensor.movedim(dim, 0)
        merged.append(tensor.flatten(0, 1))
    return info.batch_size, merged
