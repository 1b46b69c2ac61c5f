"""What is compiled, counted; and that what is kept is never stale."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import (
    BinaryQoI,
    BoxQoI,
    ClassQoI,
    ComparativeQoI,
    Cut,
    DistanceQoI,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    LogProbQoI,
    PredictedClassQoI,
    QoI,
    RegressionQoI,
    ThresholdQoI,
    TokenQoI,
    get_model_wrapper,
)
from trulens_jax import tap
from trulens_jax.backend import BACKEND

RNG = np.random.default_rng(0)


def weights(seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape) / 2, "float32")
    return {"in": draw(5, 16), "out": draw(16, 4)}


class Counted:
    """A network that counts how often it is traced."""

    def __init__(self):
        self.traces = 0

    def __call__(self, p, x):
        self.traces += 1
        h = tap(jnp.tanh(x @ p["in"]), "h")
        return tap(h @ p["out"], "y")


@pytest.fixture
def net():
    return Counted()


@pytest.fixture
def model(net):
    return get_model_wrapper(net, backend="jax", params=weights())


def records(n=6):
    return RNG.normal(size=(n, 5)).astype("float32")


def test_nothing_is_compiled_a_second_time(net, model, compiled):
    def every(qoi, doi, cuts, x):
        return InternalInfluence(model, cuts, qoi, doi, rebatch_size=20).attributions(x)

    kinds = [
        ClassQoI,
        lambda i: ClassQoI(np.full(6, i)),
        lambda i: ComparativeQoI(i, 3),
        InternalChannelQoI,
        lambda i: ThresholdQoI(i / 10),
        lambda i: (i + 1) * ClassQoI(0) - 0.5 * ClassQoI(i),
        lambda i: "predicted",
    ]
    slices = ((None, None, LinearDoi(resolution=7)), ("h", "y", GaussianDoi(0.1, 7, cut="h")))
    for kind in kinds:
        for source, target, doi in slices:
            every(kind(0), doi, (source, target), records())
    assert net.traces == 1  # all blocks have one signature
    with compiled() as names:
        for i in (1, 2, 0):
            for kind in kinds:
                for source, target, doi in slices:
                    every(kind(i), doi, (source, target), records())
    assert names == []
    assert net.traces == 1


def test_changed_classes_regions_and_references_compile_nothing(compiled):
    draw = lambda *shape: RNG.normal(size=shape).astype("float32")
    sizes = {"maps": 12, "scores": 15, "boxes": 20, "unit": 1, "y": 4}
    p = {"in": draw(5, 16), **{name: draw(16, n) for name, n in sizes.items()}}
    traces = []

    def net(p, x):
        traces.append(1)
        h = jnp.tanh(x @ p["in"])
        tap((h @ p["maps"]).reshape(-1, 2, 2, 3), "maps")
        tap((h @ p["scores"]).reshape(-1, 5, 3), "scores")
        tap(jnp.abs(h @ p["boxes"]).reshape(-1, 5, 4) + 1, "boxes")
        tap(h @ p["unit"], "unit")
        return tap(h @ p["y"], "y")

    model, x = get_model_wrapper(net, backend="jax", params=p), records()
    one, each = RNG.random((3, 2, 2)), RNG.random((3, 6, 2, 2)) > 0.3
    some = RNG.integers(3, size=(3, 6, 2, 2))
    kinds = [
        ("maps", lambda i: ClassQoI(i, one[i], axis=-1)),
        ("maps", lambda i: ClassQoI(some[i], each[i], axis=-1)),
        ("maps", lambda i: PredictedClassQoI(-1, each[i])),
        ("maps", lambda i: LogProbQoI(i, one[i], axis=-1)),
        ("scores", lambda i: TokenQoI(i, position=i)),
        ("scores", lambda i: TokenQoI(np.full(6, i), np.arange(6) % (i + 2), quantity="log_prob")),
        ("unit", lambda i: BinaryQoI(i % 2, activation="sigmoid")),
        ("unit", lambda i: BinaryQoI(np.arange(6) // (i + 3))),
        ("y", RegressionQoI),
        ("y", lambda i: DistanceQoI(draw(4))),
        ("y", lambda i: DistanceQoI(draw(6, 4), "cosine") - i * LogProbQoI(np.full(6, i))),
        (
            Cut(["scores", "boxes"]),
            lambda i: BoxQoI(np.tile([5, 5, 20 + i, 20], (6, 1)), i, format="cxcywh"),
        ),
    ]

    def every(i):
        for target, kind in kinds:
            method = InternalInfluence(model, (None, target), kind(i), LinearDoi(resolution=4))
            assert method.attributions(x).any()

    every(0)
    count = len(traces)
    with compiled() as names:
        every(1)
        every(2)
    assert names == []
    assert len(traces) == count


def test_changed_weights_compile_nothing_and_are_seen(model, compiled, close):
    x = records()
    method = IntegratedGradients(model, resolution=4)
    method.attributions(x)
    new = weights(1)
    with compiled() as names:
        model.update(new)
        updated = method.attributions(x)
    assert names == []
    fresh = get_model_wrapper(Counted(), backend="jax", params=new)
    close(updated, IntegratedGradients(fresh, resolution=4).attributions(x))


def test_the_weights_of_a_module_are_read_at_every_call(compiled, close):
    model = nnx.Linear(5, 3, rngs=nnx.Rngs(0))
    method = InputAttribution(model, qoi=1, multiply_activation=False)
    x = records(2)
    method.attributions(x)
    doubled = 2 * jnp.asarray(model.kernel[...])
    nnx.update(model, {"kernel": doubled})
    with compiled() as names:
        after = method.attributions(x)
    assert names == []
    close(after, jnp.broadcast_to(doubled[:, 1], (2, 5)))
    with pytest.raises(TypeError, match="change the module"):
        method.model.update(None)


def test_another_batch_size_compiles_each_step_once_more(model, compiled):
    method = InternalInfluence(model, "h", ClassQoI(1), LinearDoi(resolution=4, cut="h"))

    def steps(n):
        with compiled() as names:
            method.attributions(records(n))
        return len(names)

    sizes = (6, 9, 3)
    first = {n: steps(n) for n in sizes}
    assert {n: steps(n) for n in sizes} == dict.fromkeys(sizes, 0)
    kept = [s._compiled for s in model._steps._held.values() if hasattr(s, "_compiled")]
    assert [step._cache_size() for step in kept] == [3]
    assert min(first.values()) >= 1


def test_points_and_records_left_over_are_padded(net, model, close):
    x = records(7)
    whole = IntegratedGradients(model, resolution=21).attributions(x)
    for rebatch in (1, 2, 8, 50):
        method = IntegratedGradients(model, resolution=21)
        method.rebatch_size = rebatch
        before = net.traces
        close(method.attributions(x), whole, 1e-5)
        looked = rebatch == 1  # whether records see one another, before they are first taken apart
        assert net.traces - before <= 1 + looked


def test_a_fresh_function_compiles_no_model(net, model, compiled, close):
    x, p = records(), weights()

    def ask(qoi):
        return InternalInfluence(model, "h", qoi, LinearDoi(resolution=3)).attributions(x)

    for c in (1.0, 2.0):
        ask(lambda y, c=c: (y[:, 1] * c) ** 2)
    traces = net.traces
    for c in (3.0, 4.0):
        with compiled() as names:
            got = ask(lambda y, c=c: (y[:, 1] * c) ** 2)
        assert names == []
        h = jnp.tanh(x @ p["in"])
        grads = [
            2 * c**2 * (jnp.tanh(a * x @ p["in"]) @ p["out"])[:, 1:2] * p["out"][:, 1]
            for a in (1, 0.5, 0)
        ]
        close(got, h * sum(grads) / 3, 1e-5)
    assert net.traces == traces


def test_both_ways_of_evaluating_a_quantity_agree(model, close):
    """A function of the caller's, outside the compiled step, and the standard quantity."""
    x = records()
    cases = (
        ("point", (None, "y")),
        (LinearDoi(resolution=5, cut="h"), ("h", None)),
        (GaussianDoi(0.2, 5), ("h", "y")),
    )
    for doi, cuts in cases:
        ask = lambda q, cuts=cuts, doi=doi: InternalInfluence(
            model, cuts, q, doi, return_grads=True
        ).explain(x)
        mine, ours = ask(lambda y: y[:, 2] - y[:, 0]), ask((2, 0))
        close(mine.attributions, ours.attributions)
        close(mine.quantity, ours.quantity)
        close(mine.gradients[0], ours.gradients[0])


class Scaled(QoI):
    arrays = ("scales",)

    def __init__(self, scales, factor=1.0):
        self.scales, self.factor = scales, factor

    def __call__(self, y):
        return self.factor * self.scales * y[:, 0]


def test_a_quantity_changed_between_calls_is_seen(model, close):
    x = records()
    qoi = Scaled(np.ones(6, "float32"))
    method = InternalInfluence(model, "h", qoi, "point")
    before = method.attributions(x)
    qoi.factor = 3.0
    close(method.attributions(x), 3 * before)
    qoi.scales = np.full(6, 2, "float32")
    close(method.attributions(x), 6 * before)
    path = InternalInfluence(model, "h", qoi, "linear")
    path.rebatch_size = 4  # fewer records at once than there are scales
    close(path.attributions(x), 6 * InternalInfluence(model, "h", 0, "linear").attributions(x))


def test_arguments_that_are_no_arrays_are_part_of_the_signature(close):
    def f(x, *, power=1, mode="plain", shift=None):
        y = tap(x, "x") ** power
        y = jnp.tanh(y) if mode == "tanh" else y
        return y if shift is None else y + shift * y

    w = get_model_wrapper(f, backend="jax")
    x = np.abs(records()) / 4  # where 1 - tanh(x)^2 loses no digits
    method = InternalInfluence(w, "x", 1, "point", multiply_activation=False)
    close(method.attributions(x, power=3)[:, 1], 3 * x[:, 1] ** 2)
    close(method.attributions(x, power=2)[:, 1], 2 * x[:, 1])
    close(method.attributions(x, power=1, mode="tanh")[:, 1], 1 - np.tanh(x[:, 1]) ** 2)
    shift = np.float32(3)
    close(method.attributions(x, shift=np.asarray([shift]))[:, 1], np.full(6, 4.0))


def test_only_what_the_slice_needs_is_computed():
    """A late cut costs what the part after it costs, by XLA's own count."""
    rng = np.random.default_rng(0)
    p = [jnp.asarray(rng.normal(size=(64, 64)) / 8, "float32") for _ in range(10)]

    def f(p, x, first=0):
        for i in range(first, 10):
            x = tap(jnp.tanh(x @ p[i]), f"h{i}")
        return x

    def by_hand(x, last):
        """The value at the cut, and the part after it at four points of a line."""
        for kernel in p[: last + 1]:
            x = jnp.tanh(x @ kernel)
        suffix = lambda z: f(p, z, last + 1)[:, 1].sum()
        found = jax.vmap(jax.grad(suffix))(jnp.ones((4, 1, 1)) * x)
        return found.sum(0) * x

    w = get_model_wrapper(f, backend="jax", params=p)
    x = jnp.asarray(rng.normal(size=(8, 64)), "float32")
    flops = {}
    for last in (1, 8):
        cut = Cut(f"h{last}")
        InternalInfluence(w, cut, ClassQoI(1), LinearDoi(resolution=4, cut=cut)).attributions(x)
        program = [s for s in w._steps._held.values() if hasattr(s, "_compiled")][-1]
        flops[last] = _flops_of(program, w, x)
        hand = jax.jit(by_hand, static_argnums=1).lower(x, last).compile()
        assert flops[last] <= 1.2 * _flops(hand.cost_analysis())
    assert flops[8] < flops[1] / 3  # of which the value at the cut takes a third


def _flops_of(program, w, x):
    from trulens_core.backends import StepArguments
    from trulens_core.influence.plans import Given

    a = StepArguments(w.state(), [], [x], [], [], [np.int32(1)])
    given = Given(a, [], [], [np.ones(4)])
    return _flops(program._compiled.lower(given, np.ones(4) / 4).compile().cost_analysis())


def _flops(analysis):
    return (analysis[0] if isinstance(analysis, list) else analysis)["flops"]


def test_sums_keep_the_digits_of_float32_on_every_device():
    """The default of a matrix product is fewer on GPUs and TPUs."""
    x, w = jnp.ones((3, 2, 4)), jnp.ones(3)
    assert "HIGHEST" in str(jax.make_jaxpr(BACKEND.weighted_sum)(x, w))


def test_many_threads_share_a_wrapper(model, close):
    sizes = (2, 3, 4, 5)
    x = {n: records(n) for n in sizes}
    ask = lambda n: IntegratedGradients(model, resolution=n).attributions(x[n])
    found, errors = {}, []

    def work(n):
        try:
            found[n] = ask(n)
        except Exception as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in sizes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    for n in sizes:
        close(found[n], ask(n))
