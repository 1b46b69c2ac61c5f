"""What is evaluated again and again with other numbers, such that a framework may record it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from trulens_core.backends import Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import kind_of
from trulens_core.inputs.structure import STATIC
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut
from trulens_core.steps.quantity_data import with_tensors

_SIMPLE = (str, bytes, int, float, complex, bool, type(None))


@dataclasses.dataclass(frozen=True)
class Repeatable:
    """Inputs and a quantity, whose tensors are all that differs when they are evaluated again.

    Attributes:
        model: of which `repeated` is asked.
        inputs: those of b records.
        host: the quantity, for these.
        of: where it is read.
        k: how many points are evaluated for each record.
    """

    model: CutModel
    inputs: ModelInputs
    host: QoI
    of: Cut
    k: int

    @staticmethod
    def allows(
        model: CutModel, inputs: ModelInputs, qoi: QoI, cuts: Sequence[Cut], *others: Any
    ) -> bool:
        """Whether nothing of the caller's runs inside that a recording would leave out.

        No quantity of theirs, no accessor, no argument that is an object, and none of the `others`.
        """
        if not model.repeats():
            return False
        simple = [x.role != STATIC or isinstance(x.value, _SIMPLE) for x in inputs.leaves]
        allowed = (
            not qoi.custom
            and all([part.accessor is None for cut in cuts for part in cut.parts()])
            and all(simple)
            and all([x is None for x in others])
        )
        if not allowed:
            model.unrepeated(
                "a quantity or an accessor of the caller's, an argument that is an object, rules "
                "or contract= run something that a recording would leave out"
            )
        return allowed

    def __call__(
        self,
        key: Hashable,
        run: Callable[[ModelInputs, QoI, list[Tensor]], Any],
        more: Sequence[Tensor] = (),
    ) -> Any:
        """`run(inputs, quantity, more)`, recorded where that can be, or a recording of it repeated.

        Args:
            key: all that it depends on besides the inputs, the quantity, and `more`.
            run: evaluates tensors alone, in containers or not.
            more: other tensors.
        """
        inputs, qoi = self.inputs, with_tensors(self.host, self.inputs, self.model)
        shapes = shapes_at(self.of, inputs, self.k, self.model)
        if not shapes:
            return run(inputs, qoi, list(more))
        # on a GPU an index out of range ends the process's context: no recording looks at it
        self.host.validate(shapes)
        at = [i for i, x in enumerate(inputs.leaves) if x.role != STATIC]
        data = [d.value for d in qoi.data()]
        tensors = [*(inputs.leaves[i].value for i in at), *data, *more]
        here, there = len(at), len(at) + len(data)

        def rebuilt(new: list[Tensor]) -> Any:
            own = qoi.with_data(new[here:there]) if data else qoi
            return run(inputs.with_values(at, new[:here]), own, new[there:])

        wide = None if inputs.widening is None else inputs.widening.at.get(self.k)
        whole = key, inputs.split()[0].key(), inputs.points, wide, qoi.key(), here, there
        return self.model.repeated(whole, rebuilt, tensors)


def shapes_at(of: Cut, inputs: ModelInputs, k: int, model: CutModel) -> list[tuple[int, ...]]:
    """The shapes at the target for k points of these records, a list to be filled; empty before."""
    key = "shapes", of, kind_of(inputs), inputs.n_records, k
    found: list[tuple[int, ...]] = model.known(key, list)
    return found
