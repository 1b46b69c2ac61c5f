"""Whether an explanation depends on what the model has learnt."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from trulens_core.attribution.method import AttributionMethod
from trulens_core.errors import TrulensWarning
from trulens_core.metrics.agreements import Similarity, checked, similarity
from trulens_core.metrics.explained import Explained, on_model
from trulens_core.metrics.metric import Metric
from trulens_core.metrics.scores import Array, Better, Curve, Score
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.results.arrays import host, leaves

_WEIGHTS = 13
"""The stream of draws of places."""
Order = Literal["cascade", "independent"]
Layers = Sequence[str] | Mapping[str, Sequence[str]] | None


class Randomization(Metric):
    """How much an explanation stays the same as the model forgets, layer by layer.

    The sanity check (Adebayo et al., 2020): each layer's weights change places at random, on a
    copy of the model, from the output down. The value is the mean similarity to the explanation of
    the model as it is, over the steps: near 0 where the explanation depends on the weights, near 1
    where it would look the same whatever was learnt. Weights that are all equal do not change by
    it, and the model that was given never does.

    Args:
        order: "cascade": each step randomizes one more layer; "independent": one layer only.
        layers: which, from the first to be randomized on: names of layers, as weights are named
            by; or a mapping to the names of weights. None is all, the last first. On JAX weights
            have numbers and no layers, and each is a step of its own.
        kind: how explanations are compared, see `Agreement`.
        k: of "top".
        absolute: whether sizes are compared, whatever the signs.
        seed: of the draws.

    Raises:
        ValueError: for another order or kind; when used, for anything but a method of this
            library, and layers without weights.
        UnsupportedModelError: when used, for a model of which no copy with other weights is made.
        TrulensWarning: where a layer's other weights leave the output as it is.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> score = Randomization().score(InputAttribution(model, qoi=0), x)
        >>> score.curve.steps
        ('logits', 'second', 'hidden')
    """

    better: ClassVar[Better] = "lower"

    def __init__(
        self,
        order: Order = "cascade",
        *,
        layers: Layers = None,
        kind: Similarity = "rank",
        k: int | float = 0.1,
        absolute: bool = True,
        seed: int = 0,
    ) -> None:
        if order not in get_args(Order):
            raise ValueError(f"order is {order!r}; it must be one of {', '.join(get_args(Order))}")
        self.order: Order = order
        self.layers: Layers = layers
        self.kind: Similarity = checked(kind)
        self.k: int | float = k
        self.absolute: bool = bool(absolute)
        self.seed: int = int(seed)

    def judges(self, explained: Explained) -> bool:
        return explained.method is not None

    def _score(self, explained: Explained) -> Score:
        method = _method(explained, "Randomization")
        model = method.model
        weights = {name: host(w) for name, w in model.weights().items()}
        groups = _groups(self.layers, weights)
        mixed = _mixed(weights, self.seed)
        changed: dict[str, Array] = {}
        found, still = [], []
        output = _output(model, explained)
        for layer, names in groups.items():
            own = {name: mixed[name] for name in names if name in mixed}
            changed = {**changed, **own} if self.order == "cascade" else own
            other = model.with_weights(changed)
            moved = any(not np.array_equal(w, weights[name]) for name, w in own.items())
            if moved and _same(_output(other, explained), output):
                still.append(layer)
            found.append(self._alike(explained.values, _explained_by(method, other, explained)))
        if still:
            warnings.warn(
                f"the output stayed the same, to the bit, with other weights of {still}: they are "
                "not used for these records, or the copy of the model computes with the first ones",
                TrulensWarning,
                stacklevel=3,
            )
        curve = Curve(np.arange(len(found)), np.stack(found, axis=1), tuple(groups))
        return self._of(curve.values.mean(axis=1), curve=curve)

    def _alike(self, a: Array, b: Array) -> Array:
        if self.absolute:
            a, b = np.abs(a), np.abs(b)
        return _or_nothing(similarity(a, b, self.kind, self.k))


class DataRandomization(Metric):
    """How much an explanation is that of a model that was trained on random labels.

    The other sanity check (Adebayo et al., 2020): such a model has learnt the records by heart
    and nothing about them, so that an explanation of it should be another.

    Args:
        other: the model that was trained on labels in random order, or its wrapper; of the same
            layers.
        kind: how explanations are compared, see `Agreement`.
        k: of "top".
        absolute: whether sizes are compared, whatever the signs.

    Raises:
        ValueError: for another kind; when used, for anything but a method of this library.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> DataRandomization(model).score(InputAttribution(model, qoi=0), x).values
        array([1., 1.])
    """

    better: ClassVar[Better] = "lower"

    def __init__(
        self,
        other: Any,
        *,
        kind: Similarity = "rank",
        k: int | float = 0.1,
        absolute: bool = True,
    ) -> None:
        self._other = other if isinstance(other, ModelWrapper) else get_model_wrapper(other)
        self.kind: Similarity = checked(kind)
        self.k: int | float = k
        self.absolute: bool = bool(absolute)

    def judges(self, explained: Explained) -> bool:
        return explained.method is not None

    def _score(self, explained: Explained) -> Score:
        method = _method(explained, "DataRandomization")
        a, b = explained.values, _explained_by(method, self._other, explained)
        if self.absolute:
            a, b = np.abs(a), np.abs(b)
        return self._of(_or_nothing(similarity(a, b, self.kind, self.k)))


def _method(explained: Explained, name: str) -> AttributionMethod:
    if explained.method is None or explained.inputs is None:
        raise ValueError(f"{name} explains another model: give a method, and the records")
    return explained.method


def _explained_by(method: AttributionMethod, model: ModelWrapper, explained: Explained) -> Array:
    """What the method says of the same records by another model."""
    return explained.shaped(Explained.read(on_model(method, model), explained.inputs).values)


def _output(model: ModelWrapper, explained: Explained) -> list[Array]:
    return [host(y) for y in leaves(model.fprop(explained.inputs))]


def _same(a: list[Array], b: list[Array]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _or_nothing(alike: Array) -> Array:
    """What does not vary says nothing of the model any more, and is like nothing."""
    return np.nan_to_num(alike)


def _groups(layers: Layers, weights: Mapping[str, Array]) -> dict[str, Sequence[str]]:
    """The names of the weights of each layer, in the order they are randomized."""
    found: dict[str, list[str]] = {}
    for name, w in weights.items():
        if w.dtype.kind == "f" or w.dtype.name == "bfloat16":
            found.setdefault(_layer(name), []).append(name)
    groups: dict[str, Sequence[str]]
    if isinstance(layers, Mapping):
        groups = {layer: list(names) for layer, names in layers.items()}
    elif layers is not None:
        unknown = [layer for layer in layers if layer not in found]
        if unknown:
            raise ValueError(
                f"layers {unknown} have no weights of their own; there are {list(found)}"
            )
        groups = {layer: found[layer] for layer in layers}
    else:
        groups = dict(reversed(found.items()))
    wrong = [n for names in groups.values() for n in names if n not in weights]
    if wrong or not groups:
        raise ValueError(f"there are no weights {wrong}; there are {list(weights)}")
    return groups


def _layer(name: str) -> str:
    """The layer that a weight is of, by its name: `conv1.weight`, `dense/kernel`, `3 w:0`."""
    path = re.sub(r"^\d+ ", "", name)
    head = re.split(r"[./](?=[^./]*$)", path)[0]
    return head if head != path else name


def _mixed(weights: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """All weights with their numbers in other places."""
    found = {}
    for i, (name, w) in enumerate(weights.items()):
        bits = np.random.Philox(key=seed, counter=[0, _WEIGHTS, 0, i])
        flat = np.random.Generator(bits).permutation(w.reshape(-1))
        found[name] = np.ascontiguousarray(flat.reshape(w.shape))
    return found
