"""Garbage collection, which leaves alone what libraries leave in memory."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Inside, no garbage is collected; what is there in the end is never looked through again.

    For imports: they make a million objects and hardly any garbage. To look for it takes a quarter
    of their time, and afterwards a third of a second whenever mmengine collects garbage, which it
    does for each data set of a run. For commands that draw or typeset something and then end, too.
    """
    before = gc.isenabled()
    gc.disable()
    # The very last collection is for libraries of C++, which complain of what it has not seen.
    atexit.register(gc.unfreeze)
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()
