"""The hand-written derivatives of the reference backend, against differences of its values."""

import numpy as np
import pytest

from trulens_core.testing import ZOO, ReferenceModel, relative_error
from trulens_core.testing.reference import BACKEND, Tensor, layers
from trulens_core.testing.reference import namespace as xp
from trulens_core.testing.reference.tensors import pulled_back
from trulens_core.testing.zoo import LAYERED

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((3, 4))
POSITIVE = np.abs(A) + 0.5
INDICES = Tensor(np.asarray([2, 0, 2], "int32"))
ALONG = Tensor(RNG.integers(4, size=(2, 3, 1)).astype("int32"))
CONDITION = Tensor(A > 0)

ONE = {
    "negative": lambda x: -x,
    "cube": lambda x: x**3,
    "item": lambda x: x[1, ..., 1:],
    "new axis": lambda x: x[:, None, 0],
    "1 - x": lambda x: 1 - x,
    "2 / x": lambda x: 2.0 / x,
    "x / 2": lambda x: x / 2,
    "abs": xp.abs,
    "exp": xp.exp,
    "log": lambda x: xp.log(xp.abs(x)),
    "sqrt": lambda x: xp.sqrt(x * x + 1.0),
    "tanh": xp.tanh,
    "sum": xp.sum,
    "sum of axes": lambda x: xp.sum(x, axis=(0, 2)),
    "sum, kept": lambda x: xp.sum(x, axis=1, keepdims=True),
    "mean": lambda x: xp.mean(x, axis=-1),
    "max": lambda x: xp.max(x, axis=2),
    "max, kept": lambda x: xp.max(x, axis=1, keepdims=True),
    "reshape": lambda x: xp.reshape(x, (6, -1)),
    "expand_dims": lambda x: xp.expand_dims(x, axis=1),
    "squeeze": lambda x: xp.squeeze(x[:, :1], axis=1),
    "permute_dims": lambda x: xp.permute_dims(x, (2, 0, 1)),
    "broadcast_to": lambda x: xp.broadcast_to(x[:, :1], (5, 2, 3, 4)),
    "take": lambda x: xp.take(x, INDICES, axis=1),
    "take_along_axis": lambda x: xp.take_along_axis(x, ALONG, axis=2),
    "maximum with a number": lambda x: xp.maximum(x, 0.3),
    "where with a number": lambda x: xp.where(CONDITION, x, 0.0),
    "softmax": lambda x: layers.softmax(x, 1),
    "sigmoid": layers.sigmoid,
    "astype": lambda x: xp.astype(xp.astype(x, xp.float64), xp.float64),
}
TWO = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: y - x,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (y * y + 1.0),
    "matmul": lambda x, y: xp.matmul(x, xp.permute_dims(y, (1, 0))),
    "matmul, batched": lambda x, y: x @ xp.permute_dims(x * y, (0, 2, 1)),
    "maximum": xp.maximum,
    "minimum": xp.minimum,
    "where": lambda x, y: xp.where(CONDITION, x, y),
    "concat": lambda x, y: xp.concat([x[0], y, y], axis=1),
    "stack": lambda x, y: xp.stack([y, x[1]], axis=2),
    "attend": lambda x, y: layers.attend(x, x * y, xp.tanh(x)),
    "used twice": lambda x, y: x * y + xp.exp(x) * y,
}
TESTED = sorted(set(ZOO) - {"text", "nested"})  # those of tensors, all of them floating


def differences(function, arrays, cotangent):
    """The gradient of Σ cotangent · function by central differences."""
    step, found = 1e-6, []
    for i, a in enumerate(arrays):
        g = np.zeros_like(a)
        for place in np.ndindex(*a.shape):
            ends = []
            for sign in (1, -1):
                moved = [b.copy() for b in arrays]
                moved[i][place] += sign * step
                ends.append((function(*map(Tensor, moved)).data * cotangent).sum())
            g[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(g)
    return found


def check(function, *arrays):
    leaves = [Tensor(a, tracked=True) for a in arrays]
    out = function(*leaves)
    cotangent = np.random.default_rng(1).standard_normal(out.shape)
    found = pulled_back(xp.sum(out * Tensor(cotangent)), leaves)
    for got, wanted in zip(found, differences(function, arrays, cotangent), strict=True):
        assert relative_error(got, wanted) < 1e-6


@pytest.mark.parametrize("name", ONE)
def test_operations_of_one_tensor(name):
    check(ONE[name], POSITIVE if name == "2 / x" else A)


@pytest.mark.parametrize("name", TWO)
def test_operations_of_two_tensors(name):
    check(TWO[name], A, B)


@pytest.mark.parametrize("name", TESTED)
def test_models(name):
    args, _ = ZOO[name].inputs(2)
    output = ZOO[name].output
    key = {dict: "logits", tuple: 1}.get(type(output))
    model = ReferenceModel(ZOO[name])
    check(lambda *x: model(*x) if key is None else model(*x)[key], *args)


def test_every_layer_is_in_a_model_that_is_tested():
    """Or in one of those with layers of the framework's own, which the suite itself tests."""
    tested = {kind for n in TESTED for kind, *_ in ZOO[n].layers.values()}
    left = set(layers.LAYERS) - tested - {"embedding"}
    assert left == {"relu_", "dropout", "counting", "narrow"} & set(layers.LAYERS)
    assert left <= {kind for a in LAYERED.values() for kind, *_ in a.layers.values()}


def test_mean_under_a_mask():
    mask = Tensor(np.asarray([[1.0, 0, 1], [1, 1, 0]]))
    check(lambda x: layers.masked_mean(x, mask), A)


def test_nothing_is_recorded_where_no_gradient_is_wanted():
    y = xp.exp(Tensor(A)) * 2.0
    assert (y.depth, y.sources) == (0, ())


def test_a_tensor_that_does_not_matter_has_no_gradient():
    x, y = Tensor(A, tracked=True), Tensor(B, tracked=True)
    assert pulled_back(xp.sum(y * y), [x])[0] is None
    assert pulled_back(Tensor(A), [x])[0] is None
    assert pulled_back(xp.sum(xp.sign(x)), [x])[0] is None
    assert (
        pulled_back(xp.sum(BACKEND.stop_gradient(x) + x), [x])[0].tolist()
        == np.ones_like(A).tolist()
    )


def test_sigmoid_and_softmax_are_stable():
    far = Tensor(np.asarray([[-800.0, 800.0]]))
    assert layers.sigmoid(far).data.tolist() == [[0.0, 1.0]]
    assert layers.softmax(far, 1).data.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: x + xp.astype(x, xp.float32),
        lambda x: x * np.ones(4),
        lambda x: np.ones(4) * x,
        lambda x: INDICES * 2.0,
        np.asarray,
        lambda x: xp.where(x > 0, x, INDICES),
    ],
)
def test_is_as_strict_as_the_strictest_framework(mixing):
    with pytest.raises(TypeError):
        mixing(Tensor(A))


@pytest.mark.parametrize("key", [np.asarray([0, 1]), [0, 1], Tensor(np.asarray([0])), 0.0])
def test_indices_are_ints_and_slices(key):
    with pytest.raises(IndexError, match="indices are"):
        Tensor(A)[key]


def test_float32_stays_float32():
    x = Tensor(A.astype("float32"), tracked=True)
    y = xp.mean(xp.exp(x * 2.0 - 1) / 3.0, axis=(0, 1, 2))
    assert y.dtype == np.float32
    assert pulled_back(y, [x])[0].dtype == np.float32
