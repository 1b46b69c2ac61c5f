"""Quantities of every kind of output by themselves: what they refuse, and what they say."""

import array_api_strict
import numpy as np
import pytest

from trulens_core import (
    BinaryQoI,
    BoxQoI,
    ClassQoI,
    ComparativeQoI,
    DistanceQoI,
    EntropyQoI,
    InputAttribution,
    InternalChannelQoI,
    LogProbQoI,
    LossQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoiCutSupportError,
    QoiError,
    RegressionQoI,
    TokenQoI,
)
from trulens_core.quantities import as_qoi
from trulens_core.quantities.boxes import overlap
from trulens_core.testing import register_reference, small_model
from trulens_core.testing.conformance.outputs import CASES, KINDS
from trulens_core.testing.reference import BACKEND

SHAPES = {"maps": (4, 3, 8, 8), "sequences": (4, 5, 6), "scores": (4, 3)}
MAPS, STEPS, SCORES, UNITS = (np.ones(s) for s in ((2, 3, 4, 5), (2, 6, 3), (2, 3), (2, 1)))


@pytest.fixture(autouse=True)
def reference():
    register_reference()


def of(qoi, y, axis=1):
    """The quantity of a value of the reference backend, images with their channels on an axis."""
    tensors = [BACKEND.from_numpy(np.asarray(t)) for t in (y if isinstance(y, list) else [y])]
    found = qoi.with_channel_axis(axis)(tensors if isinstance(y, list) else tensors[0])
    return BACKEND.to_numpy(found)


# -- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassQoI(1, region=1.0), "region is 1.0; it must be a mask"),
        (lambda: ClassQoI(1, region=[]), "region must be an array of numbers"),
        (lambda: ClassQoI(1, region=["a"]), "region must be an array of numbers"),
        (lambda: LogProbQoI(1, region=[1.0, np.nan]), "region must be finite"),
        (lambda: PredictedClassQoI(region=[np.inf]), "region must be finite"),
        (lambda: LogProbQoI(1.5), "LogProbQoI needs an int, or one per record, or one per record"),
        (lambda: BinaryQoI([[1]]), "BinaryQoI needs an int, or one per record"),
        (lambda: BinaryQoI(True), "BinaryQoI needs an int"),
        (lambda: BinaryQoI(1, activation="softmax"), "activation is 'softmax'.*'sigmoid' or None"),
        (lambda: RegressionQoI(1.0), "RegressionQoI needs an int"),
        (lambda: LossQoI("mse", [1.0]), "needs a function of .y, targets.*'mse'"),
        (lambda: DistanceQoI("zeros"), "reference must be an array of numbers"),
        (lambda: DistanceQoI([np.nan]), "reference must be finite"),
        (lambda: DistanceQoI([1.0], metric="l1"), "metric is 'l1'.*euclidean, squared, cosine"),
        (lambda: DistanceQoI([0.0, 0.0], metric="cosine"), "zeros has no direction"),
        (lambda: TokenQoI(1.0), "TokenQoI: tokens needs an int"),
        (lambda: TokenQoI(1, position=None), "TokenQoI: position needs an int"),
        (lambda: BoxQoI([0, 0, 1], 1), r"box has shape \(3,\); it must be \(4,\)"),
        (lambda: BoxQoI([1, 1, 0, 2], 1), "box has no area in the format 'xyxy'"),
        (lambda: BoxQoI([1, 1, 0, 2], 1, format="cxcywh"), "no area in the format 'cxcywh'"),
        (lambda: BoxQoI([0, 0, 1, 1], 1, format="xywh"), "format is 'xywh'.*xyxy, cxcywh"),
        (lambda: BoxQoI([0, 0, 1, 1], 1, boxes_at=2), "boxes_at is 2"),
        (lambda: BoxQoI([0, 0, 1, 1], 1.0), "BoxQoI needs an int"),
    ],
)
def test_what_is_no_argument(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("cl", [2, -3, [0, 2]])
def test_one_unit_has_two_classes(cl):
    with pytest.raises(IndexError, match=r"BinaryQoI: class (2|-3) is out of range: there are 2"):
        BinaryQoI(cl)


@pytest.mark.parametrize(
    ("qoi", "text"),
    [
        (ClassQoI(1, region=[True, False]), "ClassQoI(1, region=[1.0, 0.0])"),
        (
            ClassQoI(1, np.ones((2, 4, 5)), 3),
            "ClassQoI(1, axis=3, region=<array of shape (2, 4, 5)>)",
        ),
        (ClassQoI(np.ones((2, 4, 5), int)), "ClassQoI(<array of shape (2, 4, 5)>)"),
        (PredictedClassQoI(-1, [1.0]), "PredictedClassQoI(axis=-1, region=[1.0])"),
        (LogProbQoI([1, 2]), "LogProbQoI([1, 2])"),
        (EntropyQoI(), "EntropyQoI()"),
        (EntropyQoI(axis=2), "EntropyQoI(axis=2)"),
        (BinaryQoI(-1), "BinaryQoI(1)"),
        (RegressionQoI(), "RegressionQoI()"),
        (DistanceQoI(0.5, "squared"), "DistanceQoI(0.5, metric='squared')"),
        (BoxQoI([0, 0, 1, 2], 3), "BoxQoI([0.0, 0.0, 1.0, 2.0], 3, format='xyxy')"),
    ],
)
def test_they_show_what_they_are(qoi, text):
    assert repr(qoi) == text


def test_only_a_loss_runs_the_caller_s_code():
    for _, _, cases in KINDS.values():
        for qoi, _ in cases.values():
            assert qoi.custom == isinstance(qoi, LossQoI)
    assert not BoxQoI([0, 0, 1, 1], 0).custom


# -- axes of classes -------------------------------------------------------------------------------


def test_which_axis_holds_the_classes():
    """The rule, and `axis=`, which overrules it."""
    y = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    assert np.allclose(of(ClassQoI(1), y, 1), y[:, 1].sum((1, 2)))
    assert np.allclose(of(ClassQoI(1), y, -1), y[..., 1].sum((1, 2)))
    assert np.allclose(of(ClassQoI(1, axis=2), y), y[:, :, 1].sum((1, 2)))
    assert np.allclose(of(MaxClassQoI(), y[..., 0]), y[..., 0].max(2).sum(1))
    assert np.allclose(of(MaxClassQoI(axis=1), y[..., 0]), y[..., 0].max(1).sum(1))
    assert np.allclose(of(MaxClassQoI(axis=-3), y), y.max(1).sum((1, 2)))
    volume = np.random.default_rng(0).standard_normal((2, 3, 4, 5, 2))
    assert np.allclose(of(ClassQoI([0, 2]), volume), volume[[0, 1], [0, 2]].sum((1, 2, 3)))


@pytest.mark.parametrize(
    "make", [lambda a: ClassQoI(1, axis=a), MaxClassQoI, EntropyQoI, PredictedClassQoI]
)
def test_values_without_an_axis_of_classes(make):
    for y, axis in ((MAPS, None), (np.ones((2,) * 6), None)):
        with pytest.raises(QoiCutSupportError, match=r"cannot tell which axis .* give axis="):
            of(make(axis), y, None)
    for axis in (0, -4, 4):
        with pytest.raises(QoiCutSupportError, match=f"along axis {axis}, .*that of the records"):
            of(make(axis), MAPS)
    with pytest.raises(QoiCutSupportError, match=r"\(2,\).* BinaryQoI or RegressionQoI explains"):
        of(make(None), UNITS[:, 0])


def test_a_class_of_one_unit_names_its_quantity():
    for qoi in (ClassQoI(1), LogProbQoI(1), ComparativeQoI(0, 1), as_qoi(1)):
        with pytest.raises(IndexError, match=r"1 is out of range: there are 1 .*; BinaryQoI"):
            of(qoi, UNITS)
    for y in (MAPS[:, :1], STEPS[..., :1]):
        with pytest.raises(IndexError, match=r"1 is out of range: there are 1 \(class 0 to 0\)$"):
            of(ClassQoI(1), y)
    with pytest.raises(QoiCutSupportError, match="BinaryQoI or RegressionQoI"):
        of(InternalChannelQoI(0), UNITS[:, 0])


# -- regions, and other arrays that may be of all records or of each -------------------------------


@pytest.mark.parametrize(
    ("y", "region", "message"),
    [
        (MAPS, np.ones((5, 4)), r"region has shape \(5, 4\).*has shape \(4, 5\) in each record"),
        (MAPS, np.ones(5), r"region has shape \(5,\)"),
        (MAPS, np.ones((2, 5, 4)), r"region has shape \(2, 5, 4\)"),
        (MAPS, np.ones((2, 1, 4, 5)), r"region has shape \(2, 1, 4, 5\)"),
        (STEPS, np.ones(3), r"region has shape \(3,\).*has shape \(6,\)"),
        (SCORES, np.ones(3), r"region is one of the positions of a map or a sequence"),
    ],
)
def test_a_region_that_does_not_fit(y, region, message):
    for qoi in (ClassQoI(1, region), PredictedClassQoI(region=region), LogProbQoI(1, region)):
        with pytest.raises(QoiError, match=message):
            of(qoi, y)


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 4), (2, 4, 5, 1)])
def test_classes_per_position_that_do_not_fit(shape):
    with pytest.raises(QoiError, match=r"one per record and position, .* have shape \(4, 5\)"):
        of(ClassQoI(np.zeros(shape, int)), MAPS)


def test_an_empty_region_gives_zero():
    assert of(ClassQoI(1, np.zeros((4, 5), bool)), MAPS).tolist() == [0.0, 0.0]
    each = np.stack([np.zeros((4, 5)), np.ones((4, 5))])
    assert of(ClassQoI(1, each), MAPS).tolist() == [0.0, 20.0]


def test_regions_of_each_record_are_known_by_their_number():
    one, each = ClassQoI(1, np.ones((4, 5))), ClassQoI(1, np.ones((2, 4, 5)))
    assert [d.per_record for d in one.with_n_records(2).data()] == [False, False]
    assert [d.per_record for d in each.with_n_records(2).data()] == [False, True]
    assert each.for_records(1, 2, 2).region.shape == (1, 4, 5)
    assert of(each.for_records(1, 2, 2), MAPS[1:]).tolist() == [20.0]
    single = ClassQoI(1, np.ones((1, 4, 5)))
    assert [d.per_record for d in single.with_n_records(1).data()] == [False, False]
    with pytest.raises(QoiError, match="region has 2 rows, which is not the number of records"):
        of(each.for_records(0, 3, 3), np.ones((3, 3, 4, 5)))
    both = one - 2 * each  # a sum hands it on
    assert [d.per_record for d in both.with_n_records(2).data()][2:] == [False, False, False, True]


def test_as_many_rows_as_records_by_chance_is_an_error():
    """Nothing is sliced that belongs to all."""
    y = np.ones((4, 3, 4, 5))
    chance = ClassQoI(1, np.ones((4, 5))).for_records(0, 2, 4)
    with pytest.raises(QoiError, match=r"by chance as many rows as .* region\[None\]"):
        of(chance, y[:2])
    told = ClassQoI(1, np.ones((1, 4, 5))).for_records(0, 2, 4)
    assert of(told, y[:2]).tolist() == [20.0, 20.0]
    chance = DistanceQoI(np.ones((4, 5))).for_records(0, 4, 4)
    with pytest.raises(QoiError, match=r"reference\[None\]"):
        of(chance, np.zeros((4, 4, 5)))


def test_a_map_s_class_by_position_has_a_row_per_record():
    classes = np.zeros((3, 4, 5), int)
    with pytest.raises(QoiError, match="3 values in an array with one per record, but 2"):
        ClassQoI(classes).for_records(0, 2, 2)
    assert ClassQoI(classes).for_records(1, 3, 3).cl.shape == (2, 4, 5)


def test_what_differs_in_its_arrays_alone_has_one_key():
    def key(qoi, n=2):
        return qoi.with_n_records(n).with_channel_axis(1).key()

    ones = np.ones((2, 4, 5))
    assert key(ClassQoI(1, ones)) == key(ClassQoI(2, 0 * ones))
    assert key(ClassQoI(1, ones)) != key(ClassQoI(1, ones[0]))
    assert key(ClassQoI(1, ones)) != key(ClassQoI(1))
    assert key(ClassQoI(1)) == key(ClassQoI([1, 2]))
    assert key(ClassQoI(1, axis=2)) != key(ClassQoI(1))
    assert key(BinaryQoI(0)) == key(BinaryQoI([1, 0])) != key(BinaryQoI(0, "sigmoid"))
    assert key(RegressionQoI()) != key(RegressionQoI(1)) == key(RegressionQoI(2))
    assert key(DistanceQoI(ones)) == key(DistanceQoI(2 * ones)) != key(DistanceQoI(ones, "cosine"))
    assert (
        key(TokenQoI(1)) == key(TokenQoI([3, 4], [0, 1])) != key(TokenQoI(1, quantity="log_prob"))
    )
    scores = BACKEND.from_numpy(SCORES)
    bound = PredictedClassQoI().with_n_records(2).bind(scores)
    assert key(bound) == key(ClassQoI([0, 1]))
    for region in (None, ones[0], ones):
        for n in (1, 2):
            given = region[:n] if region is ones else region
            predicted = PredictedClassQoI(region=given).with_n_records(n).with_channel_axis(1)
            bound = predicted.bind(BACKEND.from_numpy(MAPS[:n]))
            assert key(bound, n) == key(ClassQoI(np.zeros((n, 4, 5), int), given), n)


# -- one unit, predictions -------------------------------------------------------------------------


@pytest.mark.parametrize("y", [SCORES, STEPS, MAPS])
def test_values_of_more_than_one_unit(y):
    with pytest.raises(QoiCutSupportError, match=r"BinaryQoI reads one number.*ClassQoI explains"):
        of(BinaryQoI(1), y)
    with pytest.raises(QoiCutSupportError, match=r"RegressionQoI reads one number.*output="):
        of(RegressionQoI(), y)


def test_columns_that_are_none():
    for output, y, n in ((3, SCORES, 3), ([0, -4], SCORES, 3), (1, UNITS, 1), (1, UNITS[:, 0], 1)):
        with pytest.raises(IndexError, match=f"output .* is out of range: there are {n}"):
            of(RegressionQoI(output), y)
    assert of(RegressionQoI(0), UNITS[:, 0]).tolist() == [1.0, 1.0]
    with pytest.raises(QoiCutSupportError, match=r"a column of \(records, k\).*InternalChannelQoI"):
        of(RegressionQoI(0), STEPS)


# -- losses and distances --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda y, t: BACKEND.xp.sum((y[:, 0] - t) * (y[:, 0] - t)), r"\(\)"),
        (lambda y, t: y * y, r"\(2, 3\)"),
    ],
)
def test_a_loss_that_is_reduced_or_not_enough(function, shape):
    with pytest.raises(QoiError, match=f'gave shape {shape}, expected one .*reduction="none"'):
        of(LossQoI(function, np.ones(2)), SCORES)


def test_targets_of_another_number_of_records():
    model, x = small_model()
    qoi = LossQoI(lambda y, t: y[:, 0] - t, [1.0, 2.0, 3.0])
    with pytest.raises(QoiError, match="LossQoI has 3 values in an array with one per record"):
        InputAttribution(model, qoi=qoi).attributions(x)


def test_a_loss_of_several_tensors():
    qoi = LossQoI(lambda y, t: y[0][:, 0] * y[1][:, 0] - t, 1.0)
    assert of(qoi, [2 * SCORES, 3 * UNITS]).tolist() == [5.0, 5.0]


@pytest.mark.parametrize("shape", [(2,), (2, 2), (3, 3), (2, 3, 1)])
def test_a_reference_that_does_not_fit(shape):
    qoi = DistanceQoI(np.ones(shape)).with_n_records(2)
    with pytest.raises(QoiError, match="reference has"):
        of(qoi, SCORES)


def test_distances_of_one_number_per_record():
    assert of(DistanceQoI(3.0), UNITS[:, 0]).tolist() == [2.0, 2.0]
    with pytest.raises(QoiError, match="LossQoI compares it with targets"):
        of(DistanceQoI([3.0, 2.0]), UNITS[:, 0])


def test_a_record_s_reference_without_direction():
    with pytest.raises(QoiError, match="a record's reference of zeros has no direction"):
        of(DistanceQoI([[1.0, 0, 0], [0, 0, 0]], metric="cosine"), SCORES)


# -- tokens ----------------------------------------------------------------------------------------


def test_tokens_and_positions_out_of_range():
    for qoi, what in (
        (TokenQoI(3), r"token 3 is out of range: there are 3"),
        (TokenQoI([0, -4]), r"token -4"),
        (TokenQoI(0, position=6), r"position 6 is out of range: there are 6"),
        (TokenQoI(0, [0, -7]), r"position -7"),
    ):
        with pytest.raises(IndexError, match=what):
            of(qoi, STEPS)
    for y in (SCORES, MAPS):
        with pytest.raises(QoiCutSupportError, match=r"\(records, steps, vocabulary\).*LogProbQoI"):
            of(TokenQoI(0), y)


# -- boxes -----------------------------------------------------------------------------------------


def detections(classes=3):
    rng = np.random.default_rng(0)
    low = rng.random((2, 5, 2))
    boxes = np.concatenate([low, low + 0.1 + rng.random((2, 5, 2))], -1)
    return rng.random((2, 5, classes)), boxes


def test_scores_and_boxes_in_either_order():
    scores, boxes = detections()
    qoi = BoxQoI(boxes[:, 3], [1, 2])
    expected = scores[[0, 1], 3, [1, 2]]
    assert (
        of(qoi, [scores, boxes]).tolist() == of(qoi, [boxes, scores]).tolist() == expected.tolist()
    )


def test_scores_of_four_classes():
    scores, boxes = detections(4)
    with pytest.raises(QoiCutSupportError, match=r"cannot tell scores from boxes.*boxes_at=0 or"):
        of(BoxQoI(boxes[:, 3], 1), [scores, boxes])
    for at, value in ((1, [scores, boxes]), (0, [boxes, scores])):
        found = of(BoxQoI(boxes[:, 3], 1, boxes_at=at), value)
        assert found.tolist() == scores[:, 3, 1].tolist()


def test_formats_of_boxes():
    scores, boxes = detections()
    middle = np.concatenate(
        [(boxes[..., 2:] + boxes[..., :2]) / 2, boxes[..., 2:] - boxes[..., :2]], -1
    )
    found = of(BoxQoI(middle[1, 2], 0, format="cxcywh"), [scores, middle])
    assert found.tolist() == of(BoxQoI(boxes[1, 2], 0), [scores, boxes]).tolist()
    assert found[1] == scores[1, 2, 0]


def test_overlap():
    """By hand: apart, touching, a quarter, inside, turned inside out."""
    given = np.asarray([0.0, 0.0, 2.0, 2.0])
    boxes = np.asarray(
        [[3, 3, 4, 4], [2, 0, 3, 2], [1, 1, 3, 3], [0, 0, 1, 1], [2, 2, 0, 0], [0, 0, 2, 2]], float
    )
    assert np.allclose(overlap(boxes, given), [0, 0, 1 / 7, 1 / 4, 0, 1])
    assert overlap(np.zeros((1, 4)), np.zeros(4)).tolist() == [0.0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([SCORES], "BoxQoI reads two tensors, class scores and boxes, .* holds 1"),
        ([SCORES] * 3, "holds 3"),
        ([STEPS, STEPS], r"reads boxes of shape \(records, boxes, 4\), found"),
        ([STEPS, np.ones((2, 4))], r"found \(2, 6, 3\) and \(2, 4\)"),
        ([STEPS, np.ones((2, 5, 4))], r"found \(2, 6, 3\) and \(2, 5, 4\)"),
    ],
)
def test_values_that_are_no_detections(value, message):
    with pytest.raises(QoiCutSupportError, match=message):
        of(BoxQoI([0, 0, 1, 1], 0), value)


def test_boxes_that_are_not_there():
    scores, boxes = detections()
    with pytest.raises(QoiError, match=r"no box overlaps the given one in the records \[1\]"):
        of(BoxQoI([boxes[0, 0], [9, 9, 10, 10]], 0), [scores, boxes])
    with pytest.raises(IndexError, match=r"class 3 is out of range: there are 3"):
        of(BoxQoI(boxes[0, 0] * [0, 0, 9, 9], 3), [scores, boxes])


# -- nothing but the standard ----------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "case"), [c for c in CASES if c[0] != "units"])
def test_over_strict_arrays(strict, kind, case):
    """Quantities use no function that the array-API standard lacks, and mix no types."""
    qoi, formula = KINDS[kind][2][case]
    value = np.random.default_rng(1).standard_normal(SHAPES.get(kind, (4,)))
    y = value.swapaxes(1, 2) if kind == "sequences" else value
    found = qoi.with_channel_axis(1)(array_api_strict.asarray(y.copy()))
    np.testing.assert_allclose(np.asarray(found), formula(value), rtol=1e-10)
