"""Series by name, as studies and configurations give them."""

import sys

import pytest

from polyrepro.losses import HardGate, PolySeries, SoftGate, series_by_name


def test_series_of_the_package_and_of_anywhere():
    assert series_by_name("PolySeries", {"epsilon": (2.0,), "gamma": 1.0}) == PolySeries(
        2.0, None, 1
    )
    assert series_by_name("HardGate", {}) == HardGate()
    assert series_by_name("polyrepro.losses:SoftGate", {"sharpness": 2.0}) == SoftGate(2.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def broken(:\n", "fails when it is imported, with SyntaxError: invalid syntax"),
        ("1 / 0\n", "fails when it is imported, with ZeroDivisionError: division by zero"),
        ("import nowhere\n", "(No module named 'nowhere')"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(tmp_path, monkeypatch, source, message):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_broken_losses", raising=False)
    (tmp_path / "my_broken_losses.py").write_text(source)
    with pytest.raises(ValueError, match="series 'my_broken_losses:X'") as error_info:
        series_by_name("my_broken_losses:X", {})
    assert message in str(error_info.value)


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
