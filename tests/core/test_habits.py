"""How code for the old library, and for others, is written: what is taken, what is refused."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import trulens.nn.attribution as documented
import trulens_core
from trulens_core import (
    AttributionMethod,
    ClassQoI,
    ComparativeQoI,
    CutError,
    DoiCutSupportError,
    GaussianDoi,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    LogitCut,
    ModelInputs,
    NoBackendError,
    OutputCut,
    PointDoi,
    Points,
    QoI,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.attribution import as_question
from trulens_core.distributions.quadrature import nodes
from trulens_core.quantities import as_qoi
from trulens_core.testing import relative_error, small_model

Z = np.random.default_rng(0).standard_normal((3, 4))
MODEL, X = small_model()
WRAPPER = get_model_wrapper(MODEL)


# -- by position, by keyword ---------------------------------------------------------------------


@pytest.mark.parametrize("method", [InputAttribution, IntegratedGradients])
@pytest.mark.parametrize("number", [2, -1, np.int64(1), np.asarray(2)])
def test_a_number_by_position_is_refused(method, number):
    with pytest.raises(TypeError, match=rf"qoi={number} .*qoi_cut={number} .*baseline={number} "):
        method(WRAPPER, number)
    with pytest.raises(TypeError, match="does not say what"):
        method(WRAPPER, number, "max")


def test_a_number_by_keyword_is_taken():
    found = InputAttribution(WRAPPER, qoi_cut=1, qoi=0).attributions(X)
    layer = WRAPPER.layers()[1].name
    assert (found == InputAttribution(WRAPPER, layer, 0).attributions(X)).all()
    found = IntegratedGradients(WRAPPER, baseline=2).attributions(X)
    assert (found == IntegratedGradients(WRAPPER, 2.0).attributions(X)).all()
    assert (found != IntegratedGradients(WRAPPER, 0).attributions(X)).any()
    InputAttribution(WRAPPER, 0, 0)
    InputAttribution(WRAPPER, None, 2)


@pytest.mark.parametrize(
    ("kind", "by_position"),
    [
        (InternalInfluence, "cuts qoi doi multiply_activation return_grads return_doi"),
        (InputAttribution, "qoi_cut qoi doi_cut doi multiply_activation"),
        (IntegratedGradients, "baseline resolution doi_cut qoi qoi_cut"),
        (LinearDoi, "baseline resolution"),
        (GaussianDoi, "var resolution cut"),
    ],
)
def test_what_is_positional_is_what_was_documented(kind, by_position):
    found = inspect.signature(kind).parameters.values()
    names = [p.name for p in found if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "model"]
    assert names == by_position.split()


def test_gradients_and_points_by_position():
    result = InternalInfluence(WRAPPER, None, 1, "linear", True, True, True).explain(X)
    assert result.gradients.shape == result.interventions.shape == (10, *X.shape)
    only = InternalInfluence(WRAPPER, None, 1, "linear", True, False, True).explain(X)
    assert only.gradients is None
    assert only.interventions is not None
    with pytest.raises(TypeError):
        InternalInfluence(WRAPPER, None, 1, "linear", True, True, True, 8)
    with pytest.raises(TypeError):
        IntegratedGradients(WRAPPER, 0.1, 4, None, 1, None, "trapezoid")


# -- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[1, 2], [0, 1, 2, 0], [2]])
def test_an_array_of_labels_is_a_class_per_record(labels):
    qoi = as_qoi(np.asarray(labels))
    assert type(qoi) is ClassQoI
    assert qoi.cl.tolist() == labels


def test_two_labels_are_no_pair():
    (_, x), labels = small_model(), np.asarray([2, 0])
    found = InputAttribution(WRAPPER, qoi=labels).attributions(x)
    alone = [InputAttribution(WRAPPER, qoi=ClassQoI(int(c))).attributions(x) for c in labels]
    assert np.abs(found - np.stack([alone[0][0], alone[1][1]])).max() < 1e-12
    assert type(as_qoi([2, 0])) is type(as_qoi((2, 0))) is ComparativeQoI


@pytest.mark.parametrize("value", [[0, 1, 2, 0], (0, 1, 2), [1]])
def test_a_list_of_labels_is_told_what_it_is(value):
    with pytest.raises(ValueError, match=r"qoi is .*list of labels is given as ClassQoI\(labels\)"):
        as_qoi(value)


@pytest.mark.parametrize("value", [Z[0], np.asarray([True, False]), np.asarray([], int)])
def test_an_array_of_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="needs an int, or one per record"):
        as_qoi(value)


# -- distributions called by themselves ----------------------------------------------------------


@pytest.mark.parametrize("rule", ["endpoints", "midpoint"])
def test_a_line_of_equal_weights_is_the_list_of_its_points(rule):
    points = LinearDoi(0.5, 21, rule=rule)(Z)
    assert isinstance(points, list)
    assert len(points) == 21
    expected = [a * Z + (1 - a) * 0.5 for a in nodes(rule, 21)[0]]
    np.testing.assert_allclose(points, expected, rtol=1e-14)
    assert len(LinearDoi(resolution=21)(Z)) == 21


@pytest.mark.parametrize("rule", ["trapezoid", "gauss-legendre"])
@pytest.mark.parametrize("resolution", [2, 3])
def test_a_line_of_other_weights_says_them(rule, resolution):
    found = LinearDoi(0.5, resolution, rule=rule)(Z)
    assert isinstance(found, Points)
    assert found.weights == nodes(rule, resolution)[1]
    assert len(found.points) == resolution


def test_arrays_in_arrays_out():
    first, second = Z, Z[:, :2].astype("float32")
    for doi in (LinearDoi(0.5, 2), GaussianDoi(0.1, 2), PointDoi()):
        assert all(type(p) is np.ndarray for p in doi(Z))
        both = doi([first, second])
        assert [p.dtype for column in both for p in column[:1]] == ["float64", "float32"]
    assert type(LinearDoi(0.5).baseline(Z)) is np.ndarray
    line = LinearDoi(lambda z, model_inputs: z + model_inputs.args[0], 2)
    assert (line(Z, model_inputs=ModelInputs([Z]))[1] == 2 * Z).all()


def test_model_inputs_may_be_given():
    inputs = ModelInputs([Z])
    assert PointDoi()(Z, model_inputs=inputs)[0] is Z
    assert len(GaussianDoi(0.1, 3)(Z, model_inputs=inputs)) == 3
    assert len(LinearDoi()(Z, model_inputs=inputs)) == 10


@pytest.mark.parametrize("doi", [LinearDoi(), GaussianDoi(0.1, 3)])
def test_integers_are_not_moved(doi):
    with pytest.raises(DoiCutSupportError, match="int64, and nothing is cast to integers"):
        doi(np.arange(6).reshape(2, 3))


def test_arrays_need_no_backend():
    """In a process where nothing is installed or registered."""
    code = (
        "import numpy as np, trulens_core.plugins.register as p\n"
        "p.metadata.entry_points = lambda **_: []\n"
        "from trulens_core import *\n"
        "z = np.ones((2, 3))\n"
        "print(len(LinearDoi(resolution=21)(z)), len(GaussianDoi(1, 4)(z)), len(PointDoi()(z)))\n"
        "import sys; print('trulens_core.testing' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["21", "4", "1", "False"]


# -- names and options ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["REFERENCE", "Reference"])
def test_the_name_of_a_backend_in_capitals(name):
    assert get_model_wrapper(MODEL, backend=name).backend is WRAPPER.backend


@pytest.mark.parametrize("name", ["NOWHERE", None.__class__])
def test_the_name_of_no_backend(name):
    with pytest.raises(NoBackendError, match="there is no backend"):
        get_model_wrapper(MODEL, backend=name)


def test_names_of_layers_are_printed(capsys):
    assert WRAPPER.print_layer_names() is None
    assert capsys.readouterr().out == f"{WRAPPER}\n"
    assert "hidden" in repr(WRAPPER)


def test_inputs_are_mapped():
    inputs = ModelInputs([Z, 3], {"a": {"b": Z[:, :1]}, "flag": True}, batched={"a": True})
    mapped = inputs.map(lambda t: t[:2] * 2)
    assert (mapped.args[0] == 2 * Z[:2]).all()
    assert (mapped.kwargs["a"]["b"] == 2 * Z[:2, :1]).all()
    assert (mapped.args[1], mapped.kwargs["flag"], mapped.n_records) == (3, True, 2)
    assert [x.role for x in mapped.leaves] == ["batched", "static", "batched", "static"]
    assert (inputs.n_records, mapped.batched) == (3, {"a": True})


@pytest.mark.parametrize("name", ["Cut", "OutputCut", "InputCut", "Slice", "LinearDoi", "QoI"])
def test_old_notebooks_import_from_the_attribution_module(name):
    assert getattr(documented, name) is getattr(trulens_core, name)
    assert name not in documented.__all__


@pytest.mark.parametrize("cut", [OutputCut, LogitCut])
def test_an_output_has_one_anchor(cut):
    assert cut(anchor="out") == cut("out") == cut()
    assert cut("out", len).accessor is len
    with pytest.raises(CutError, match=r"anchor='in'\): it is an output"):
        cut(anchor="in")
    with pytest.raises(CutError, match=r"anchor is|a name or a place"):
        cut(len)


# -- gradients that are zero everywhere ----------------------------------------------------------


def zero(y):
    return 0.0 * y[:, 0]


def test_gradients_that_are_zero_everywhere_are_said_once():
    method = InputAttribution(WRAPPER, qoi=zero, rebatch_size=1)
    for call in (method.attributions, method.explain):
        with pytest.warns(TrulensWarning, match="zero everywhere") as found:
            call(X)
        assert len(found) == 1
        assert found[0].filename == __file__


def test_one_record_or_one_quantity_with_a_gradient_is_enough():
    class Weighted(QoI):
        arrays = ("weights",)
        weights = np.asarray([0.0, 1.0])

        def __call__(self, y):
            return y[:, 0] * self.weights

    for qoi in (Weighted(), lambda y: [0.0 * y[:, 0], y[:, 1]]):
        method = InputAttribution(WRAPPER, qoi=qoi, rebatch_size=1, multiply_activation=False)
        found = method.attributions(X)
        assert not found[0].any()
        assert found[1].any()


def test_attributions_that_are_zero_by_their_multiplier_are_not_meant():
    found = InputAttribution(WRAPPER, qoi=0).attributions(np.zeros_like(X))
    assert not found.any()


def test_gradients_that_are_zero_to_a_tolerance():
    method = IntegratedGradients(WRAPPER, 0.1, qoi=lambda y: 0.0 * y[:, 0] + 1, tolerance=0.01)
    with pytest.warns(TrulensWarning, match="zero everywhere"):
        method.explain(X)


def test_a_method_says_what_it_asks():
    """The base alone asks nothing; a class that says what is all that a method needs."""
    model, x = small_model()
    with pytest.raises(TypeError, match="_question"):
        AttributionMethod(model)

    class Mine(AttributionMethod):
        asked = 0

        def _question(self):
            type(self).asked += 1
            return as_question(self.model, "hidden", 1, LinearDoi(resolution=40, cut="hidden"))

    mine = Mine(model, rebatch_size=3)
    expected = InternalInfluence(model, "hidden", 1, LinearDoi(resolution=40, cut="hidden"))
    assert relative_error(mine.attributions(x), expected.attributions(x)) <= 1e-6
    np.testing.assert_allclose(mine.explain(x).residual, expected.explain(x).residual, atol=1e-6)
    assert Mine.asked == 1
    assert "Mine(" in repr(mine)
    with pytest.raises(ValueError, match="doi has its own cut"):
        as_question(mine.model, "hidden", 1, LinearDoi(cut="hidden"), doi_cut=InputCut())
