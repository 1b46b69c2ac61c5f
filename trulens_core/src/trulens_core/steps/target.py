"""From a model's inputs to the value at the target cut, with the source cut tapped."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

from trulens_core.backends import Gradients, LoopTap, Tap, Tensor
from trulens_core.errors import (
    LayerNotReachedError,
    NotConnectedError,
    TrulensWarning,
    UncoveredOperationError,
    UnknownLayerError,
)
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel, selection
from trulens_core.passes.names import suggestions
from trulens_core.passes.selection import Whole
from trulens_core.rules import Applied, RuleSet
from trulens_core.slices import Cut
from trulens_core.steps.contraction import Contraction


class Given(NamedTuple):
    """What a pass of the model is given: inputs, and what replaces values at cuts."""

    inputs: ModelInputs
    replace: Mapping[Cut, Any]


class ModelPart:
    """What of a step is the model's: from its inputs to the value at the target cut.

    Args:
        model: it.
        wrt: the source cut.
        of: the target cut.
        replaced: the inner cut whose value is replaced, if any; for messages.
        spent: whether nobody reads again what is tapped, see `OverwritingTap`.
        rules: of the backward pass; None: derivatives.

    Attributes:
        order: where the source cut's tensors, in the cut's own order, stand among those tapped;
            known after an evaluation.
    """

    def __init__(
        self,
        model: CutModel,
        wrt: Cut,
        of: Cut,
        replaced: Cut | None,
        spent: bool = False,
        rules: RuleSet | None = None,
    ) -> None:
        self._model, self._wrt, self._of, self._replaced = model, wrt, of, replaced
        self._spent, self._rules = spent, rules
        self._kept: list[Tensor] | None = None
        self.order: list[int] = []

    def at_target(
        self, given: Given, tap: Tap, reference: Given | None = None
    ) -> tuple[list[Tensor], int | None]:
        """The tensors at the target cut, and how many rows they have where that is known.

        Args:
            given: what the model is evaluated for.
            tap: at the source cut.
            reference: what it is evaluated for at the baseline, for rules that compare.
        """
        model, wrt, of = self._model, self._wrt, self._of
        parts = wrt.parts()
        reached: list[tuple[int, int]] = []
        through = getattr(tap, "over", tap) if self._spent else tap
        if self._kept is not None:
            through = self._keeping(through)
        taps = {part: _Part(tap, through, i, reached) for i, part in enumerate(parts)}
        inputs = given.inputs
        if self._rules is None:
            found = model.values(inputs, replace=given.replace, tap=taps, want=of.parts())
        else:
            found = self._ruled(self._rules, given, taps, reference)
        if len(reached) != len(parts):
            raise LayerNotReachedError(
                f"the value at {wrt} was reached {len(reached)} times in one pass instead "
                f"of {len(parts)}"
            )
        self.order = _order(reached)
        y = [t for tensors in found for t in tensors]
        rows = inputs.rows_at_cut if model.rows is None else None
        if isinstance(of.accessor, Whole):  # of what the caller's accessor makes of it
            return y, rows
        selection.check_rows(y, of, rows)
        if rows is None:
            y = [model.backend.same_rows(t, inputs.first, of) for t in y]
        return y, rows

    def keep(self) -> list[Tensor]:
        """What is tapped from now on, in the order of tapping, as it is then.

        A layer may change in place what it is given, and that is then the tap's own value too.
        """
        self._kept = []
        return self._kept

    def _keeping(
        self, through: Callable[[list[Tensor]], list[Tensor]]
    ) -> Callable[[list[Tensor]], list[Tensor]]:
        kept, backend = self._kept, self._model.backend
        assert kept is not None
        kept.clear()  # of an evaluation before

        def keeping(z: list[Tensor]) -> list[Tensor]:
            kept.extend(backend.stop_gradient(backend.fresh(t)) for t in z)
            return through(z)

        return keeping

    def _ruled(
        self, rules: RuleSet, given: Given, tap: Mapping[Cut, Tap], reference: Given | None
    ) -> list[list[Tensor]]:
        """The values at the target cut by rules; where these compare, the baseline comes first."""
        model, want = self._model, self._of.parts()
        applied = Applied(rules, model.backend)
        if rules.compares:
            if reference is None:
                raise UncoveredOperationError(
                    "rules that compare with a baseline, as DeepLIFT's do, need a distribution "
                    "that has one, such as LinearDoi(baseline, 1)"
                )
            at_baseline = Applied(rules, model.backend, recording=True)
            marks: dict[Cut, Tap] = dict.fromkeys(self._wrt.parts(), list)
            inputs, replace = reference
            model.ruled(inputs, replace=replace, tap=marks, want=want, rules=at_baseline)
            applied = at_baseline.compared()
        found = model.ruled(given.inputs, replace=given.replace, tap=tap, want=want, rules=applied)
        report = applied.finish()
        if not report.entries and self._wrt != self._of:
            raise UncoveredOperationError(
                f"no operation was seen between {self._wrt} and {self._of}, so that the rules "
                "would change nothing; what the model runs there is not visible to them"
            )
        for pattern in applied.unmatched():
            self._check_pattern(pattern, {e.layer for e in report.entries if e.layer})
        rules.noted(report)
        return found

    def _check_pattern(self, pattern: str, seen: Collection[str]) -> None:
        """Raise where a rule is for layers that there are not; say where these do nothing."""
        names = [x.name for x in self._model.layers()]
        if not fnmatch.filter(names, pattern):
            near = suggestions(pattern, [*seen, *names])
            meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
            raise UnknownLayerError(
                f"a rule is for 'layer:{pattern}', and no layer has such a name{meant} An "
                "operation is of the innermost layer that runs it"
            )
        there = ", ".join(sorted(seen)[:8]) or "none"
        warnings.warn(
            f"the rule for 'layer:{pattern}' met no operation between {self._wrt} and {self._of}: "
            "an operation is of the innermost layer that runs it, so that those inside a layer "
            f"are '{pattern}.*' or '{pattern}/*'; the layers there are {there}",
            TrulensWarning,
            stacklevel=2,
        )

    def differentiated(
        self, run: Callable[[Tap], list[Tensor]], contraction: Contraction | None
    ) -> Gradients:
        """What `run` gives, and its gradients, contracted as they come."""
        backend = self._model.backend
        if contraction is None:
            return backend.differentiate(run)

        def each(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
            kept = self._kept or ()
            return contraction.of(gradients, self.order, backend, values=kept)

        return backend.differentiate_each(run, each)

    def like(
        self, got: Gradients, contraction: Contraction | None, leading: int = 0
    ) -> Sequence[Tensor]:
        """What has the shapes of the gradients, in the order of tapping; see `connected`."""
        if contraction is None or all(g is not None for gs in got.gradients for g in gs):
            return got.activations
        return [contraction.summed(z, self._model.backend, leading) for z in got.activations]

    def connected(
        self,
        gradients: Sequence[Sequence[Tensor | None]],
        like: Sequence[Tensor],
        of: Cut | None = None,
    ) -> list[list[Tensor]]:
        """The gradients in the cut's order, zeros where one tensor of several is unconnected.

        `like` has the shapes of the gradients, in the order of tapping as they are; `of` is the
        target cut as the caller has it, for messages.
        """
        if all([g is None for gs in gradients for g in gs]):
            given = f" once the value at {self._replaced} is given" if self._replaced else ""
            of = of or self._of
            raise NotConnectedError(
                f"the quantity at {of} does not depend on the value at {self._wrt}{given}; "
                "is the source cut after the target, or before the distribution's cut, does the "
                "quantity ignore the value it is given, or does the model stop gradients (detach, "
                "no_grad) in between, or round to integers, as layers of quantised activations do?"
            )
        zeros = self._model.backend.xp.zeros_like
        return [
            [zeros(like[i]) if gs[i] is None else gs[i] for i in self.order] for gs in gradients
        ]


def _order(reached: list[tuple[int, int]]) -> list[int]:
    """Where the tensors of each part of the cut, in the parts' order, stand among those reached."""
    starts, position = {}, 0
    for part, size in reached:
        starts[part] = range(position, position + size)
        position += size
    return [i for part in sorted(starts) for i in starts[part]]


class _Part:
    """The tap at one layer of a cut."""

    def __init__(
        self,
        tap: Tap,
        through: Callable[[list[Tensor]], list[Tensor]],
        index: int,
        reached: list[tuple[int, int]],
    ) -> None:
        self.tap, self._through, self._index, self._reached = tap, through, index, reached
        self._first = 0

    def __call__(self, z: list[Tensor], /) -> list[Tensor]:
        self._first = sum(size for _, size in self._reached)
        self._reached.append((self._index, len(z)))
        return self._through(z)

    def saw(self, z: list[Tensor], /, first: int = 0) -> None:
        """What the tensors were, told after a loop; see `LoopTap`."""
        cast(LoopTap, self.tap).saw(z, first + self._first)
