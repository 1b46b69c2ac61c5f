"""The laws of the nine normalisations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trulens_core.visualizations import HeatmapVisualizer, Visualizer
from trulens_core.visualizations.normalization import NORMALIZATIONS, normalized

RANGES = {
    "unsigned_max": (-1, 1),
    "unsigned_max_positive_centered": (0, 1),
    "magnitude_max": (0, 1),
    "magnitude_sum": (0, 1),
    "signed_max": (-1, 1),
    "signed_max_positive_centered": (0, 1),
    "signed_sum": (-1, 1),
    "01": (0, 1),
}
NAMES = sorted(NORMALIZATIONS)
CENTERED = [name for name in NAMES if name.endswith("centered")]
TOLERANCE = 1e-12

names = st.sampled_from(NAMES)
scaling = st.sampled_from(sorted(RANGES))


def batches(elements):
    shapes = st.tuples(*[st.integers(1, 3)] * 4)
    return hnp.arrays(np.float64, shapes, elements=elements)


finite = batches(st.floats(allow_nan=False, allow_infinity=False))
moderate = batches(st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6))
gappy = batches(st.floats(allow_infinity=False))


def test_the_names_are_those_documented():
    assert set(NORMALIZATIONS) == {*RANGES, "unnormalized"}


@given(finite, scaling)
def test_range(values, name):
    low, high = RANGES[name]
    result = normalized(values, name)
    assert np.all(result >= low - TOLERANCE)
    assert np.all(result <= high + TOLERANCE)


@given(moderate, scaling, st.floats(1e-3, 1e3))
def test_positive_factors_change_nothing(values, name, factor):
    np.testing.assert_allclose(
        normalized(factor * values, name), normalized(values, name), atol=1e-9
    )


@given(moderate, st.floats(-1e3, 1e3))
def test_01_is_not_changed_by_a_shift(values, shift):
    spread = np.ptp(values, axis=(1, 2, 3))
    shifted = normalized(values[spread > 1] + shift, "01")
    np.testing.assert_allclose(shifted, normalized(values[spread > 1], "01"), atol=1e-8)


@given(gappy, names, st.randoms(use_true_random=False))
def test_records_are_normalised_by_themselves(values, name, random):
    order = random.sample(range(len(values)), len(values))
    together = normalized(values, name)
    np.testing.assert_array_equal(normalized(values[order], name), together[order])
    alone = np.concatenate([normalized(values[i : i + 1], name) for i in range(len(values))])
    np.testing.assert_array_equal(alone, together)


@given(gappy, names)
def test_nan_stays_and_counts_nowhere(values, name):
    result = normalized(values, name)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(values))
    if name not in ("01", "unnormalized"):
        filled = normalized(np.nan_to_num(values), name)
        seen = ~np.isnan(values)
        np.testing.assert_allclose(result[seen], filled[seen], atol=TOLERANCE)


@given(batches(st.floats()), names, st.booleans())
def test_every_array_has_a_picture(values, name, combine_channels):
    """Warnings are errors, so this is about divisions and overflow too."""
    wide = np.repeat(values, 5, axis=2)
    show = Visualizer(combine_channels or wide.shape[-1] == 2, name, channel_axis=3)
    result = show(wide, imshow=False)
    if name in RANGES:
        low, high = RANGES[name]
        seen = result[~np.isnan(result)]
        assert np.all((low - TOLERANCE <= seen) & (seen <= high + TOLERANCE))


@given(gappy, names)
def test_values_are_not_written_to(values, name):
    before = values.copy()
    result = normalized(values, name)
    np.testing.assert_array_equal(values, before)
    assert not np.shares_memory(result, values)


@given(finite, st.sampled_from(["unsigned_max", "signed_max", "signed_sum"]))
def test_signs_are_kept(values, name):
    assert np.all(normalized(values, name) * np.sign(values) >= 0)


@given(moderate, st.sampled_from(["magnitude_sum", "signed_sum"]))
def test_sums_are_one_in_each_channel(values, name):
    result = normalized(values, name)
    magnitudes = values if name == "signed_sum" else np.abs(values)
    for sign in (1, -1):
        present = np.any(sign * magnitudes > 0, axis=(1, 2))
        sums = np.sum(np.maximum(sign * result, 0), axis=(1, 2))
        np.testing.assert_allclose(sums, present, atol=1e-9)


@given(moderate, st.sampled_from(["unsigned_max", "signed_max"]))
def test_centred_forms_are_halved_and_moved(values, name):
    moved = (normalized(values, name) + 1) / 2
    np.testing.assert_array_equal(normalized(values, f"{name}_positive_centered"), moved)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(2, 3, 3, 1), (2, 3, 3, 3)])
def test_zeros_alone(name, shape):
    expected = np.full(shape, 0.5 if name in CENTERED else 0.0)
    np.testing.assert_array_equal(normalized(np.zeros(shape), name), expected)


@pytest.mark.parametrize("name", NAMES)
def test_nan_alone(name):
    assert np.isnan(normalized(np.full((2, 3, 3, 1), np.nan), name)).all()


def test_a_constant_is_nothing_on_01():
    np.testing.assert_array_equal(normalized(np.full((1, 2, 2, 1), 7.0), "01"), 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unsigned_max", [-1, -0.5, 0, 0.25]),
        ("unsigned_max_positive_centered", [0, 0.25, 0.5, 0.625]),
        ("magnitude_max", [1, 0.5, 0, 0.25]),
        ("magnitude_sum", [4 / 7, 2 / 7, 0, 1 / 7]),
        ("signed_max", [-1, -0.5, 0, 1]),
        ("signed_max_positive_centered", [0, 0.25, 0.5, 1]),
        ("signed_sum", [-2 / 3, -1 / 3, 0, 1]),
        ("01", [0, 0.4, 0.8, 1]),
        ("unnormalized", [-4, -2, 0, 1]),
    ],
)
def test_values(name, expected):
    a = np.array([-4.0, -2.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
    result = Visualizer(normalization_type=name)(a, imshow=False)
    np.testing.assert_allclose(result.ravel(), expected, rtol=1e-15)
    in_call = Visualizer()(a, imshow=False, normalization_type=name)
    np.testing.assert_array_equal(in_call, result)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_default_follows_the_channels_left(channels):
    a = np.random.default_rng(0).normal(size=(2, channels, 8, 8))
    name = "unsigned_max" if channels == 1 else "unsigned_max_positive_centered"
    named = Visualizer(normalization_type=name)(a, imshow=False)
    np.testing.assert_array_equal(Visualizer()(a, imshow=False), named)
    combined = Visualizer(combine_channels=True)(a, imshow=False)
    assert combined.min() < 0


@pytest.mark.parametrize("visualizer", [Visualizer, HeatmapVisualizer])
def test_unknown_names_are_refused_with_a_suggestion(visualizer):
    with pytest.raises(
        ValueError, match=r"'unsigned_maxx' is unknown; did you mean 'unsigned_max'"
    ):
        visualizer(normalization_type="unsigned_maxx")
    with pytest.raises(ValueError, match=r"'zzz' is unknown; There are unsigned_max, "):
        visualizer(normalization_type="zzz")
    with pytest.raises(ValueError, match="unknown"):
        Visualizer()(np.zeros((1, 1, 8, 8)), imshow=False, normalization_type="zzz")
