"""Reading mmengine's checkpoints without running what is in them.

``torch.load`` with ``weights_only=True``, its default today, rebuilds only types on an allow-list.
The checkpoints of mmengine need a few more than torch allows: the history of logged values with its
statistics, and numpy arrays and scalars of float64 and int64. Exactly those are added here.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import SafetensorError
from safetensors.torch import load_file

from polyrepro.detection.detection_errors import DetectionError

STATISTICS = ("min", "max", "current", "mean")


def history_statistic(owner: object, name: str) -> Callable:
    """One of the statistics that every ``HistoryBuffer`` has; stands in for ``getattr``.

    mmengine saves these methods with each history, and pickle writes a method as a call of
    ``getattr``. That itself must never be on an allow-list: it reaches everything.

    Raises:
        pickle.UnpicklingError: for anything else.
    """
    if owner is HistoryBuffer and name in STATISTICS:
        return vars(HistoryBuffer)[name]
    raise pickle.UnpicklingError(f"Unsupported global: GLOBAL getattr of {owner!r}, {name!r}")


def allowed_types() -> list[tuple[object, str]]:
    """What a checkpoint may hold beyond torch's own types, each with its name in the pickle."""
    multiarray = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
    reconstruct, scalar = multiarray._reconstruct, multiarray.scalar
    return [
        (HistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer"),
        (history_statistic, "builtins.getattr"),
        (np.ndarray, "numpy.ndarray"),
        (np.dtype, "numpy.dtype"),
        (type(np.dtype(np.float64)), "numpy.dtypes.Float64DType"),
        (type(np.dtype(np.int64)), "numpy.dtypes.Int64DType"),
        # numpy 1 writes one name, numpy 2 the other; each reads both.
        (reconstruct, "numpy._core.multiarray._reconstruct"),
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        (scalar, "numpy._core.multiarray.scalar"),
        (scalar, "numpy.core.multiarray.scalar"),
    ]


def load_from_local_safely(
    filename: str | os.PathLike, map_location: str | Callable | None = None
) -> dict:
    """A local checkpoint as mmengine wrote it, or a safetensors file of weights, as float32.

    Raises:
        FileNotFoundError: if there is no such file.
        DetectionError: if the file is damaged, or holds anything that could run code.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"the checkpoint {path} does not exist")
    if path.suffix == ".safetensors":
        return {"state_dict": _float32_weights(path)}
    HistoryBuffer()  # the first one in a process registers the statistics of all
    statistics = dict(HistoryBuffer._statistics_methods)
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise DetectionError(_refusal(path, error)) from None
    except (RuntimeError, EOFError) as error:
        raise DetectionError(
            f"the checkpoint {path} cannot be read ({error}); it is probably cut short, as after a "
            "kill during writing: delete it and resume from the one before"
        ) from error
    finally:
        # A history that is read writes its statistics into the class, for all others as well.
        HistoryBuffer._statistics_methods.clear()
        HistoryBuffer._statistics_methods.update(statistics)
    meta = checkpoint.get("meta") if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and "config" in meta:
        # mmengine would run this text as Python on resume; what it writes itself is named "cfg".
        raise DetectionError(
            f"the checkpoint {path} was refused: it holds Python code (meta['config']) that would "
            "run on resume. MMDetection 3 does not write that; take only its state_dict if needed"
        )
    return checkpoint


def install_safe_loading() -> None:
    """Allow the types in every ``torch.load``, and read local checkpoints by our function."""
    torch.serialization.add_safe_globals(allowed_types())
    CheckpointLoader.register_scheme(prefixes="", loader=load_from_local_safely, force=True)


def _float32_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise DetectionError(f"the weights {path} cannot be read ({error}): restore them") from None
    return {name: value.float() for name, value in weights.items()}


def _refusal(path: Path, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
    # torch's own message goes on to recommend weights_only=False, which would run the code.
    reason = lines[0].split(". Please")[0] if lines else "its pickle is not a plain one"
    return (
        f"the checkpoint {path} was refused, because loading it could run code: {reason}. Only "
        "tensors, numbers, text and mmengine's log history are read; use a checkpoint from a "
        "source you trust that holds only these"
    )
