"""Series by name, as studies and configurations give them."""

import pytest

from polyrepro.losses import HardGate, PolySeries, SoftGate, series_by_name


def test_series_of_the_package_and_of_anywhere():
    assert series_by_name("PolySeries", {"epsilon": (2.0,), "gamma": 1.0}) == PolySeries(
        2.0, None, 1
    )
    assert series_by_name("HardGate", {}) == HardGate()
    assert series_by_name("polyrepro.losses:SoftGate", {"sharpness": 2.0}) == SoftGate(2.0)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("PolySerie", {}, ValueError, "unknown series 'PolySerie'; did you mean 'PolySeries'?"),
        ("Mine", {}, ValueError, "a series of your own is 'package.module:Class'"),
        (
            "HardGate",
            {"treshold": 1},
            ValueError,
            "argument 'treshold'; did you mean 'threshold'",
        ),
        (
            "HardGate",
            {"threshold": 2.0},
            ValueError,
            "refuses {'threshold': 2.0}: threshold must",
        ),
        ("nowhere.at_all:X", {}, ValueError, "cannot import 'nowhere.at_all'"),
        ("polyrepro.losses:X", {}, ValueError, "'polyrepro.losses' has no 'X'"),
        (
            "polyrepro.losses:set_backend",
            {},
            TypeError,
            "is not a subclass of polyrepro.losses",
        ),
    ],
)
def test_what_is_wrong_is_named(name, arguments, error, message):
    with pytest.raises(error) as error_info:
        series_by_name(name, arguments)
    assert message in str(error_info.value)
