"""What stands between the two halves of a step: the caller's accessor and quantity, eagerly."""

from __future__ import annotations

from typing import NamedTuple

from trulens_core.backends import Backend, Gradients, StepArguments, Tap, Tensor
from trulens_core.passes import selection
from trulens_core.passes.selection import Shown
from trulens_core.quantities.base import QoI
from trulens_core.quantities.evaluation import evaluate
from trulens_core.slices import Cut
from trulens_core.steps.quantity_data import with_data


class Between(NamedTuple):
    """The quantities of k points × b records, of the values that the first half gave.

    Attributes:
        backend: of the values.
        qoi: the quantity.
        of: the target cut, as the caller has it.
        shown: what the values are the tensors of, if the accessor of `of` is still to be run on
            it; None where they are what the cut means.
    """

    backend: Backend
    qoi: QoI
    of: Cut
    shown: Shown | None

    def evaluated(self, values: list[Tensor], a: StepArguments, k: int) -> Gradients:
        """The quantities, each (k·b,), and their gradients by the values as they are.

        What is not floating is not differentiated.
        """
        backend = self.backend
        at = [i for i, t in enumerate(values) if backend.is_floating(t)]

        def run(tap: Tap) -> list[Tensor]:
            y = list(values)
            for i, t in zip(at, tap([values[i] for i in at]), strict=True):
                y[i] = t
            return self._of_points(y, a, k)

        got = backend.differentiate(run)
        places = {i: j for j, i in enumerate(at)}
        gradients = [
            [gs[places[i]] if i in places else None for i in range(len(values))]
            for gs in got.gradients
        ]
        return Gradients(got.quantities, got.activations, gradients)

    def _of_points(self, values: list[Tensor], a: StepArguments, k: int) -> list[Tensor]:
        backend, b = self.backend, _records(a)
        repeated = [backend.repeat(x, k) for x in a.per_record]
        rows = with_data(self.qoi, a._replace(per_record=repeated))
        if not backend.maps_points:
            return self._of_rows(values, rows, k * b)
        if self.shown is None:
            return self._of_rows([backend.merge_points(t) for t in values], rows, k * b)
        qoi = with_data(self.qoi, a)  # what has no row per record is each point's own
        found = backend.each_point(lambda y: self._of_rows(y, qoi, b), values)
        return [backend.merge_points(q) for q in found]

    def _of_rows(self, y: list[Tensor], qoi: QoI, rows: int) -> list[Tensor]:
        if self.shown is not None:
            y = selection.read(self.shown.rebuilt(y), self.of, self.backend)
            selection.check_rows(y, self.of, rows)
        qoi.validate([tuple(t.shape) for t in y])
        return evaluate(qoi, y, rows, self.backend)


def _records(a: StepArguments) -> int:
    return int(a.points[0].shape[1] if a.points else a.batched[0].shape[0])
