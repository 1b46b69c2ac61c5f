"""Segments: every constructor beside a loop over elements, and the laws of regions."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from sklearn.datasets import load_sample_image

from trulens_core.segments import Regions, Segments, resolved

RNG = np.random.default_rng(0)
WHOLE = load_sample_image("china.jpg")[:424].reshape(106, 4, 160, 4, 3)
PHOTOGRAPH = WHOLE.mean((1, 3)).astype("uint8")


def one(segments, shape, **options):
    """The regions of a value of one record, whose numbers do not matter."""
    return segments.resolved(np.zeros((1, *shape)), **options)[0]


def full(regions):
    return np.broadcast_to(regions.labels, regions.shape)


def members(regions):
    """(n, *shape), from either form."""
    if regions.labels is not None:
        return np.stack([full(regions) == s for s in range(regions.n)])
    return np.stack([np.broadcast_to(m, regions.shape) for m in regions.members])


# -- grids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "shape", "options", "space"),
    [
        (2, (5,), {}, (0,)),
        (2, (5, 3), {}, (0,)),
        ((2, 3), (5, 7), {}, (0, 1)),
        (2, (4, 5, 3), {"channel_axis": 3}, (0, 1)),
        (2, (4, 5, 3), {"channel_axis": -1}, (0, 1)),
        ((3, 2), (6, 4, 5), {"channel_axis": 1}, (1, 2)),
        ((3, 2), (3, 6, 5), {}, (1, 2)),
        ((2, 3, 1), (2, 4, 5, 3), {"channel_axis": 1}, (1, 2, 3)),
        ((2, 2, 1), (2, 4, 3), {"channel_axis": 1}, (0, 1, 2)),
    ],
)
def test_patches_side_by_side(size, shape, options, space):
    found = one(Segments.grid(size), shape, **options)
    sizes = dict(zip(space, size if isinstance(size, tuple) else (size,) * len(space), strict=True))
    patches = []
    for place in np.ndindex(shape):
        patch = tuple(place[a] // sizes[a] for a in space)
        patches.append(patch)
    numbers = {patch: i for i, patch in enumerate(sorted(set(patches)))}
    assert full(found).ravel().tolist() == [numbers[p] for p in patches]
    assert found.n == len(numbers)
    assert all(found.labels.shape[a] == 1 for a in range(len(shape)) if a not in space)


def test_an_axis_of_channels_of_the_caller_comes_first():
    segments = Segments.grid(2, channel_axis=3)
    assert one(segments, (3, 4, 3), channel_axis=1).labels.shape == (3, 4, 1)
    assert one(Segments.windows(2, 1, channel_axis=1), (4, 6), channel_axis=2).members.shape == (
        (5, 1, 6)
    )


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "8", (), (2, 0), None])
@pytest.mark.parametrize("make", [Segments.grid, Segments.windows])
def test_a_size_is_a_whole_number(make, size):
    with pytest.raises(ValueError, match="size must be a whole number from 1, or one per axis"):
        make(size)


@pytest.mark.parametrize(
    ("size", "shape", "message"),
    [
        (6, (1, 8, 5), r"size 6 is larger than axis 3 .* which has 5"),
        ((2, 2), (8,), "has 1 axes of space or time beside the channels, but there are 2 sizes"),
        ((2, 2), (2, 2, 2, 2), "cannot be told; give channel_axis="),
        (2, (5, 8, 8), "could not be found"),
        (2, (), "cannot be told"),
    ],
)
@pytest.mark.parametrize("make", [Segments.grid, lambda size: Segments.windows(size, 1)])
def test_sizes_that_do_not_fit(make, size, shape, message):
    with pytest.raises(ValueError, match=message):
        one(make(size), shape)


@pytest.mark.parametrize("axis", [0, 4, -4, -5])
def test_an_axis_that_holds_no_channels(axis):
    for segments in (Segments.grid(2, channel_axis=axis), Segments.channels(axis)):
        with pytest.raises(ValueError, match="is no axis of channels"):
            one(segments, (3, 8, 8))


# -- windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "size", "stride"), [(7, 3, 1), (7, 3, 2), (8, 3, 2), (3, 3, 1)])
def test_windows_over_time(length, size, stride):
    found = members(one(Segments.windows(size, stride), (length, 2)))
    expected, start = [], 0
    while True:
        expected.append([[start <= t < start + size] * 2 for t in range(length)])
        if start + size >= length:
            break
        start += stride
    assert found.tolist() == expected


def test_windows_over_an_image():
    found = one(Segments.windows((2, 3), (1, 2)), (3, 4, 6))
    expected = np.zeros((3 * 3, 3, 4, 6), bool)
    for i, (y, x) in enumerate((y, x) for y in (0, 1, 2) for x in (0, 2, 4)):
        expected[i, :, y : y + 2, x : x + 3] = True
    assert (members(found) == expected).all()
    assert found.members.shape == (9, 1, 4, 6)


@pytest.mark.parametrize(("size", "stride"), [(2, None), (2, 2), ((2, 3), None), ((2, 3), (2, 3))])
def test_windows_side_by_side_are_a_grid(size, stride):
    found, expected = (
        one(s, (1, 5, 7)) for s in (Segments.windows(size, stride), Segments.grid(size))
    )
    assert (found.labels == expected.labels).all()


def test_one_size_and_several_strides():
    assert Segments.windows(3, (1, 2)) == Segments.windows((3, 3), (1, 2))
    assert Segments.windows((3, 4), 2) == Segments.windows((3, 4), (2, 2))


@pytest.mark.parametrize(
    ("size", "stride"), [(2, 3), ((2, 2), (1, 3)), ((2, 2), (1, 1, 1)), (4, 0)]
)
def test_strides_that_do_not_fit(size, stride):
    with pytest.raises(ValueError, match="stride"):
        Segments.windows(size, stride)


# -- channels, columns ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axis", "given", "channels"),
    [
        ((4,), None, None, 0),
        ((5, 4), None, None, 1),
        ((5, 4), 1, None, 0),
        ((3, 8, 8), None, None, 0),
        ((7, 8, 9), None, 3, 2),
        ((7, 8, 9), -2, 3, 1),
        ((7, 2, 2, 2), None, 1, 0),
    ],
)
def test_each_channel(shape, axis, given, channels):
    found = one(Segments.channels(axis), shape, channel_axis=given)
    assert full(found).ravel().tolist() == [place[channels] for place in np.ndindex(shape)]
    assert found.n == shape[channels]


@pytest.mark.parametrize(
    ("groups", "names", "labels", "titles"),
    [
        ([[1, 2]], None, [1, 0, 0, 2], ("1, 2", "0", "3")),
        ({"city": [1, 2], "age": 0}, None, [1, 0, 0, 2], ("city", "age", "3")),
        ({"city": ["b", "c"]}, "abcd", [1, 0, 0, 2], ("city", "a", "d")),
        ([["d", 0], "b"], ["a", "b", "c", "d"], [0, 1, 2, 0], ("d, a", "b", "c")),
        ([], list("abcd"), [0, 1, 2, 3], ("a", "b", "c", "d")),
        ({"all": range(4)}, None, [0, 0, 0, 0], ("all",)),
    ],
)
def test_groups_of_columns(groups, names, labels, titles):
    found = one(Segments.columns(groups, names), (4,))
    assert found.labels.tolist() == labels
    assert found.names == titles
    steps = one(Segments.columns(groups, names), (3, 4))
    assert steps.labels.tolist() == [labels]


@pytest.mark.parametrize(
    ("groups", "names", "message"),
    [
        ([[0, 1], [1]], None, "Column 1 is in two groups"),
        ({"a": [0, 0]}, None, "Column 0 is in two groups, or twice in one"),
        ({"a": []}, None, "empty"),
        ({"a": [-1]}, None, "counted from 0; found -1"),
        ({"a": [True]}, None, "found True"),
        ({"a": [0.5]}, None, r"found 0\.5"),
        ({"a": ["x"]}, None, "names="),
        ({"a": ["x"]}, ["y"], "'x' is 0 times among the names"),
        ({"a": ["x"]}, ["x", "x"], "'x' is 2 times"),
    ],
)
def test_groups_that_are_none(groups, names, message):
    with pytest.raises(ValueError, match=message):
        Segments.columns(groups, names)


def test_columns_that_are_not_there():
    with pytest.raises(ValueError, match="There is no column 4: there are 4"):
        one(Segments.columns([[4]]), (4,))
    with pytest.raises(ValueError, match="3 names, but there are 4 columns"):
        one(Segments.columns([], "abc"), (4,))
    with pytest.raises(ValueError, match="no columns"):
        one(Segments.columns([]), ())


# -- words ---------------------------------------------------------------------------------------


def test_words_by_their_ids():
    """As tokenizers give them: None for what is no word, and from 0 again in a second text."""
    ids = [[None, 0, 0, 1, None, 0, 0, 1], [None, 0, 1, 2, None, None, None, None], [None] * 8]
    found = Segments.words(ids).resolved(np.zeros((3, 8, 4)))
    assert [r.labels[:, 0].tolist() for r in found] == [
        [-1, 0, 0, 1, -1, 2, 2, 3],
        [-1, 0, 1, 2, -1, -1, -1, -1],
        [-1] * 8,
    ]
    assert [r.n for r in found] == [4, 3, 0]
    assert found[0].labels.shape == (8, 1)


def test_words_by_spans():
    spans = [[(1, 3), (3, 4)], [[0, 1]], []]
    found = Segments.words(spans, [["un do", "it"], ["go"], []]).resolved(np.zeros((3, 5), int))
    assert [r.labels.tolist() for r in found] == [[-1, 0, 0, 1, -1], [0, -1, -1, -1, -1], [-1] * 5]
    assert [r.names for r in found] == [("un do", "it"), ("go",), ()]


@pytest.mark.parametrize(
    ("words", "names", "message"),
    [
        ([[(0, 2), (1, 3)]], None, r"record 0 .* found \(1, 3\) after token 2"),
        ([[], [(2, 2)]], None, r"record 1 .* found \(2, 2\)"),
        ([[(0, 1, 2)]], None, r"found \(0, 1, 2\)"),
        ([["ab"]], None, "found 'ab'"),
        ([[0, 0.5]], None, "found 0 after"),
        ([[0, 1]], [["a"]], r"names has \[1\] names .* they have \[2\]"),
    ],
)
def test_what_are_no_words(words, names, message):
    with pytest.raises(ValueError, match=message):
        Segments.words(words, names)


@pytest.mark.parametrize(
    ("words", "shape", "message"),
    [
        ([[0, 1]], (1, 3), "Record 0 has word ids for 2 tokens, but there are 3; None is"),
        ([[(0, 4)]], (1, 3), "a span to 4 of 3 tokens"),
        ([[0, 1]], (2, 2), "words has 1 records, but there are 2"),
        ([[0, 1]], (1,), "no tokens"),
    ],
)
def test_words_of_another_value(words, shape, message):
    with pytest.raises(ValueError, match=message):
        Segments.words(words).resolved(np.zeros(shape))


def test_a_record_has_its_place_in_the_call():
    words = Segments.words([[0], [0, 1], [0, 0]], [["a"], ["b", "c"], ["d"]])
    with pytest.raises(ValueError, match="Record 1 has word ids for 2 tokens, but there are 3"):
        words.resolved(np.zeros((1, 3)), first=1, total=3)
    (found,) = words.resolved(np.zeros((1, 2)), first=2)
    assert found.names == ("d",)


# -- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [int, "uint8", "int16", list])
def test_an_array_of_one_record_is_for_all(dtype):
    array = [[7, 7, 2], [2, 9, 7]]
    array = array if dtype is list else np.array(array, dtype)
    found = Segments.of(array).resolved(np.zeros((3, 2, 3)))
    assert found[0].labels.tolist() == [[1, 1, 0], [0, 2, 1]]
    assert found[0] is found[1] is found[2]


def test_an_array_of_every_record():
    array = np.array([[[0, 5, 5]], [[-3, -1, 4]]])
    first, second = Segments.of(array).resolved(np.zeros((2, 2, 3)))
    assert full(first).tolist() == [[0, 1, 1]] * 2
    assert full(second).tolist() == [[-1, -1, 0]] * 2
    assert (first.n, second.n) == (2, 1)


@pytest.mark.parametrize("shape", [(1, 4, 5), (4, 5, 1), (3, 1, 1), (1, 1, 5), (1, 1, 1)])
def test_axes_along_which_all_belong_together(shape):
    value = (3, 4, 5) if shape != (4, 5, 1) else (4, 5, 3)
    array = np.arange(np.prod(shape)).reshape(shape)
    found = one(Segments.of(array), value)
    assert (full(found) == np.broadcast_to(array, value)).all()
    assert found.n == array.size


def test_a_number_is_one_segment_of_everything():
    assert full(one(Segments.of(0), (2, 2))).tolist() == [[0, 0], [0, 0]]
    assert one(Segments.of(0), ()).labels.tolist() == 0


def test_stacks_of_regions():
    stack = np.array([[[True, True, False]], [[False, True, True]]])
    assert (members(one(Segments.of(stack), (2, 3))) == np.repeat(stack, 2, axis=1)).all()
    both = np.stack([stack, ~stack])
    found = Segments.of(both).resolved(np.zeros((2, 1, 3)))
    assert (members(found[1]) == ~stack).all()
    with pytest.raises(ValueError, match="Region 1 of the stack has no element"):
        one(Segments.of(np.array([[True, False], [False, False]])), (2,))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2)), "found float64"),
        (["a"], "found <U1"),
        (np.zeros((0, 3), int), "no segment in an array of shape"),
        (np.full(3, -1), "no segment"),
        (np.zeros((2, 3), bool), "no segment"),
        (np.array([0, 2**64 - 1], "uint64"), "too large"),
    ],
)
def test_arrays_that_are_no_segments(array, message):
    with pytest.raises(ValueError, match=message):
        Segments.of(array)


@pytest.mark.parametrize(
    ("array", "shape", "message"),
    [
        (np.zeros((4, 4), int), (1, 3, 4, 4), "integers have as many axes as one record"),
        (np.ones((4, 4), bool), (1, 4, 4), r"\(4, 4\) does not fit .* \(records, 4, 4\): a stack"),
        (np.ones((4,), bool), (1, 4), "a stack of booleans has an axis of regions"),
        (np.zeros((1, 4, 5), int), (1, 3, 4, 4), "each as long as the value's or of length 1"),
        (np.zeros((2, 1, 4, 4), int), (3, 3, 4, 4), "has 2 records, but there are 3"),
        (np.zeros((2, 1, 1, 4, 4), int), (2, 3, 4, 4), "may have one more"),
    ],
)
def test_arrays_of_other_shapes(array, shape, message):
    with pytest.raises(ValueError, match=message):
        Segments.of(array).resolved(np.zeros(shape))


def test_the_array_is_the_callers():
    array, stack = np.array([0, 1]), np.array([[True, False]])
    segments, regions = Segments.of(array), Segments.of(stack)
    array[:], stack[:] = 5, True
    assert one(segments, (2,)).labels.tolist() == [0, 1]
    assert one(regions, (2,)).members.tolist() == [[True, False]]
    with pytest.raises(ValueError, match="read-only"):
        one(segments, (2,)).labels[0] = 3


# -- superpixels ---------------------------------------------------------------------------------

IMAGES = np.stack([PHOTOGRAPH, PHOTOGRAPH[::-1, ::-1], PHOTOGRAPH // 3]).transpose(0, 3, 1, 2)
METHODS = [
    Segments.superpixels(40),
    Segments.superpixels(40, compactness=30, sigma=0.5),
    Segments.superpixels(method="felzenszwalb", scale=50, min_size=30),
]
each = pytest.mark.parametrize("segments", METHODS, ids=["slic", "square", "felzenszwalb"])


@each
def test_superpixels_are_parts_that_look_alike(segments):
    """Several, connected, and less varied inside than squares of as many are."""
    (found,) = segments.resolved(IMAGES[:1])
    labels, image = found.labels[0], IMAGES[0].astype(float)
    if segments.recipe.method == "slic":
        assert 30 <= found.n <= 45
        assert all(ndimage.label(labels == s)[1] == 1 for s in range(found.n))

    def within(labels):
        numbers = range(labels.max() + 1)
        return sum(image[:, labels == s].var(axis=1).sum() * (labels == s).sum() for s in numbers)

    side = int(np.sqrt(labels.size / found.n))
    grid = one(Segments.grid(side), (1, *labels.shape)).labels[0]
    assert within(labels) < 0.7 * within(grid)


@each
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_superpixels_of_any_range_type_and_layout(segments, channels):
    x = np.concatenate([IMAGES, IMAGES], axis=1)[:1, :channels]
    expected = segments.resolved(x, channel_axis=1)
    for other in (x / 255.0, x * 0.5 - 30.0):
        found = segments.resolved(other, channel_axis=1)
        alike = [np.mean(a.labels == b.labels) for a, b in zip(expected, found, strict=True)]
        assert min(alike) > 0.99  # to rounding
    last = segments.resolved(x.transpose(0, 2, 3, 1), channel_axis=3)
    for a, b in zip(expected, last, strict=True):
        assert (a.labels[0] == b.labels[..., 0]).all()
    if channels == 1:
        grey = segments.resolved(x[:, 0])
        assert all((a.labels[0] == b.labels).all() for a, b in zip(expected, grey, strict=True))


@each
def test_superpixels_are_the_records_own(segments):
    together = segments.resolved(IMAGES)
    for record, regions in zip(IMAGES, together, strict=True):
        (alone,) = segments.resolved(record[np.newaxis])
        assert (alone.labels == regions.labels).all()


@each
def test_superpixels_of_an_even_image(segments):
    found = one(segments, (3, 32, 32))
    assert found.n >= 1
    assert sorted(np.unique(found.labels)) == list(range(found.n))


def test_superpixels_of_volumes():
    volume = np.repeat(IMAGES[:1, :1, :24, :24, np.newaxis], 6, axis=4)
    (found,) = Segments.superpixels(10).resolved(volume, channel_axis=1)
    assert found.labels.shape == (1, 24, 24, 6)
    with pytest.raises(ValueError, match=r"felzenszwalb segments images; .* 3 axes of space"):
        METHODS[2].resolved(volume, channel_axis=1)


def test_superpixels_of_what_is_no_image():
    with pytest.raises(ValueError, match="slic segments images, and volumes; "):
        one(Segments.superpixels(3), (8,))
    x = IMAGES.astype(float)
    x[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="Record 3 has numbers that are not finite"):
        Segments.superpixels(3).resolved(x, first=2)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((), {}, ValueError, "slic needs n"),
        ((0,), {}, ValueError, "slic needs n"),
        ((2.5,), {}, ValueError, "slic needs n"),
        ((5, "kmeans"), {}, ValueError, r"one of \['felzenszwalb', 'slic'\], found 'kmeans'"),
        ((5, "felzenszwalb"), {}, TypeError, "scale= takes n's place"),
        ((5,), {"scale": 1}, TypeError, "slic has the options .* no 'scale'"),
        ((None, "felzenszwalb"), {"compactness": 1}, TypeError, "no 'compactness'"),
        ((5,), {"compactness": 0}, ValueError, "compactness must be a positive number"),
        ((5,), {"sigma": -1}, ValueError, "sigma must be"),
        ((5,), {"sigma": np.nan}, ValueError, "sigma must be"),
    ],
)
def test_options_of_superpixels(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Segments.superpixels(*arguments, **options)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"pip install 'trulens-nn\[segments\]'"):
        one(Segments.superpixels(3), (1, 8, 8))


# -- laws of regions -----------------------------------------------------------------------------

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)


@st.composite
def partitions(draw):
    shape = draw(SHAPES)
    labels = hnp.arrays(np.int64, shape, elements=st.integers(-2, 6))
    return Segments.of(draw(labels.filter(lambda a: (a >= 0).any()))), shape


@st.composite
def covers(draw):
    shape = draw(SHAPES)
    stack = draw(hnp.arrays(bool, (draw(st.integers(1, 4)), *shape)))
    stack.reshape(len(stack), -1)[:, 0] = True
    return Segments.of(stack), shape


both = given(st.one_of(partitions(), covers()), st.integers(0, 2**32 - 1))


@both
@settings(max_examples=60)
def test_spread_and_mask_beside_a_loop(case, seed):
    segments, shape = case
    regions = one(segments, shape)
    rng = np.random.default_rng(seed)
    values, kept = rng.standard_normal((2, regions.n)), rng.random((2, regions.n)) < 0.5
    part = rng.random((2, regions.n))
    spread, mask, soft = regions.spread(values), regions.mask(kept), regions.mask(part)
    assert spread.shape == mask.shape == soft.shape == (2, *shape)
    inside = members(regions)
    for place in np.ndindex(shape):
        own = [s for s in range(regions.n) if inside[(s, *place)]]
        for k in range(2):
            mean = sum(values[k, s] for s in own) / len(own) if own else 0.0
            assert spread[(k, *place)] == mean
            assert mask[(k, *place)] == all(kept[k, s] for s in own)
            assert soft[(k, *place)] == min((part[k, s] for s in own), default=1.0)


@given(partitions())
def test_every_element_is_in_at_most_one_segment_and_every_segment_has_one(case):
    segments, shape = case
    regions = one(segments, shape)
    covered = segments.recipe.array >= 0
    assert (members(regions).sum(axis=0) == covered).all()
    assert (regions.spread(np.eye(regions.n)) == members(regions)).all()
    assert members(regions).reshape(regions.n, -1).any(axis=1).all()


@given(covers())
def test_ones_that_overlap_share(case):
    segments, shape = case
    regions = one(segments, shape)
    coverage = np.maximum(segments.recipe.array.sum(axis=0), 1)
    found = regions.spread(np.eye(regions.n))
    np.testing.assert_allclose(found, segments.recipe.array / coverage, rtol=1e-15)


@given(st.permutations(range(4)))
def test_the_order_of_records_is_of_no_matter(order):
    labels = RNG.integers(-1, 4, (4, 3, 5))
    z, order = np.zeros((4, 3, 5)), list(order)
    found = Segments.of(labels[order]).resolved(z)
    expected = Segments.of(labels).resolved(z)
    assert all((found[i].labels == expected[o].labels).all() for i, o in enumerate(order))


@pytest.mark.parametrize(
    "segments",
    [Segments.of(RNG.integers(0, 3, (4, 1, 2, 5))), Segments.words([[0, 0], [0, 1], [0], [None]])],
    ids=["array", "words"],
)
def test_a_part_of_the_records(segments):
    lengths = [2, 2, 1, 1]
    z = [np.zeros((1, n)) for n in lengths]
    if hasattr(segments.recipe, "array"):
        z = [np.zeros((1, 3, 2, 5))] * 4
    for r, own in enumerate(z):
        (found,) = segments.resolved(own, first=r, total=4)
        assert found.shape == own.shape[1:]
        if hasattr(segments.recipe, "array"):
            assert (
                found.labels == np.unique(segments.recipe.array[r], return_inverse=True)[1]
            ).all()
    assert [segments.resolved(a, first=r, total=4)[0].n for r, a in enumerate(z)][-2:] != [0, 0]
    with pytest.raises(ValueError, match="has 4 records, but there are 3"):
        segments.resolved(z[0], first=2)


@pytest.mark.parametrize(
    "form", [np.array([[0, 1, 1]]), np.array([[[True] * 3], [[False, True, False]]])]
)
@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (np.ones(2, bool), "shape"),
        (np.ones((1, 3), bool), r"\(k, 2\), found bool of shape \(1, 3\)"),
        (np.ones((1, 2), int), "found int64"),
        (np.array([[0.0, 1.5]]), "not between 0 and 1"),
        (np.array([[0.0, np.nan]]), "not between 0 and 1"),
    ],
)
def test_what_cannot_be_kept(form, kept, message):
    with pytest.raises(ValueError, match=message):
        one(Segments.of(form), (1, 3)).mask(kept)
    with pytest.raises(ValueError, match="numbers of the 2 segments"):
        one(Segments.of(form), (1, 3)).spread(np.zeros(3))


@pytest.mark.parametrize(
    "form", [np.array([[0, 1, 1]]), np.array([[[True] * 3], [[False, True, False]]])]
)
def test_types_of_what_is_spread(form):
    regions = one(Segments.of(form), (1, 3))
    assert regions.spread(np.ones(2, "float32")).dtype == "float32"
    assert regions.spread([1, 2]).dtype == "float64"
    assert regions.mask(np.ones((1, 2), "float32")).dtype == "float32"
    missing = regions.spread([np.nan, 2.0])
    assert np.isnan(missing).tolist() == members(regions)[:1].any(axis=0).tolist()


# -- recipes -------------------------------------------------------------------------------------

RECIPES = {
    "of": lambda: Segments.of(np.array([[0, 1]])),
    "stack": lambda: Segments.of(np.array([[True, False]])),
    "grid": lambda: Segments.grid([2, 3], channel_axis=1),
    "windows": lambda: Segments.windows(3, 2),
    "superpixels": lambda: Segments.superpixels(9, sigma=1, compactness=2),
    "felzenszwalb": lambda: Segments.superpixels(method="felzenszwalb"),
    "channels": lambda: Segments.channels(2),
    "columns": lambda: Segments.columns({"a": [0, 1]}, ["x", "y", "z"]),
    "words": lambda: Segments.words([[0, None]], [["hi"]]),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_values(name):
    made, again = RECIPES[name](), RECIPES[name]()
    assert made == again == pickle.loads(pickle.dumps(made))
    assert hash(made) == hash(pickle.loads(pickle.dumps(again)))
    others = {RECIPES[other]() for other in RECIPES} - {made}
    assert len(others) == len(RECIPES) - 1
    with pytest.raises(AttributeError):
        made.size = 3


def test_arrays_are_told_apart():
    first = Segments.of(np.array([0, 1], "int32"))
    assert first == Segments.of([0, 1]) != Segments.of([1, 0])
    assert Segments.of([[0, 1]]) != first
    assert Segments.of([False, True]) != first


def test_segments_are_made_by_a_name():
    with pytest.raises(TypeError, match="recipe"):
        Segments()


def test_a_list_is_a_value_and_a_number_is_none():
    assert Segments.channels().resolved([[1.0, 2.0]])[0].n == 2
    with pytest.raises(ValueError, match="an axis of records"):
        Segments.channels().resolved(np.float64(1))
    assert Segments.channels().resolved(np.zeros((0, 2))) == ()


# -- several tensors -----------------------------------------------------------------------------


def test_numbers_go_on_from_tensor_to_tensor():
    image, table, series = np.zeros((2, 1, 4, 4)), np.zeros((2, 3)), np.zeros((2, 4, 1))
    each = [Segments.grid(2), None, Segments.windows(2, 1)]
    found = resolved(each, [image, table, series])
    assert len(found) == 2
    assert found[0] is found[1]  # the same for both records
    pixels, columns, steps = found[0]
    assert [r.n for r in found[0]] == [10, 10, 10]
    assert [r.first for r in found[0]] == [0, 4, 7]
    assert columns.labels.tolist() == [4, 5, 6]
    kept = np.ones((1, 10), bool)
    kept[0, [3, 5, 8]] = False
    assert pixels.mask(kept)[0, 0].tolist() == [[True] * 4] * 2 + [[True, True, False, False]] * 2
    assert columns.mask(kept)[0].tolist() == [True, False, True]
    assert steps.mask(kept)[0, :, 0].tolist() == [True, False, False, True]
    assert columns.spread(np.arange(10.0)).tolist() == [4.0, 5.0, 6.0]
    assert steps.spread(np.arange(10.0))[:, 0].tolist() == [7.0, 7.5, 8.5, 9.0]


def test_records_have_their_own_numbers():
    words = Segments.words([[0, 1, None], [0, 0, 0]])
    table = Segments.columns({"both": [0, 1]})
    first, second = resolved([words, table], [np.zeros((2, 3, 5)), np.zeros((2, 2))])
    assert [r.n for r in (*first, *second)] == [3, 3, 2, 2]
    assert first[1].labels.tolist() == [2, 2]
    assert second[1].labels.tolist() == [1, 1]
    assert first[0].names == first[1].names == ("0", "1", "both")
    first, _ = resolved([table, words], [np.zeros((2, 2)), np.zeros((2, 3, 5))])
    assert first[0].names == first[1].names == ("both", "1", "2")


def test_what_is_in_no_segment_stays_so():
    _, second = resolved([None, Segments.of([-1, 0])], [np.zeros((1, 2)), np.zeros((1, 2))])[0]
    assert second.labels.tolist() == [-1, 2]
    assert second.mask(np.zeros((1, 3), bool)).tolist() == [[True, False]]


def test_one_tensor_and_none():
    ((found,),) = resolved(None, [np.zeros((1, 2, 2))])
    assert found.labels.tolist() == [[0, 1], [2, 3]]
    ((found,),) = resolved(Segments.channels(), [np.zeros((1, 2))])
    assert found.labels.tolist() == [0, 1]
    first, second = resolved(None, [np.zeros((1, 2)), np.zeros((1, 1))])[0]
    assert (first.n, second.labels.tolist()) == (3, [2])


@pytest.mark.parametrize("segments", [Segments.channels(), [Segments.channels()], [None] * 3])
def test_one_recipe_for_each_tensor(segments):
    with pytest.raises(ValueError, match="There are 2 tensors at the cut and segments for"):
        resolved(segments, [np.zeros((1, 2)), np.zeros((1, 2))])


def test_regions_do_not_change():
    regions = Regions.of_labels(np.array([0, 1]), (2,))
    with pytest.raises(AttributeError):
        regions.n = 3
    again = pickle.loads(pickle.dumps(regions))
    assert (again.labels == regions.labels).all()
