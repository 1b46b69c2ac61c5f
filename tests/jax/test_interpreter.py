"""Cuts inside calls, loops and branches of plain functions, against hand-written gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from trulens_core import (
    Cut,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.errors import (
    CalledSeveralTimesError,
    CutError,
    InterventionError,
    NotConnectedError,
    NotDifferentiableError,
    UnknownLayerError,
)
from trulens_jax import tap

RNG = np.random.default_rng(0)
W1 = jnp.asarray(RNG.normal(size=(4, 8)) / 2, "float32")
W2 = jnp.asarray(RNG.normal(size=(8, 3)) / 2, "float32")
X = RNG.normal(size=(2, 4)).astype("float32")


def saliency(f, cut, x=X, qoi=1, **options):
    wrapper = get_model_wrapper(f, backend="jax", **options)
    method = InternalInfluence(wrapper, (cut, None), qoi, "point", multiply_activation=False)
    return method.attributions(x)


def suffix(h):
    return jnp.tanh(h @ W2)


def plain(x):
    return suffix(tap(jnp.tanh(x @ W1), "h"))


def in_jit(x):
    return suffix(jax.jit(lambda v: tap(jnp.tanh(v @ W1), "h") * 1.0)(x))


def in_remat(x):
    return suffix(jax.checkpoint(lambda v: tap(jnp.tanh(v @ W1), "h") * 1.0)(x))


def in_vmap(x):
    return suffix(jax.vmap(lambda v: tap(jnp.tanh(v @ W1), "h") * 1.0)(x))


def in_transposed_vmap(x):
    # the mapped axis is the second of what is mapped, and the first at the cut
    return suffix(jax.vmap(lambda v: tap(jnp.tanh(v @ W1), "h") * 1.0, in_axes=1)(x.T))


def in_everything(x):
    inner = jax.jit(jax.vmap(jax.checkpoint(lambda v: tap(jnp.tanh(v @ W1), "h") * 1.0)))
    return suffix(jax.jit(inner)(x))


def checkpoint_named(x):
    return suffix(checkpoint_name(jnp.tanh(x @ W1), "h"))


@pytest.mark.parametrize(
    "f",
    [plain, in_jit, in_remat, in_vmap, in_transposed_vmap, in_everything, checkpoint_named],
    ids=lambda f: f.__name__,
)
def test_a_cut_is_found_wherever_it_stands(f, close):
    h = jnp.tanh(X @ W1)
    close(saliency(f, "h"), jax.grad(lambda h: suffix(h)[:, 1].sum())(h))
    wrapper = get_model_wrapper(f, backend="jax")
    close(wrapper(X), suffix(h))
    close(wrapper.fprop(X, to_cut="h"), h)
    doubled = wrapper.fprop(X, doi_cut="h", intervention=2 * h)
    close(doubled, suffix(2 * h))


def test_the_tap_itself_is_the_identity_for_every_transformation(close):
    f = lambda x: jnp.sum(tap(jnp.sin(x), "s") ** 2)
    g = lambda x: jnp.sum(jnp.sin(x) ** 2)
    x = jnp.asarray(X)
    for transform in (jax.jit, jax.grad, jax.hessian, jax.vmap, lambda f: jax.jvp(f, (x,), (x,))):
        fs, gs = (transform(q) for q in (f, g))
        fs, gs = (fs(x), gs(x)) if callable(fs) else (fs[1], gs[1])
        close(fs, gs)
    tree = {"a": x, "b": (x, "text", None)}
    assert jax.tree.structure(tap(tree, "t")) == jax.tree.structure(tree)
    assert tap("no array", "t") == "no array"
    with pytest.raises(TypeError, match="name"):
        tap(x, 3)


def rnn(x, length=5):
    """Tanh units fed with x at every round; the state of each round is tapped."""

    def round_(h, t):
        h = tap(jnp.tanh(x @ W1 * t + h), "state")
        return h, h[:, 0]

    last, first_units = jax.lax.scan(
        round_, jnp.zeros((x.shape[0], 8)), jnp.arange(1.0, length + 1)
    )
    return jnp.concatenate([suffix(last), first_units.T], axis=1)


def unrolled(eps, x, length=5):
    h, firsts = jnp.zeros((x.shape[0], 8)), []
    for t in range(length):
        h = jnp.tanh(x @ W1 * (t + 1.0) + h) + eps[t]
        firsts.append(h[:, :1])
    return jnp.concatenate([suffix(h), *firsts], axis=1)


def test_a_value_in_a_scan_has_the_rounds_first_and_gradients_through_time(close, x64):
    eps, x = jnp.zeros((5, 2, 8)), X.astype("float64")
    expected = jax.grad(lambda e: unrolled(e, x)[:, 1].sum())(eps)
    cut = Cut("state", batch_axis=1)
    close(saliency(rnn, cut, x), expected, 1e-10)
    early = saliency(rnn, cut, x, qoi=4)  # the first unit after two rounds
    close(early, jax.grad(lambda e: unrolled(e, x)[:, 4].sum())(eps), 1e-10)
    assert not early[2:].any()
    wrapper = get_model_wrapper(rnn, backend="jax")
    states = wrapper.fprop(x, to_cut=cut)
    assert states.shape == (5, 2, 8)
    weighted = InternalInfluence(wrapper, (cut, None), 1, "point").attributions(x)
    close(weighted, expected * states, 1e-10)


def test_a_value_in_a_scan_is_replaced_round_by_round(close):
    wrapper, cut = get_model_wrapper(rnn, backend="jax"), Cut("state", batch_axis=1)
    states = wrapper.fprop(X, to_cut=cut)
    half = wrapper.fprop(X, doi_cut=cut, intervention=states / 2)
    close(half[:, :3], suffix(states[-1] / 2))
    close(half[:, 3:], states[:, :, 0].T / 2)
    path = InternalInfluence(wrapper, (cut, None), 1, LinearDoi(cut=cut, resolution=20))
    moved = path.explain(X)
    assert abs(moved.residual).max() < 0.02  # only the last round reaches the class
    assert not moved.attributions[:-1].any()
    with pytest.raises(CutError, match="batch_axis"):
        saliency(rnn, "state")


def test_scans_within_scans_and_layers_called_twice_in_one(close, x64):
    x = X.astype("float64")

    def f(x):
        def outer(h, _):
            def inner(g, t):
                g = tap(jnp.tanh(g * t + x), "cell")
                return tap(g + 0.1, "cell"), None

            return jax.lax.scan(inner, h, jnp.arange(1.0, 4.0))[0], None

        return jax.lax.scan(outer, x, None, length=2)[0]

    def by_hand(eps, x):
        h = x
        for i in range(2):
            for j in range(3):
                h = jnp.tanh(h * (j + 1.0) + x) + eps[i, j] + 0.1
        return h

    cut = Cut("cell", call=0, batch_axis=2)
    expected = jax.grad(lambda e: by_hand(e, x)[:, 1].sum())(jnp.zeros((2, 3, 2, 4)))
    close(saliency(f, cut, x), expected, 1e-10)
    with pytest.raises(CalledSeveralTimesError, match="call=0 to call=1"):
        saliency(f, Cut("cell", batch_axis=2), x)
    (layer,) = get_model_wrapper(f, backend="jax").layers(x)
    assert (layer.within, layer.calls, layer.shape) == ("scan in scan", 2, (2, 3, 4))


LIFT = RNG.normal(size=(4, 4)) / 2


def intertwined(mark, loop, x):
    """Layers before, in and after a loop that depend on each other and go around each other."""
    before = mark("before", jnp.tanh(x @ LIFT * jnp.arange(1.0, 4.0)[:, None, None]))

    def round_(h, given):
        t, v = given
        a = mark("cell.a", jnp.tanh(h + v), t)
        b = mark("cell.b", jnp.tanh(a @ LIFT + 0.3 * h), t)
        return a + b, b

    last, outputs = loop(round_, x, (jnp.arange(3), before))
    after = mark("after", jnp.tanh(outputs @ LIFT) + before)
    return after.sum(0) * last


def loop_in_python(f, h, xs):
    ys = []
    for t in range(3):
        h, y = f(h, (t, xs[1][t]))
        ys.append(y)
    return h, jnp.stack(ys)


def gradient_at(name):
    """By hand: the layer reaches the output, also through all that comes after it."""

    def scored(eps):
        def mark(at, v, t=None):
            return v if at != name else v + (eps if t is None else eps[t])

        return intertwined(mark, loop_in_python, X.astype("float64"))[:, 1].sum()

    return jax.grad(scored)(jnp.zeros((3, 2, 4)))


@pytest.mark.parametrize("qoi", [1, lambda y: y[:, 1]], ids=["one step", "two halves"])
def test_layers_that_depend_on_each_other_have_the_gradient_of_each_alone(close, x64, qoi):
    f = lambda x: intertwined(lambda at, v, _=None: tap(v, at), jax.lax.scan, x)
    every = ["after", "cell.b", "before", "cell.a"]
    expected = {name: gradient_at(name) for name in every}
    for names in (every, every[::-1], ["before", "after"], ["cell.a", "cell.b"]):
        found = saliency(f, Cut(names, batch_axis=1), X.astype("float64"), qoi)
        for name, gradient in zip(names, found, strict=True):
            close(gradient, expected[name], 1e-10)


def towers(x, after=lambda h, _: h):
    """Two recurrent layers in one loop, each with a state of its own."""

    def round_(states, t):
        left = tap(jnp.tanh(states[0] @ LIFT + x * t), "left")
        right = tap(after(jnp.cos(states[1] + x * t), left), "right")
        return (left, right), left[:, :2] * right[:, :2]

    return jax.lax.scan(round_, (x, 2 * x), jnp.arange(1.0, 4.0))[1].sum(0)


def test_a_path_over_layers_in_one_loop(close, x64):
    """Those beside each other move together; those that depend on each other must not."""
    x, cut = X.astype("float64"), Cut(["right", "left"], batch_axis=1)
    doi = LinearDoi(0.2, 20, cut=cut, rule="gauss-legendre")
    result = InternalInfluence(get_model_wrapper(towers, backend="jax"), cut, 1, doi).explain(x)
    attributed = sum(a.sum((0, 2)) for a in result.attributions)
    close(attributed, result.quantity - result.baseline_quantity, 1e-10)
    crossing = functools.partial(towers, after=lambda h, left: h + 0 * left)
    wrapper = get_model_wrapper(crossing, backend="jax")
    with pytest.raises(CutError, match="'right' is computed from that at 'left'"):
        InternalInfluence(wrapper, cut, 1, doi).attributions(x)


def test_a_shared_layer_needs_its_call(close):
    def layer(v):
        return tap(jnp.tanh(v @ W1 @ W1.T / 8), "shared")  # far from where tanh saturates

    def f(x):
        return layer(layer(x)) @ W1

    one = layer(X)
    tail = lambda h: (layer(h) @ W1)[:, 1].sum()
    close(saliency(f, Cut("shared", call=0)), jax.grad(tail)(one))
    close(saliency(f, Cut("shared", call=1)), jnp.broadcast_to(W1[:, 1], (2, 4)))
    with pytest.raises(CalledSeveralTimesError):
        saliency(f, "shared")
    with pytest.raises(CutError, match="2 time"):
        saliency(f, Cut("shared", call=2))


def branches(x):
    return jax.lax.cond(x.sum() > 0, lambda v: tap(v * 2, "b"), lambda v: v, x)


def counted(x):
    return jax.lax.while_loop(lambda v: v.sum() < 9, lambda v: tap(v + 1, "b"), x)


@jax.custom_jvp
def custom(x):
    return tap(x * 2, "b")


custom.defjvp(lambda p, t: (custom(*p), 2 * t[0]))


@jax.custom_vjp
def custom_backward(x):
    return tap(x * 2, "b")


custom_backward.defvjp(lambda x: (x * 2, None), lambda _, g: (g * 2,))


@pytest.mark.parametrize(
    ("f", "found"),
    [
        (branches, "cond"),
        (counted, "while"),
        (custom, "custom_jvp"),
        (custom_backward, "custom_vjp"),
    ],
    ids=["cond", "while", "custom_jvp", "custom_vjp"],
)
def test_where_no_value_can_be_taken_the_error_names_the_construct(f, found):
    with pytest.raises(NotDifferentiableError, match=found):
        saliency(f, "b")


def test_a_cut_beside_such_a_construct_works(close):
    def f(x):
        h = tap(custom_backward(tap(branches(x), "before")), "after")
        return h @ W1

    close(saliency(f, "before"), jnp.broadcast_to(2 * W1[:, 1], (2, 4)))
    close(saliency(f, "after"), jnp.broadcast_to(W1[:, 1], (2, 4)))


def test_what_is_not_connected_is_an_error_and_never_zeros():
    def f(x):
        a = tap(x * 2, "a")
        b = tap(a + 1, "b")
        side = tap(jnp.argmax(x, axis=1)[:, None] * jnp.ones((1, 3)), "side")
        return tap(b @ W1, "c") + 0 * side.sum()

    w = get_model_wrapper(f, backend="jax")

    def ask(source, target, doi="point"):
        return InternalInfluence(w, (source, target), 0, doi).attributions(X)

    with pytest.raises(NotConnectedError, match="after the target"):
        ask("b", "a")
    with pytest.raises(NotConnectedError, match="'b'"):
        ask("a", "c", LinearDoi(cut="b"))
    with pytest.raises(NotConnectedError):  # through integers alone
        ask(None, "side")
    with pytest.raises(UnknownLayerError, match="did you mean 'side'"):
        ask("sidee", None)
    with pytest.raises(InterventionError, match=r"\(2, 5\).*\(2, 4\)"):
        w.fprop(X, doi_cut="a", intervention=np.zeros((2, 5), "float32"))


def test_of_several_tensors_those_without_connection_have_zeros(close):
    def f(x):
        a, b = tap((x * 2, x * 3), "pair")
        return a @ W1 + 0 * b.sum()

    cut = Cut("pair", accessor=lambda v: v)
    first, second = saliency(lambda x: f(x)[:, :], cut)
    close(first, jnp.broadcast_to(W1[:, 1], (2, 4)))
    assert second.shape == (2, 4)
    assert not second.any()


def test_several_quantities_and_tensors_at_once(close):
    def f(x):
        return tap(jnp.tanh(x @ W1), "h") @ W2

    got = saliency(f, "h", qoi=lambda y: y**2)
    y = f(X)
    assert len(got) == 3
    for i, g in enumerate(got):
        close(g, 2 * y[:, i : i + 1] * W2[:, i])
    both = saliency(f, "h", qoi=lambda y: [y[:, 0], y[:, 2]])
    close(both[1], jnp.broadcast_to(W2[:, 2], (2, 8)))


def test_the_forward_pass_is_exact_and_minus_zero_stays():
    f = lambda x: tap(-jnp.abs(x) * 0, "z") + 0 * x
    w = get_model_wrapper(f, backend="jax")
    assert np.signbit(w.fprop(X, to_cut="z")).all()
    np.testing.assert_array_equal(get_model_wrapper(plain, backend="jax")(X), jax.jit(plain)(X))


def test_layers_are_listed_from_the_trace():
    def f(x):
        x = jax.checkpoint(lambda v: tap(v @ W1, "remat"))(x)
        x, _ = jax.lax.scan(lambda c, _: (tap(jnp.tanh(c), "cell"), None), x, None, length=3)
        return jax.lax.cond(x.sum() > 0, lambda v: tap(v, "branch"), lambda v: v, x)

    w = get_model_wrapper(f, backend="jax")
    assert w.layers() == []
    listed = [(x.name, x.shape, x.calls, x.within) for x in w.layers(X)]
    assert listed == [
        ("remat", (8,), 1, ""),
        ("cell", (3, 8), 1, "scan"),
        ("branch", (8,), 1, "cond"),
    ]
    assert "within" in repr(w)


def test_outputs_of_any_structure(close):
    @functools.partial(jax.tree_util.register_dataclass, data_fields=["logits"], meta_fields=["n"])
    class Result:
        def __init__(self, logits, n):
            self.logits, self.n = logits, n

    for wrap, accessor in (
        (lambda y: {"logits": y, "loss": y.sum()}, None),
        (lambda y: (y, "text", None), None),
        (lambda y: Result(y, 3), lambda v: v.logits),
    ):
        w = get_model_wrapper(lambda x, wrap=wrap: wrap(plain(x)), backend="jax")
        method = InternalInfluence(
            w, ("h", OutputCut(accessor=accessor)), 1, "point", multiply_activation=False
        )
        close(method.attributions(X), saliency(plain, "h"))
