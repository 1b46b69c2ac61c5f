"""The gradient primitive of a framework that differentiates functions and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trulens_core.backends.protocol import Gradients, Tap, Tensor

if TYPE_CHECKING:
    from trulens_core.backends.backend import Backend

Pull = Callable[[Sequence[Tensor]], Sequence[Tensor | None]]
Vjp = Callable[..., tuple[Sequence[Tensor], Pull]]
"""`vjp(function, *primals)`: the outputs of `function(*primals)`, a list, and what pulls a list of
cotangents for them back to one for each primal."""


def differentiate_by_vjp(
    vjp: Vjp, run: Callable[[Tap], list[Tensor]], backend: Backend
) -> Gradients:
    """`Backend.differentiate` for a framework that has vector-Jacobian products of functions.

    What is differentiated is the model as a function of −0 that is added where the tap is. It is
    evaluated once to see the values there and once as that function; up to five times more for a
    tensor at which a gradient is zero everywhere, since such a framework does not tell zero from
    none: an output that stays as it is, whatever is added to the tensor, does not depend on it.

    Args:
        vjp: of a function of tensors that returns a list of them, as `jax.vjp` and
            `torch.func.vjp` are; pulling takes one list of cotangents.
        run: see `Backend.differentiate`.
        backend: of the tensors.

    Example:
        A backend of a framework with `vjp` has, for its `differentiate`:

            def differentiate(self, run):
                return differentiate_by_vjp(framework.vjp, run, self)
    """
    seen = _Adding([])
    run(seen)
    zeros = [backend.xp.full_like(z, -0.0) for z in seen.values if backend.is_floating(z)]

    def of(*added: Tensor) -> list[Tensor]:
        return run(_Adding(added, backend))

    outputs, pull = vjp(of, *zeros)
    quantities = list(outputs)
    gradients = [_pulled(pull, quantities, i, backend) for i in range(len(quantities))]
    known = _Connections(of, zeros, quantities, backend)
    found = [known.kept(i, gs) for i, gs in enumerate(gradients)]
    places = [i for i, z in enumerate(seen.values) if backend.is_floating(z)]
    rows = [dict(zip(places, gs, strict=True)) for gs in found]
    stop = backend.stop_gradient
    return Gradients(
        [stop(q) for q in quantities],
        [stop(z) for z in seen.values],
        [[row.get(i) for i in range(len(seen.values))] for row in rows],
    )


def _pulled(
    pull: Pull, outputs: Sequence[Tensor], i: int, backend: Backend
) -> Sequence[Tensor | None]:
    """The gradient of the sum of output i."""
    full = backend.xp.full_like
    return pull([full(y, 1.0 if j == i else 0.0) for j, y in enumerate(outputs)])


class _Adding:
    """A tap that adds tensors, in the order of reaching, to those that are floating."""

    def __init__(self, added: Sequence[Tensor], backend: Backend | None = None) -> None:
        self._added, self._backend = iter(added), backend
        self.values: list[Tensor] = []

    def __call__(self, z: list[Tensor], /) -> list[Tensor]:
        self.values += z
        if self._backend is None:
            return z
        floating = self._backend.is_floating
        return [t + next(self._added) if floating(t) else t for t in z]


class _Connections:
    """Which outputs depend on which tapped tensors, told by what changes when they do.

    An output depends on a tensor if it is another one, or no number, where something is added to
    it: nan, which goes through all but comparisons, and steps to both sides, which comparisons
    see. It is asked only where a gradient is zero everywhere. An output from which gradients were
    stopped depends on the value all the same: there the zeros stay, and are said as such.
    """

    PROBES = (float("nan"), 1.0, -1.0, 1e3, -1e3)

    def __init__(
        self,
        of: Callable[..., list[Tensor]],
        zeros: Sequence[Tensor],
        outputs: Sequence[Tensor],
        backend: Backend,
    ) -> None:
        self._of, self._zeros, self._backend = of, list(zeros), backend
        self._outputs = [backend.to_numpy(backend.stop_gradient(y)) for y in outputs]
        self._reached: dict[int, list[bool]] = {}

    def kept(self, i: int, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The gradients of output i, None where it does not depend on the tensor."""
        magnitude: Any = self._backend.magnitude
        return [
            g if g is not None and (magnitude(g) != 0 or self._reaches(j)[i]) else None
            for j, g in enumerate(gradients)
        ]

    def _reaches(self, j: int) -> list[bool]:
        """Of each output, whether it depends on tensor j."""
        if j not in self._reached:
            found = [False] * len(self._outputs)
            for probe in self.PROBES:
                if all(found):
                    break
                found = [a or b for a, b in zip(found, self._changed(j, probe), strict=True)]
            self._reached[j] = found
        return self._reached[j]

    def _changed(self, j: int, probe: float) -> list[bool]:
        full, backend = self._backend.xp.full_like, self._backend
        given = [full(z, probe) if j == k else z for k, z in enumerate(self._zeros)]
        with np.errstate(all="ignore"):
            now = [backend.to_numpy(backend.stop_gradient(y)) for y in self._of(*given)]
        pairs = zip(now, self._outputs, strict=True)
        return [not np.array_equal(a, b, equal_nan=True) for a, b in pairs]
