"""Garbage collection around imports."""

import gc
import weakref

from polyrepro.running.collection import nothing_collected


class Ring:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self):
        self.itself = self


def test_what_is_made_inside_is_never_looked_through():
    before = gc.get_freeze_count()
    with nothing_collected():
        assert not gc.isenabled()
        made = Ring()
    assert gc.isenabled() and gc.get_freeze_count() > before
    kept = weakref.ref(made)
    del made
    gc.collect()
    assert kept() is not None
    gc.unfreeze()
    gc.collect()
    assert kept() is None


def test_whoever_collects_nothing_goes_on_so():
    gc.disable()
    try:
        with nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
