"""Results: what they know of themselves, their records, and the forms that they take."""

import dataclasses
import json

import numpy as np
import pandas
import pytest

from trulens_core import (
    AttributionResult,
    Baselines,
    ClassQoI,
    Conductance,
    ExpectedGradients,
    GradCAM,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LambdaQoI,
    ModelInputs,
    NeuronConductance,
    QoI,
    Saliency,
    SmoothGrad,
    VarGrad,
)
from trulens_core.testing import ZOO, ReferenceModel, small_image_model, small_model

R = np.random.default_rng(0)
MODEL, X = small_model()
DATA = R.normal(size=(9, 5))
IMAGES, PIXELS = small_image_model()
METHODS = {
    "InternalInfluence": lambda: InternalInfluence(MODEL, "hidden", (0, 1), "linear"),
    "InputAttribution": lambda: InputAttribution(MODEL, qoi="predicted", doi="linear"),
    "IntegratedGradients": lambda: IntegratedGradients(MODEL, tolerance=0.01, qoi=[0, 1]),
    "Saliency": lambda: Saliency(MODEL, absolute=True, qoi=ClassQoI(np.array([1, 2]))),
    "SmoothGrad": lambda: SmoothGrad(MODEL, seed=3),
    "VarGrad": lambda: VarGrad(MODEL, var=0.1, resolution=4),
    "ExpectedGradients": lambda: ExpectedGradients(MODEL, DATA, 8),
    "Baselines": lambda: IntegratedGradients(MODEL, Baselines([0.0, np.ones(5)]), 3),
    "Conductance": lambda: Conductance(MODEL, "hidden", qoi=0),
    "NeuronConductance": lambda: NeuronConductance(MODEL, "hidden", 2),
}


def explained(name):
    return METHODS[name]().explain(X)


# -- what it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_was(name):
    result = explained(name)
    kind = "IntegratedGradients" if name == "Baselines" else name
    assert result.method["name"] == kind
    assert result.method["text"].startswith(f"{kind}: from ")
    assert json.loads(json.dumps(result.method, allow_nan=False)) == result.method
    assert result.inputs.args[0] is X
    assert result.qoi in result.method["text"]


def test_the_class_is_known_where_no_more_is_to_be_computed():
    scores = np.asarray(IntegratedGradients(MODEL).model(X))
    best = scores.argmax(axis=1).tolist()
    assert explained("InputAttribution").target.tolist() == best
    assert IntegratedGradients(MODEL).explain(X).target.tolist() == best
    assert IntegratedGradients(MODEL, rebatch_size=1).explain(X).target.tolist() == best
    assert explained("Saliency").target.tolist() == [1, 2]
    assert explained("Conductance").target.tolist() == [0, 0]
    at_a_layer = InputAttribution(MODEL, qoi=0, qoi_cut="hidden").explain(X)
    assert at_a_layer.target is None  # of a unit, no class
    assert InputAttribution(MODEL).explain(X).target is None  # one pass gives the largest score
    assert IntegratedGradients(MODEL, qoi=ClassQoI(1), rebatch_size=1).explain(X).target[1] == 1


def test_a_cam_and_a_model_of_two_inputs_have_names_that_fit():
    cam = GradCAM(IMAGES, "relu2").explain(PIXELS)
    assert cam.method["channel_axis"] == 1
    two = ReferenceModel(ZOO["two_inputs"])
    args, _ = ZOO["two_inputs"].inputs(2, "float64", 0)
    result = IntegratedGradients(two, qoi=ClassQoI(0)).explain(*args)
    assert result.names["inputs"] == ["a", "b"]
    assert {s.part for s in result.top(9)[0]} == {"a", "b"}


def test_own_code_is_named_and_not_kept():
    class Own(QoI):
        def __call__(self, y):
            return y[:, 0]

    result = InputAttribution(MODEL, qoi=Own()).explain(X)
    assert "Own object" in json.dumps(result.method)
    assert "Own object" in result.qoi
    assert "<lambda>" in InputAttribution(MODEL, qoi=LambdaQoI(lambda y: y[:, 0])).explain(X).qoi


# -- records -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["InputAttribution", "ExpectedGradients", "IntegratedGradients"])
def test_a_record_of_a_result_is_the_result_of_the_record(name):
    whole = explained(name)
    assert len(whole) == 2
    for i, one in enumerate(whole):
        assert one == whole[i] == whole[i : i + 1] == whole[[i]] == whole[i - 2]
        alone = METHODS[name]().explain(X[i : i + 1])
        flat = np.ravel(alone.attributions)
        np.testing.assert_allclose(np.ravel(one.attributions), flat, rtol=1e-12)
        assert one.n_points == alone.n_points
        np.testing.assert_array_equal(one.inputs.args[0], X[i : i + 1])
    assert whole[np.array([False, True])] == whole[1]
    assert len(whole[:0]) == 0


def test_what_has_points_first_and_what_has_records_elsewhere():
    method = IntegratedGradients(MODEL, resolution=3, return_grads=True, return_doi=True)
    result = method.explain(X)
    assert result[1].gradients.shape == result[1].interventions.shape == (3, 1, 5)
    data = {"question": {"source": {"state": {"batch_axis": 1}}}}
    late = AttributionResult(R.normal(size=(7, 2, 3)), quantity=np.zeros(2), method=data)
    assert len(late) == 2
    assert late[1].attributions.shape == (7, 1, 3)
    assert late.top(1)[1][0].place[0] < 7


def test_what_is_no_record():
    result = explained("InputAttribution")
    with pytest.raises(IndexError, match="record 2 of a result that has 2"):
        result[2]
    with pytest.raises(TypeError, match="an int, a slice, or a list of ints, found 'a'"):
        result["a"]


def test_equal_is_one_bool_to_the_bit():
    a, b = explained("SmoothGrad"), explained("SmoothGrad")
    assert (a == b) is True
    assert hash(a) == hash(b)
    changed = a.attributions.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], 1)
    c = dataclasses.replace(a, attributions=changed)
    assert (a == c) is False
    assert (a != "a result") is True
    nan = AttributionResult(np.array([[np.nan, 0.0]]))
    assert nan == AttributionResult(np.array([[np.nan, 0.0]]))
    assert nan != AttributionResult(np.array([[np.nan, 0.0]], "float32"))
    assert nan != AttributionResult([np.array([[np.nan, 0.0]])])


# -- names and tables ----------------------------------------------------------------------------


def test_names_are_given_and_stay():
    result = AttributionResult(np.array([[0.5, -2.0], [1.0, 3.0]]))
    result = result.named(features=["age", "income"]).named(classes=["no", "yes"])
    assert set(result.names) == {"features", "classes"}
    assert result.top(1)[0][0] == ("income", -2.0, (1,), "")
    with pytest.raises(TypeError, match="names are of features, tokens"):
        result.named(feature=["a", "b"])
    tokens = AttributionResult(R.normal(size=(2, 2, 4))).named(tokens=[["a", "b"], ["c", "d"]])
    assert tokens[1].names["tokens"] == [["c", "d"]]
    assert tokens[1].top(1)[0][0].name.split()[0] in "cd"
    with pytest.raises(ValueError, match="k is 0"):
        result.top(0)


def test_the_strongest_over_all_parts():
    result = AttributionResult({"a": np.array([[1.0, -5.0]]), "b": np.array([[4.0]])})
    found = [(s.part, s.name, s.value) for s in result.top(2)[0]]
    assert found == [("a", "1", -5.0), ("b", "0", 4.0)]


def test_channels_are_sums_over_places():
    values = R.normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(
        AttributionResult(values).by_channel(1).attributions, values.sum(axis=(2, 3))
    )
    by_model = InternalInfluence(IMAGES, "relu2", 0, "point").explain(PIXELS)
    expected = by_model.attributions.sum(axis=(2, 3))
    np.testing.assert_allclose(by_model.by_channel().attributions, expected)
    with pytest.raises(ValueError, match="give channel_axis="):
        AttributionResult(values).by_channel()


def test_frames():
    wide = AttributionResult(np.array([[0.5, -2.0]])).named(features=["age", "income"]).to_frame()
    assert wide.columns.tolist() == ["age", "income"]
    both = AttributionResult({"a": np.ones((2, 1)), "b": np.zeros((2, 1))}).to_frame()
    assert both.columns.tolist() == ["a 0", "b 0"]
    values = R.normal(size=(2, 2, 3))
    long = AttributionResult(values).named(tokens=[["a", "b"], ["c", "d"]]).to_frame()
    assert long.columns.tolist() == ["record", "axis 1", "axis 2", "token", "attribution"]
    row = long[(long.record == 1) & (long.token == "d") & (long["axis 2"] == 2)]
    assert row.attribution.item() == values[1, 1, 2]
    assert isinstance(wide, pandas.DataFrame)


def test_numpy_of_numpy_is_itself():
    result = explained("ExpectedGradients")
    assert result.numpy() == result
    assert isinstance(result.numpy().inputs, ModelInputs)
