"""The work on a record group as one graph: what is traced when, and what it follows."""

import concurrent.futures
import gc
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    ClassQoI,
    Conductance,
    Cut,
    ExpectedGradients,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.influence import by_program
from trulens_tf import compiling, fused
from trulens_tf.backend import TensorFlowBackend


class Net(tf.Module):
    def __init__(self, seed=0, dropout=False, updates=False):
        super().__init__()
        draw = np.random.default_rng(seed)
        self.first = tf.Variable(draw.normal(size=(4, 5)))
        self.hidden = Tanh()
        self.second = tf.Variable(draw.normal(size=(5, 3)))
        self.mean = tf.Variable(np.zeros(5), trainable=False)
        self.dropout, self.updates = dropout, updates

    def __call__(self, x):
        h = self.hidden(x @ self.first)
        if self.dropout:
            h = tf.nn.dropout(h, 0.5)
        if self.updates:
            self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(h, 0))
            h = h - self.mean
        return tf.tanh(h @ self.second)


class Tanh(tf.Module):
    def __call__(self, x):
        return tf.tanh(x)


X = np.random.default_rng(1).normal(size=(3, 4))
ROWS = np.random.default_rng(2).normal(size=(9, 4))
HIDDEN = np.random.default_rng(3).normal(size=(9, 5))


def ig(model, **options):
    return IntegratedGradients(model, resolution=6, **options)


def layer(model, **options):
    doi = LinearDoi(resolution=6, cut="hidden")
    return InternalInfluence(model, "hidden", "max", doi, **options)


def smooth(model, **options):
    return InternalInfluence(model, None, "max", GaussianDoi(0.1, 6), False, **options)


def variance(model, **options):
    doi = GaussianDoi(0.1, 6, cut="hidden")
    return InternalInfluence(model, "hidden", "max", doi, statistic="variance", **options)


def labels(model, **options):
    qoi = ClassQoI(np.array([2, 0, 1]))
    return InternalInfluence(model, None, qoi, LinearDoi(resolution=6), **options)


def data(model, **options):
    return ExpectedGradients(model, ROWS, 6, **options)


def data_inside(model, **options):
    return ExpectedGradients(model, HIDDEN, 6, doi_cut="hidden", **options)


def through(model, **options):
    return Conductance(model, "hidden", resolution=6, **options)


def along(model, **options):
    doi = LinearDoi(0.5, resolution=6, cut="hidden")
    return InternalInfluence(model, "hidden", "max", doi, statistic="path", **options)


METHODS = [InputAttribution, ig, layer, smooth, variance, labels, data, data_inside, through, along]


@pytest.fixture
def ran(monkeypatch):
    """How many programs ran, and how many graphs of them were traced."""
    counts = {"ran": 0, "traced": 0}
    run, trace = fused.Fused.__call__, fused.Fused._traced

    def counted(self, *trees):
        found = run(self, *trees)
        counts["ran"] += 1
        return found

    def traced(self, *parts):
        counts["traced"] += 1
        return trace(self, *parts)

    monkeypatch.setattr(fused.Fused, "__call__", counted)
    monkeypatch.setattr(fused.Fused, "_traced", traced)
    return counts


def refused(*_):
    raise AssertionError("a program answers what is to be compared with it: give a fresh wrapper")


def stepwise(method, *args):
    """What a method of a fresh wrapper gives without programs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TensorFlowBackend, "fuses", False)
        patched.setattr(fused.Fused, "__call__", refused)
        return method.attributions(*args)


def warm(method, x=X):
    """The first calls look at whether rows see one another; a program serves those after them."""
    for _ in range(3):
        found = method.attributions(x)
    return found


@pytest.mark.parametrize("rows", [None, 6, 2], ids=["whole", "in blocks", "in groups"])
@pytest.mark.parametrize("made", METHODS)
def test_a_program_gives_what_the_steps_give(made, rows, ran):
    model = Net()
    found = warm(made(get_model_wrapper(model), rebatch_size=rows))
    assert ran["ran"]
    expected = stepwise(made(get_model_wrapper(model), rebatch_size=rows), X)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


class Two(tf.Module):
    def __init__(self):
        super().__init__()
        draw = np.random.default_rng(0)
        self.a, self.b = Tanh(), Tanh()
        self.weights = [tf.Variable(draw.normal(size=s)) for s in ((4, 5), (4, 5), (5, 3))]

    def __call__(self, x):
        first, second, last = self.weights
        return tf.tanh(self.a(x @ first) * self.b(x[:, ::-1] @ second)) @ last


@pytest.mark.parametrize("rows", [None, 6])
def test_points_at_several_places(rows, ran):
    cut = Cut(["a", "b"])
    doi = LinearDoi(0.5, 6, cut=cut)
    model = Two()
    found = warm(InternalInfluence(get_model_wrapper(model), cut, 1, doi, rebatch_size=rows))
    assert ran["ran"]
    method = InternalInfluence(get_model_wrapper(model), cut, 1, doi, rebatch_size=rows)
    for a, b in zip(found, stepwise(method, X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_numbers_are_data(ran):
    model = Net()
    wrapper = get_model_wrapper(model)
    warm(InternalInfluence(wrapper, None, ClassQoI(0), LinearDoi(resolution=6)))
    traced = ran["traced"]
    for c in (1, 2):
        method = InternalInfluence(wrapper, None, ClassQoI(c), LinearDoi(resolution=6))
        method.attributions(2 * X)
        fresh = InternalInfluence(
            get_model_wrapper(model), None, ClassQoI(c), LinearDoi(resolution=6)
        )
        np.testing.assert_allclose(method.attributions(X), stepwise(fresh, X), rtol=1e-12)
    method = InternalInfluence(
        wrapper, None, ClassQoI(0), LinearDoi(resolution=6, rule="gauss-legendre")
    )
    method.attributions(X)
    assert ran["traced"] == traced


@pytest.mark.parametrize("rows", [None, 6], ids=["whole", "in blocks"])
@pytest.mark.parametrize("large", [1, 1000])
def test_inputs_and_baselines_in_variables(large, rows, monkeypatch, ran):
    monkeypatch.setattr(fused, "_LARGE", large)
    model, x, baseline = Net(), tf.Variable(X), tf.Variable(np.full(X.shape, 0.5))

    def made():
        doi = LinearDoi(baseline, resolution=6)
        return InternalInfluence(get_model_wrapper(model), None, 1, doi, rebatch_size=rows)

    method = made()
    warm(method, x)
    x.assign(2 * X)
    baseline.assign(np.full(X.shape, -0.5))
    before = ran["ran"]
    found = method.attributions(x)
    assert ran["ran"] > before
    np.testing.assert_allclose(found, stepwise(made(), x), rtol=1e-12)


def test_other_numbers_of_points_and_records_are_no_kind(ran):
    wrapper = get_model_wrapper(Net())
    warm(ig(wrapper))
    traced = ran["traced"]
    warm(IntegratedGradients(wrapper, resolution=9))
    warm(ig(wrapper), X[:2])
    assert ran["traced"] == traced


def test_weights_are_followed(ran):
    model = Net()
    for made in METHODS:
        method = made(get_model_wrapper(model))
        warm(method)
        model.first.assign(np.random.default_rng(5).normal(size=(4, 5)))
        before = ran["ran"]
        found = method.attributions(X)
        assert ran["ran"] > before
        np.testing.assert_allclose(found, made(get_model_wrapper(model)).attributions(X), 1e-12)


def test_points_are_not_trusted_before_they_were_looked_at(ran):
    method = ig(get_model_wrapper(Net()))
    method.attributions(X)
    method.attributions(X)
    assert not ran["ran"]
    method.attributions(X)
    assert ran["ran"] == 1
    method.attributions(X[:2])  # another number of rows
    assert ran["ran"] == 1


@pytest.mark.parametrize("made", [ig, layer, labels])
def test_several_blocks_are_one_program(made, ran):
    model = Net()
    method = made(get_model_wrapper(model), rebatch_size=6)  # 2 of 6 points
    warm(method)
    before = dict(ran)
    model.second.assign(np.random.default_rng(5).normal(size=(5, 3)))
    found = method.attributions(2 * X)
    assert ran == {"ran": before["ran"] + 1, "traced": before["traced"]}
    fresh = made(get_model_wrapper(model), rebatch_size=6)
    np.testing.assert_allclose(found, stepwise(fresh, 2 * X), rtol=1e-12)


def test_any_number_of_blocks_is_one_graph(ran):
    wrapper = get_model_wrapper(Net())
    warm(ig(wrapper, rebatch_size=6))
    traced = ran["traced"]
    for n in (7, 12):  # 7: the last block has one point
        method = IntegratedGradients(wrapper, resolution=n, rebatch_size=6)
        found = warm(method)
        fresh = IntegratedGradients(get_model_wrapper(Net()), resolution=n)
        np.testing.assert_allclose(found, stepwise(fresh, X), rtol=1e-12)
    assert ran["traced"] == traced


def told(method, monkeypatch):
    """The numbers of rows that a bar is told."""
    rows = []
    monkeypatch.setattr("trulens_core.attribution.method.bar", lambda *_: nullcontext(rows.append))
    method.attributions(X)
    return rows


def test_a_bar_is_told_of_each_block(monkeypatch, ran):
    method = layer(get_model_wrapper(Net()), rebatch_size=6)
    found = warm(method)
    assert told(method, monkeypatch) == [6, 6, 6]
    monkeypatch.undo()
    np.testing.assert_allclose(method.attributions(X), found, rtol=1e-12)


def test_points_of_many_numbers_go_block_by_block(monkeypatch, ran):
    monkeypatch.setattr(by_program, "_SHORT", 6 * X.size - 1)
    method = ig(get_model_wrapper(Net()), rebatch_size=6)
    warm(method)
    before = ran["ran"]
    method.attributions(X)
    assert ran["ran"] == before + 6  # three blocks, two sums of two, and the end


@pytest.mark.parametrize("made", METHODS)
@pytest.mark.parametrize("rows", [None, 6], ids=["whole", "in blocks"])
def test_a_large_step_is_called_and_not_traced_again(made, rows, monkeypatch, ran):
    monkeypatch.setattr(fused, "_LARGE", 1)
    steps, call, trace = [], fused.called, compiling._traced

    def called(function, tensors):
        kinds = {op.type for op in function.graph.get_operations()}
        assert not any("PartitionedCall" in kind for kind in kinds)
        return call(function, tensors)

    monkeypatch.setattr(fused, "called", called)
    monkeypatch.setattr(compiling, "_traced", lambda *a: steps.append(a) or trace(*a))
    model = Net()
    method = made(get_model_wrapper(model), rebatch_size=rows)
    warm(method)
    traced, before = len(steps), ran["ran"]
    model.first.assign(np.random.default_rng(5).normal(size=(4, 5)))
    found = method.attributions(X)
    assert len(steps) == traced
    assert ran["ran"] > before
    fresh = made(get_model_wrapper(model), rebatch_size=rows)
    np.testing.assert_allclose(found, stepwise(fresh, X), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*rows see one another")
def test_rows_that_see_one_another_go_alone(ran):
    def mixed(x):
        return tf.tanh(x - tf.reduce_mean(x, axis=0)) @ tf.ones((4, 3), tf.float64)

    method = ig(get_model_wrapper(mixed, backend="tensorflow"))
    found = warm(method)
    assert not ran["ran"]
    fresh = ig(get_model_wrapper(mixed, backend="tensorflow"))
    np.testing.assert_array_equal(found, stepwise(fresh, X))


@pytest.mark.parametrize("large", [1, 1000])
@pytest.mark.parametrize("options", [{"dropout": True}, {"updates": True}])
def test_models_that_draw_or_write_go_by_steps(options, large, monkeypatch, ran):
    monkeypatch.setattr(fused, "_LARGE", large)
    model = Net(**options)
    for made in (InputAttribution, layer):
        method = made(get_model_wrapper(model))
        warm(method)
        traced = ran["traced"]
        method.attributions(X)
        assert ran["traced"] == traced
    assert not ran["ran"]
    np.testing.assert_array_equal(model.mean, np.zeros(5))


def test_a_model_is_not_held():
    model = Net()
    method = layer(get_model_wrapper(model))
    warm(method)
    held = weakref.ref(model)
    del model, method
    gc.collect()
    assert held() is None


def test_memory_that_runs_out_halves_the_rows(monkeypatch, ran):
    method = ig(get_model_wrapper(Net()), rebatch_size="auto")
    expected = warm(method)
    run = by_program.ByProgram.__call__

    def exhausted(self, inputs, *rest):
        if self._size > 3:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        return run(self, inputs, *rest)

    monkeypatch.setattr(by_program.ByProgram, "__call__", exhausted)
    np.testing.assert_allclose(warm(method), expected, rtol=1e-12)


def test_threads_share_a_wrapper():
    methods = [made(get_model_wrapper(Net())) for made in METHODS]
    shared = get_model_wrapper(Net())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda made: warm(made(shared)), METHODS * 2))
    for got, method in zip(found, methods * 2, strict=True):
        np.testing.assert_allclose(got, stepwise(method, X), rtol=1e-12)
