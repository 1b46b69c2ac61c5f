"""An architecture as data, from which every framework builds the same model."""

from __future__ import annotations

import dataclasses
import inspect
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
LayerSpec = tuple[Any, ...]
"""A layer's kind and its sizes, such as `("dense", 5, 4)`."""
StepSpec = tuple[str, ...]
"""The name of a result, the layer or operation that gives it, and the names of its operands.

One that is given by keyword is written `"seen=mask"`.
"""

_SHAPES: dict[str, Callable[..., dict[str, tuple[int, ...]]]] = {
    "dense": lambda i, o: {"weight": (o, i), "bias": (o,)},
    "conv": lambda i, o, k: {"weight": (o, i, k, k), "bias": (o,)},
    "embedding": lambda n, d: {"weight": (n, d)},
    "layer_norm": lambda d: {"weight": (d,), "bias": (d,)},
    "batch_norm": lambda c: {"weight": (c,), "bias": (c,), "mean": (c,), "variance": (c,)},
    "rnn": lambda i, h: {"weight": (h, i), "recurrent": (h, h), "bias": (h,)},
    "narrow": lambda i, o: {"weight": (o, i), "bias": (o,)},
    "counting": lambda: {"count": ()},
}


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a model.

    Attributes:
        name: of the parameter.
        shape: of one record; a mapping of shapes is a dict of tensors.
        kind: floating numbers, integers below `high`, or a floating mask of zeros and ones.
        keyword: whether `Architecture.inputs` gives it by keyword.
        batched: whether it has a row per record.
        high: the number of different integers.
    """

    name: str
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]]
    kind: Literal["float", "ids", "mask"] = "float"
    keyword: bool = False
    batched: bool = True
    high: int = 0

    def values(self, n: int, dtype: str, seed: int) -> Any:
        """Values for n records, of which the first do not depend on n."""
        if isinstance(self.shape, Mapping):
            return {
                k: dataclasses.replace(self, name=k, shape=s).values(n, dtype, seed)
                for k, s in self.shape.items()
            }
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        shape = (n, *self.shape) if self.batched else self.shape
        if self.kind == "ids":
            return rng.integers(self.high, size=shape)
        if self.kind == "mask":  # the first element is always there
            mask = rng.random(shape) < 0.7
            mask[:, 0] = True
            return mask.astype(dtype)
        return rng.standard_normal(shape).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A model of the zoo.

    Attributes:
        name: of the model.
        arguments: what it is called with, in order.
        layers: the kind and sizes of each layer, by the name that a cut takes. A layer may be
            called several times, or not at all. A `"block"` has an architecture of layers inside
            in the place of sizes.
        steps: the computation, in order. An operand `"batch.left"` is the member `left` of the
            dict `batch`.
        output: the name of the result, or a dict or tuple of names.
        smooth: whether it is differentiable everywhere.
        unused: columns of weights that are zero.
        seed: of the weights; such that float32 is exact enough to be compared.

    Example:
        >>> from trulens_core.testing import ZOO
        >>> ZOO["mlp"].weights()["hidden.weight"].shape
        (4, 5)
    """

    name: str
    arguments: tuple[Argument, ...]
    layers: Mapping[str, LayerSpec]
    steps: tuple[StepSpec, ...]
    output: str | Mapping[str, str] | tuple[str, ...]
    smooth: bool = True
    unused: tuple[tuple[str, int], ...] = ()
    seed: int = 1

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments, in order."""
        return tuple(a.name for a in self.arguments)

    def signature(self) -> inspect.Signature:
        """The signature of a method that evaluates the model."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(n, kind) for n in ("self", *self.parameters)])

    def weights(self) -> dict[str, Array]:
        """The weights as `"layer.weight"`, float64, always the same; `"block.layer.weight"` inside.

        Dense weights are (out, in), kernels of convolutions (out, in, height, width), those of a
        recurrent layer (units, in) and (units, units).
        """
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        weights = self._weights(rng)
        for name, column in self.unused:
            weights[name][:, column] = 0
        return weights

    def _weights(self, rng: np.random.Generator) -> dict[str, Array]:
        weights: dict[str, Array] = {}
        for layer, (kind, *sizes) in self.layers.items():
            if kind == "block":
                inside = sizes[0]._weights(rng)
            else:
                shapes = _SHAPES[kind](*sizes) if kind in _SHAPES else {}
                inside = {name: _drawn(name, shape, rng) for name, shape in shapes.items()}
            weights |= {f"{layer}.{name}": values for name, values in inside.items()}
        return weights

    def inputs(
        self, n: int, dtype: str = "float64", seed: int = 0
    ) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for n records; the first ones do not depend on n."""
        drawn = {a.name: a.values(n, dtype, seed) for a in self.arguments}
        return (
            [drawn[a.name] for a in self.arguments if not a.keyword],
            {a.name: drawn[a.name] for a in self.arguments if a.keyword},
        )

    def run(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        call: Callable[..., Any],
    ) -> Any:
        """Evaluate the model in any framework.

        Args:
            args: positional arguments.
            kwargs: keyword arguments.
            call: evaluates the layer, or the operation, of a name for a list of operands, and for
                those that are given by keyword.
        """
        values = {**dict(zip(self.parameters, args, strict=False)), **kwargs}

        def value(name: str) -> Any:
            whole, _, member = name.partition(".")
            return values[whole][member] if member else values[whole]

        for result, name, *operands in self.steps:
            named = dict(o.split("=") for o in operands if "=" in o)
            plain = [value(o) for o in operands if "=" not in o]
            values[result] = call(name, plain, **{k: value(o) for k, o in named.items()})
        if isinstance(self.output, str):
            return values[self.output]
        if isinstance(self.output, Mapping):
            return {k: values[v] for k, v in self.output.items()}
        return tuple(values[v] for v in self.output)


def _drawn(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    drawn = rng.standard_normal(shape)
    if name == "count":
        return np.zeros(shape)
    if name == "variance":
        return 0.5 + np.abs(drawn)
    if name == "weight" and len(shape) == 1:  # of a normalisation
        return 1 + 0.2 * drawn
    return drawn / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.3 * drawn


def chain(first: str, *layers: str, last: str = "y") -> tuple[StepSpec, ...]:
    """Steps that call layers one after the other.

    Example:
        >>> chain("x", "hidden", "logits")
        (('hidden', 'hidden', 'x'), ('y', 'logits', 'hidden'))
    """
    results = [*layers[:-1], last]
    return tuple(zip(results, layers, [first, *results], strict=False))
