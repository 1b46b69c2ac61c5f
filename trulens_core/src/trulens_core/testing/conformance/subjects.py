"""What of each model is explained: cuts that between them are of every kind."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from trulens_core import (
    ClassQoI,
    Cut,
    DoI,
    GaussianDoi,
    InputCut,
    LinearDoi,
    LogitCut,
    MaxClassQoI,
    PointDoi,
    Points,
    QoI,
    ThresholdQoI,
    get_backend,
)

_INPUT = InputCut()


@dataclasses.dataclass(frozen=True)
class Subject:
    """The slices of a model of the zoo that are explained.

    Attributes:
        name: of the model.
        source: where variables live.
        inner: a source cut inside the model.
        target: where the behaviour is read; None is the output.
    """

    name: str
    source: Any = _INPUT
    inner: Any = None
    target: Any = None

    def __str__(self) -> str:
        return self.name


_BOTH = Cut(["left", "right"])
SUBJECTS = {
    s.name: s
    for s in (
        Subject("linear", inner=Cut("logits", anchor="in")),
        Subject("mlp", inner="second"),
        Subject("mlp_relu", inner=Cut("second", anchor="in")),
        Subject("classifier", inner="act", target=LogitCut()),
        Subject("cnn", inner="conv2"),
        Subject("resnet", inner="norm1"),
        Subject("text", source="embedding", inner="hidden"),
        Subject("recurrent", inner="rnn"),
        Subject("time_major", inner=Cut("mixed", batch_axis=1)),
        Subject("two_inputs", inner=_BOTH),
        Subject("nested", inner=_BOTH),
        Subject("shared", inner=Cut("cell", call=1)),
        Subject("scaled", inner="act"),
        Subject("dict_output", inner="hidden"),
        Subject("tuple_output", inner="hidden"),
        Subject("transformer", inner=Cut("up", anchor="in")),
    )
}


class Product(QoI):
    """A quantity as a user writes one: y₀ y₁ + 0.5 y₂²."""

    def __call__(self, y: Any) -> Any:
        return y[:, 0] * y[:, 1] + 0.5 * y[:, 2] * y[:, 2]


class Scaled(QoI):
    """A user's quantity with data for each record: scales · y₀, and a number."""

    arrays: ClassVar[tuple[str, ...]] = ("scales", "number")

    def __init__(self, scales: Any, number: float = 2.0) -> None:
        self.scales: Any = scales
        self.number: float = number

    def __call__(self, y: Any) -> Any:
        return y[:, 0] * self.scales + self.number * y[:, 1]


class Several(QoI):
    """A user's quantity of several, as a list."""

    def __call__(self, y: Any) -> Any:
        return [y[:, 0] * y[:, 1], y[:, 2]]


class Columns(QoI):
    """A user's quantity of several, as columns."""

    def __call__(self, y: Any) -> Any:
        return y[:, :2]


def _numbers(n: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).standard_normal(n)


def quantities(n: int) -> dict[str, Any]:
    """Quantities of n records for scores of at least three classes."""
    classes = np.arange(n) * 2 % 3
    return {
        "max": "max",
        "predicted": "predicted",
        "class": ClassQoI(-1),
        "classes": ClassQoI(classes),
        "pair": (0, 2),
        "channels": [0, 2] and 1,
        "softmax": MaxClassQoI(activation="softmax"),
        "threshold": ThresholdQoI(0.1, activation="sigmoid"),
        "user": Product(),
        "user's records": Scaled(_numbers(n)),
        "sum": 0.5 * ClassQoI(classes) - 2.0 * Scaled(_numbers(n)) + Product() / 4,
        "several": Several(),
        "columns": Columns(),
        "function": lambda y: y[:, 0] * y[:, 0] - y[:, 1],
    }


def _each(function: Any, z: Any) -> Any:
    """A function of one tensor for one, or for each of a list."""
    return [function(t) for t in z] if isinstance(z, list | tuple) else function(z)


class Shrunk(DoI):
    """A distribution as a user writes one: the value and two shorter ones."""

    def __call__(self, z: Any) -> Any:
        return _each(lambda t: [t, 0.5 * t, 0.75 * t], z)


class Mixture(DoI):
    """A user's distribution with weights, of values that depend on all of a record."""

    def __call__(self, z: Any, *, model_inputs: Any) -> Any:
        assert model_inputs.n_records == (z[0] if isinstance(z, list) else z).shape[0]
        return Points(_each(lambda t: [t + 0.25, 0.5 * t], z), [0.75, 0.5])


class Moved(DoI):
    """A user's distribution with a baseline and a multiplier of its own."""

    def __call__(self, z: Any) -> Any:
        return _each(lambda t: [0.9 * t + 0.01, 0.3 * t], z)

    def baseline(self, z: Any) -> Any:
        return _each(lambda t: 0.2 * t, z)

    def get_activation_multiplier(self, activation: Any) -> Any:
        return _each(lambda t: 3.0 * t, activation)


def last_record(z: Any) -> Any:
    """A baseline that is a function of the value: each record turned round and halved."""
    return _each(lambda t: -0.5 * t, z)


def from_inputs(z: Any, model_inputs: Any) -> Any:
    """A baseline that is a function of the value and of the inputs."""
    first = model_inputs.leaves[0].value
    backend = get_backend(first)
    rows = tuple(range(1, len(first.shape)))

    def shifted(t: Any) -> Any:
        means = backend.cast(backend.xp.sum(backend.cast(first, t), axis=rows), t)
        return 0.1 * t + 0.01 * backend.xp.reshape(means, (-1, *[1] * (len(t.shape) - 1)))

    return _each(shifted, z)


def distributions(cut: Any = None) -> dict[str, DoI]:
    """Distributions at a cut."""
    return {
        "point": PointDoi(cut),
        "linear": LinearDoi(0.1, 3, cut=cut),
        "midpoint": LinearDoi(last_record, 4, cut=cut, rule="midpoint"),
        "gauss-legendre": LinearDoi(from_inputs, 3, cut=cut, rule="gauss-legendre"),
        "trapezoid": LinearDoi(0.3, 2, cut=cut, rule="trapezoid"),
        "gaussian": GaussianDoi(0.2, 5, cut=cut, seed=3),
        "user": Shrunk(cut),
        "user's weights": Mixture(cut),
        "user's multiplier": Moved(cut),
    }
