"""What each framework's models bring: state, modes, nested transformations, other entrances."""

import copy
import pickle

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from trulens_core import (
    Cut,
    InputAttribution,
    InputCut,
    InternalInfluence,
    get_model_wrapper,
    list_backends,
)

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def saliency(wrapper, cut=None, qoi=1, target=None, args=(X,), **kwargs):
    method = InternalInfluence(wrapper, (cut, target), qoi, "point", multiply_activation=False)
    return method.attributions(*args, **kwargs)


# -- NNX -----------------------------------------------------------------------------------------


class Child(nnx.Linear):
    """Inherits its `__call__`."""


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.first = Child(4, 4, rngs=rngs)
        self.alias = self.first
        self.remat = nnx.Linear(4, 4, rngs=rngs)
        self.jitted = nnx.Linear(4, 4, rngs=rngs)
        self.rnn = nnx.RNN(nnx.SimpleCell(4, 5, rngs=rngs))
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(5, 3, rngs=rngs)

    def __call__(self, x, rngs=None):
        x = jnp.tanh(self.alias(self.first(x)))
        x = nnx.remat(lambda m, v: m(v))(self.remat, x)
        x = nnx.jit(lambda m, v: m(v))(self.jitted, x)
        x = self.rnn(jnp.stack([x, 2 * x], axis=1))[:, -1]
        return self.last(self.dropout(x, rngs=rngs))


@pytest.fixture(scope="module")
def nnx_net():
    return NnxNet(nnx.Rngs(0))


def test_nnx_layers_in_nested_transformations(nnx_net, close):
    w = get_model_wrapper(nnx_net)
    nnx_net.eval()
    before = nnx.split(nnx_net)[0]
    try:
        whole = nnx.jit(lambda m, x: m(x))
        close(w(X), whole(nnx_net, X))
        for name in ("remat", "jitted"):
            value = w.fprop(X, to_cut=name)
            doubled = w.fprop(X, doi_cut=name, intervention=2 * value)
            assert np.abs(doubled - w(X)).max() > 1e-3
            assert saliency(w, name).shape == (3, 4)
        cell = Cut("rnn.cell", accessor=lambda v: v[1], batch_axis=1)
        gradient = saliency(w, cell)
        assert gradient.shape == (2, 3, 5)
        close(gradient[-1], jnp.broadcast_to(nnx_net.last.kernel[:, 1], (3, 5)))
    finally:
        assert nnx.split(nnx_net)[0] == before
        nnx_net.train()


def test_nnx_shared_modules_and_modes(close):
    nnx_net = NnxNet(nnx.Rngs(0))
    w = get_model_wrapper(nnx_net)
    listed = {x.name: x for x in w.layers(X)}
    assert (listed["first"].kind, listed["first"].calls) == ("Child", 2)
    assert "alias" not in listed
    assert listed["rnn.cell"].within == "scan"
    second = saliency(w, Cut("alias", call=1))
    close(second, saliency(w, Cut("first", call=1)))
    assert not nnx_net.dropout.deterministic  # the user's module is still in training mode
    close(w(X), w(X))
    assert type(nnx_net.first) is Child
    close(w(X, rngs=None), w(X))


class Layers(nnx.Module):
    """Three layers of one kind with their weights stacked, as a scan; another entrance."""

    def __init__(self, rngs):
        make = nnx.vmap(lambda rngs: nnx.Linear(4, 4, rngs=rngs), in_axes=0, out_axes=0)
        self.layers = nnx.split_rngs(splits=3)(make)(rngs)
        self.last = nnx.Linear(4, 3, rngs=rngs)

    def encode(self, x):
        return nnx.scan(lambda m, v: jnp.tanh(m(v)), in_axes=(0, nnx.Carry), out_axes=nnx.Carry)(
            self.layers, x
        )

    def __call__(self, x):
        return self.last(self.encode(x))


def test_nnx_layers_stacked_in_a_scan(close):
    model = Layers(nnx.Rngs(0))
    w = get_model_wrapper(model)
    kernels, biases = model.layers.kernel[...], model.layers.bias[...]

    def by_hand(eps):
        h = X
        for kernel, bias, e in zip(kernels, biases, eps, strict=True):
            h = jnp.tanh(h @ kernel + bias + e)
        return model.last(h)[:, 1].sum()

    expected = jax.grad(by_hand)(jnp.zeros((3, 3, 4)))
    close(saliency(w, Cut("layers", batch_axis=1)), expected)


def put(variable, value):
    if hasattr(variable, "set_value"):
        variable.set_value(value)
    else:  # of older versions
        variable.value = value


def test_nnx_other_entrances(close):
    model = Layers(nnx.Rngs(0))
    expected = model.encode(X)
    for w in (get_model_wrapper(model, method="encode"), get_model_wrapper(model.encode)):
        close(w(X), expected)
        assert [x.name for x in w.layers(X) if x.calls] == ["layers"]
        put(model.layers.bias, jnp.ones((3, 4)))
        close(w(X), model.encode(X))  # the module's weights, not a copy of them
        put(model.layers.bias, jnp.zeros((3, 4)))
    whole = model(X)
    for f in (nnx.jit(lambda m, x: m(x)), lambda m, x: m(x)):
        close(get_model_wrapper(f, backend="jax", params=model)(X), whole)


# -- Linen ---------------------------------------------------------------------------------------


class LinenNet(nn.Module):
    def setup(self):
        self.shared = nn.Dense(4)
        self.rnn = nn.RNN(nn.SimpleCell(5))
        self.remat = nn.remat(nn.Dense)(4)
        self.jitted = nn.jit(nn.Dense)(4)
        self.norm = nn.BatchNorm(use_running_average=False)
        self.head = nn.Dense(3)

    def encode(self, x):
        x = self.norm(jnp.tanh(self.shared(self.shared(x))))
        x = self.jitted(self.remat(x))
        return self.rnn(jnp.stack([x, 2 * x], axis=1))[:, -1]

    def __call__(self, x):
        return self.head(self.encode(x))


@pytest.fixture(scope="module")
def linen_net():
    module = LinenNet()
    return module, module.init(KEY, X)


def test_linen_entrances_are_one(linen_net, close):
    module, variables = linen_net
    w = get_model_wrapper(module, params=variables)
    bound = get_model_wrapper(module.bind(variables))

    class WithStatistics(TrainState):
        batch_stats: dict

    state = WithStatistics.create(
        apply_fn=module.apply,
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        tx=_no_optimizer(),
    )
    trained = get_model_wrapper(state)
    for other in (bound, trained):
        close(other(X), w(X))
        close(saliency(other, "head"), saliency(w, "head"))
    encoder = get_model_wrapper(module, params=variables, method="encode")
    close(encoder(X), w.fprop(X, to_cut=Cut("head", anchor="in")))
    dense = nn.Dense(2)
    alone = dense.init(KEY, X)["params"]
    close(get_model_wrapper(dense, params=alone)(X), X @ alone["kernel"] + alone["bias"])


def _no_optimizer():
    import optax

    return optax.identity()


def test_linen_layers_in_nested_transformations(linen_net, close):
    module, variables = linen_net
    jax.jit(module.apply, static_argnames="mutable")(variables, X, mutable=("batch_stats",))
    w = get_model_wrapper(module, params=variables)
    listed = {x.name: x for x in w.layers(X)}
    assert listed["shared"].calls == 2
    assert listed["rnn.cell"].within == "scan"
    for name in ("remat", "jitted", Cut("shared", call=1)):
        assert np.abs(saliency(w, name)).max() > 0
    cell = Cut("rnn.cell", accessor=lambda v: v[1], batch_axis=1)
    kernel = variables["params"]["head"]["kernel"]
    close(saliency(w, cell)[-1], jnp.broadcast_to(kernel[:, 1], (3, 5)))


def test_a_helper_jitted_before_is_tapped_all_the_same(linen_net):
    module, variables = linen_net

    @jax.jit
    def helper(v, x):
        return module.apply(v, x, method="encode", mutable="batch_stats")[0]

    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(2, name="outer")(helper(variables, x))

    helper(variables, X)  # cached without taps
    outer = Outer()
    w = get_model_wrapper(outer, params=outer.init(KEY, X))
    size = helper._cache_size()
    names = [x.name for x in w.layers(X)]
    assert {"outer", "remat", "rnn"} <= set(names)
    helper(variables, X)
    assert helper._cache_size() == size


# -- Equinox -------------------------------------------------------------------------------------


class EqxNet(eqx.Module):
    first: eqx.nn.Linear
    parts: dict
    dropout: eqx.nn.Dropout
    cell: eqx.nn.GRUCell

    def __init__(self):
        self.first = eqx.nn.Linear(4, 4, key=KEY)
        self.parts = {"a": [eqx.nn.Lambda(jnp.tanh), eqx.nn.Linear(4, 5, key=KEY)]}
        self.dropout = eqx.nn.Dropout(0.5)
        self.cell = eqx.nn.GRUCell(5, 3, key=KEY)

    def __call__(self, x, shift=None, *, key=None):
        x = eqx.filter_jit(self.first)(x)
        for part in self.parts["a"]:
            x = part(x)
        x = self.dropout(x if shift is None else x + shift, key=key)
        return jax.lax.scan(lambda h, _: (self.cell(x, h), None), jnp.zeros(3), None, length=3)[0]


@pytest.fixture(scope="module")
def eqx_net():
    return EqxNet()


def test_equinox_per_example_models_are_mapped(eqx_net, close):
    w = get_model_wrapper(eqx_net)
    still = eqx.nn.inference_mode(eqx_net)
    close(w(X), jax.vmap(still)(X))
    close(saliency(w), jax.grad(lambda x: jax.vmap(still)(x)[:, 1].sum())(X), 1e-5)
    listed = {x.name: x for x in w.layers(X)}
    assert listed["parts.a.1"].kind == "Linear"
    assert (listed["cell"].within, listed["cell"].shape) == ("scan", (3, 3))
    assert saliency(w, Cut("cell", batch_axis=1)).shape == (3, 3, 3)
    tail = jax.vmap(lambda v: still.parts["a"][1](jnp.tanh(v)))
    first = jax.vmap(still.first)(X)
    expected = jax.grad(lambda h: tail(h)[:, 2].sum())(first)
    close(saliency(w, "first", 2, "parts.a.1"), expected, 1e-5)
    assert not eqx_net.dropout.inference


def test_equinox_arguments_of_all_records(eqx_net, close):
    """An argument as long as the batch by chance is told apart by `batched=`."""
    shift = np.arange(5, dtype="float32")
    still = eqx.nn.inference_mode(eqx_net)
    expected = jax.vmap(still, in_axes=(0, None))(X, shift)
    close(get_model_wrapper(eqx_net)(X, shift), expected)
    five = np.concatenate([X, X[:2]])
    told = get_model_wrapper(eqx_net, batched={"shift": False})
    close(told(five, shift), jax.vmap(still, in_axes=(0, None))(five, shift))
    one = InternalInfluence(told, (InputCut(names=["x"]), None), 0, "point")
    assert one.attributions(five, shift).shape == (5, 4)
    close(told(X, key=jax.random.key(1)), told(X))


def test_equinox_models_with_state_or_for_whole_batches(close):
    class Stateful(eqx.Module):
        linear: eqx.nn.Linear
        norm: eqx.nn.BatchNorm

        def __init__(self):
            self.linear = eqx.nn.Linear(4, 3, key=KEY)
            options = (
                {"mode": "ema"} if "mode" in eqx.nn.BatchNorm.__init__.__code__.co_varnames else {}
            )
            self.norm = eqx.nn.BatchNorm(3, axis_name="batch", **options)

        def __call__(self, x, state):
            return self.norm(self.linear(x), state)

    model, state = eqx.nn.make_with_state(Stateful)()
    over = jax.vmap(model, in_axes=(0, None), out_axes=(0, None), axis_name="batch")
    _, state = over(X, state)  # as after training
    w = get_model_wrapper(model, state=state)
    still = eqx.nn.inference_mode(model)
    expected = jax.vmap(still, in_axes=(0, None), out_axes=(0, None))(X, state)[0]
    close(w(X), expected)
    assert saliency(w, "linear").shape == (3, 3)

    class Whole(eqx.Module):
        inner: eqx.nn.Linear

        def __call__(self, x):
            return jax.vmap(self.inner)(x - x.mean(0))

    whole = Whole(eqx.nn.Linear(4, 2, key=KEY))
    close(get_model_wrapper(whole, batched=True)(X), whole(X))


def test_equinox_weights_of_another_model(eqx_net, close, compiled):
    w = get_model_wrapper(eqx_net)
    w(X)
    scaled = jax.tree.map(lambda x: 2 * x if eqx.is_array(x) else x, eqx_net)
    with compiled() as names:
        w.update(scaled)
        got = w(X)
    assert len(names) == 0
    close(got, jax.vmap(eqx.nn.inference_mode(scaled))(X))
    jitted = get_model_wrapper(eqx.filter_jit(eqx_net))
    close(jitted(X), get_model_wrapper(eqx_net)(X))


def test_equinox_other_entrances(eqx_net, close):
    class Encoder(eqx.Module):
        linear: eqx.nn.Linear

        def encode(self, x):
            return jnp.tanh(self.linear(x))

    model = Encoder(eqx.nn.Linear(4, 3, key=KEY))
    expected = jax.vmap(model.encode)(X)
    named = get_model_wrapper(model, method="encode")
    for w in (
        named,
        get_model_wrapper(model.encode),
        get_model_wrapper(eqx.filter_jit(model.encode)),
    ):
        close(w(X), expected)
        assert [x.name for x in w.layers(X)] == ["linear"]
    mapped = eqx.filter_vmap(eqx.nn.inference_mode(eqx_net), in_axes=1)  # takes all records
    for f in (mapped, eqx.filter_jit(mapped)):
        w = get_model_wrapper(f)
        close(w(X.T), mapped(X.T))
        assert {x.name: x.shape for x in w.layers(X.T)}["_fun.first"] == (4,)


# -- Haiku ---------------------------------------------------------------------------------------


def test_haiku_functions(close):
    def f(x, training=True):
        x = hk.BatchNorm(True, True, 0.9, name="norm")(x, is_training=training)
        x = hk.nets.MLP([5, 4], name="mlp")(x)
        core = hk.VanillaRNN(4, name="rnn")
        out, _ = hk.dynamic_unroll(core, jnp.stack([x, x]), core.initial_state(x.shape[0]))
        return hk.Linear(3, name="head")(out[-1])

    net = hk.transform_with_state(f)
    params, state = net.init(KEY, X)
    w = get_model_wrapper(net, params=params, state=state)
    close(w(X), net.apply(params, state, None, X, training=False)[0])
    listed = {x.name: x for x in w.layers(X)}
    assert {"norm", "mlp", "mlp.linear_0", "rnn", "head"} <= set(listed)
    assert listed["rnn"].within == "scan"
    close(
        saliency(w, Cut("head", anchor="in")), jnp.broadcast_to(params["head"]["w"][:, 1], (3, 4))
    )

    def head(x):
        return hk.Linear(2, name="head")(x)

    plain = hk.transform(head)
    params = plain.init(KEY, X)
    for version in (plain, hk.without_apply_rng(plain)):
        w = get_model_wrapper(version, params=params)
        close(w(X), X @ params["head"]["w"] + params["head"]["b"])
        assert w.parameters == ("x",)


# -- what is common ------------------------------------------------------------------------------


def test_the_model_tells_its_framework(nnx_net, linen_net, eqx_net):
    assert list_backends()["jax"].error is None
    for model, options in (
        (nnx_net, {}),
        (linen_net[0], {"params": linen_net[1]}),
        (eqx_net, {}),
        (jax.jit(lambda x: x), {}),
    ):
        assert get_model_wrapper(model, **options).backend.name == "jax"


@pytest.mark.filterwarnings("ignore:there is no gradient at integers")
def test_several_inputs_and_keywords(close):
    class Two(nnx.Module):
        def __init__(self, rngs):
            self.a, self.b = nnx.Linear(4, 3, rngs=rngs), nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, left, batch, *, scale=1.0):
            return (self.a(left) + self.b(batch["right"])) * scale

    model = Two(nnx.Rngs(0))
    w = get_model_wrapper(model)
    batch = {"right": 2 * X, "ids": np.arange(3)}
    left, right = saliency(w, args=(X, batch), scale=2.0)
    close(left, jnp.broadcast_to(2 * model.a.kernel[:, 1], (3, 4)))
    assert set(right) == {"right"}
    close(right["right"], jnp.broadcast_to(2 * model.b.kernel[:, 1], (3, 4)))
    both = saliency(w, Cut(["b", "a"]), args=(X, batch))
    assert len(both) == 2
    only = saliency(w, InputCut(names=["left"]), args=(X, batch))
    close(only, left / 2)


def linear(w, x):
    return x @ w


def test_a_wrapper_is_copied_and_pickled(close):
    w = get_model_wrapper(linear, backend="jax", params=jnp.ones((4, 2)))
    ask = lambda w: InputAttribution(w, qoi=0).attributions(X)
    expected = ask(w)
    for other in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        close(ask(other), expected)
