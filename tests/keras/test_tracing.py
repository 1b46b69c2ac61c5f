"""A step is traced once, on TensorFlow and JAX: what changes between calls is data."""

import cProfile
import pstats

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    ClassQoI,
    GaussianDoi,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    MaxClassQoI,
    get_model_wrapper,
)

ON_TENSORFLOW = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="the other frameworks trace otherwise"
)


class Counting(layers.Layer):
    """Counts how often Python runs it: once in a plain call, once in a trace."""

    runs = 0

    def call(self, x):
        type(self).runs += 1
        return x


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    parts = [
        layers.Input((4,)),
        Counting(),
        layers.Dense(6, activation="tanh", name="h"),
        layers.Dense(3),
    ]
    model = keras.Sequential(parts)
    Counting.runs = 0
    return model


def test_what_changes_between_calls_is_data(model, draw, equal, framework):
    wrapper, x = get_model_wrapper(model), draw(3, 4)
    explain = InternalInfluence(wrapper, "h", ClassQoI(0), "point", False).attributions
    first, runs = explain(x), Counting.runs
    before = model.get_weights()
    model.set_weights([*before[:-2], 2 * before[-2], before[-1]])
    equal(explain(x), 2 * first, 1e-6)
    last = InternalInfluence(wrapper, "h", ClassQoI(2), "point", False).attributions(x)
    equal(last, np.broadcast_to(2 * before[-2][:, 2], (3, 6)), 1e-6)
    assert framework == "torch" or Counting.runs == runs


@ON_TENSORFLOW
def test_one_trace_serves_batches_classes_points_and_weights(model, draw, equal):
    wrapper, x = get_model_wrapper(model), draw(7, 4)
    by_points = IntegratedGradients(wrapper, resolution=5, qoi=ClassQoI(0)).attributions
    first = by_points(x)
    assert Counting.runs == 1
    equal(by_points(x[:3]), first[:3], 1e-6)
    for qoi in (ClassQoI(2), ClassQoI([0, 1, 2, 0, 1, 2, 0])):
        IntegratedGradients(wrapper, resolution=9, qoi=qoi, rebatch_size=4).attributions(x)
    for scale in (2.0, 3.0):
        IntegratedGradients(wrapper, qoi=scale * ClassQoI(1)).attributions(x)
    told = "classes per record, sums of quantities, and whether records see one another"
    assert Counting.runs == 4, f"one more for each of {told}"
    model.set_weights([2 * w for w in model.get_weights()])
    assert not np.allclose(by_points(x), first)
    assert Counting.runs == 4


@ON_TENSORFLOW
def test_equal_functions_share_a_trace_and_changed_ones_do_not(model, draw):
    wrapper, x = get_model_wrapper(model), draw(2, 4)
    found = [
        InternalInfluence(wrapper, "h", lambda y, c=c: y[:, c], "point").attributions(x)
        for c in (0, 0, 1)
    ]
    assert Counting.runs == 3  # with the values at the layer, whose order is looked at
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@ON_TENSORFLOW
def test_the_step_count_of_a_path_is_no_part_of_the_trace(model, draw):
    wrapper, x = get_model_wrapper(model), draw(2, 4)
    for n in (3, 4, 5):
        for doi in (LinearDoi(resolution=n), GaussianDoi(0.1, n)):
            InternalInfluence(wrapper, (0, None), MaxClassQoI(), doi).attributions(x)
    assert Counting.runs == 1


@ON_TENSORFLOW
def test_another_shape_or_type_is_traced_again(draw):
    model = keras.Sequential([layers.Input((None, 3)), Counting(), layers.GlobalAveragePooling1D()])
    Counting.runs = 0
    method = InternalInfluence(get_model_wrapper(model), (0, None), "max", "point")
    assert method.attributions(draw(2, 5, 3)).shape == (2, 5, 3)
    assert method.attributions(draw(2, 6, 3)).shape == (2, 6, 3)
    assert Counting.runs == 2
    method.attributions(draw(9, 5, 3))
    assert Counting.runs == 2


@ON_TENSORFLOW
def test_a_class_is_checked_against_the_scores_of_this_shape(draw):
    model = keras.Sequential([layers.Input((None, 3)), layers.Lambda(lambda t: t[..., 0] * 2.0)])
    wrapper = get_model_wrapper(model)
    method = InternalInfluence(wrapper, (0, None), ClassQoI(4), "point")
    assert method.attributions(draw(2, 6, 3)).shape == (2, 6, 3)
    with pytest.raises(IndexError, match="class 4 is out of range: there are 4"):
        method.attributions(draw(2, 4, 3))
    with pytest.raises(IndexError, match="class 7 is out of range: there are 6"):
        InternalInfluence(wrapper, (0, None), ClassQoI(7), "point").attributions(draw(2, 6, 3))


@ON_TENSORFLOW
def test_jit_compile(model, draw, equal):
    x = draw(3, 4)
    plain, compiled = (
        IntegratedGradients(get_model_wrapper(model, jit_compile=jit), resolution=4)
        for jit in (False, True)
    )
    equal(compiled.attributions(x), plain.attributions(x), 1e-5)


def recording(call, graphs):
    def recorded(self, *arguments):
        found = call(self, *arguments)
        graphs.extend(self._graphs.values())
        return found

    return recorded


@ON_TENSORFLOW
def test_the_prefix_of_a_replaced_value_is_pruned(draw, monkeypatch):
    """A step from an inner cut holds no operation of what comes before it."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [layers.Input((4,)), layers.Dense(6, activation="elu", name="h"), layers.Dense(3, name="y")]
    )
    from trulens_tf.compiling import Compiled

    wrapper = get_model_wrapper(model)
    graphs = []
    monkeypatch.setattr(Compiled, "__call__", recording(Compiled.__call__, graphs))
    InternalInfluence(wrapper, "h", "max", LinearDoi(cut="h")).attributions(draw(2, 4))
    graph = graphs[-1]
    wanted, seen = [t.op for t in graph.outputs], set()
    while wanted:
        op = wanted.pop()
        if op.name not in seen:
            seen.add(op.name)
            wanted += [*(t.op for t in op.inputs), *op.control_inputs]
    kinds = [op.type for op in graph.graph.get_operations() if op.name in seen]
    assert "Elu" not in kinds
    assert "MatMul" in kinds


@ON_TENSORFLOW
def test_an_input_of_several_records_per_row_is_an_error(draw):
    model = keras.Sequential(
        [
            layers.Input((2, 3)),
            layers.Lambda(lambda t: keras.ops.reshape(t, (-1, 3))),
            layers.Dense(2, name="y"),
        ]
    )
    with pytest.raises(ValueError, match="batch_axis"):
        InternalInfluence(model, InputCut(), 0, "point").attributions(draw(2, 2, 3))
    with pytest.raises(ValueError, match="batch_axis"):
        InternalInfluence(model, "y", 0, "point").attributions(draw(2, 2, 3))


@ON_TENSORFLOW
@pytest.mark.parametrize("rows", [None, 6], ids=["one block", "several"])
def test_a_call_with_arrays_is_one_call_of_tensorflow(model, draw, rows):
    doi = LinearDoi(resolution=6, cut="h")
    method = InternalInfluence(get_model_wrapper(model), "h", "max", doi, rebatch_size=rows)
    x = draw(3, 4)
    for _ in range(3):
        method.attributions(x)
    profile = cProfile.Profile()
    profile.runcall(method.attributions, x)
    calls = {name: n for (*_, name), (n, *_) in pstats.Stats(profile).stats.items()}
    ran = {name: n for name, n in calls.items() if "TFE_Py_" in name and "ecute" in name}
    assert sum(ran.values()) == 1, ran
