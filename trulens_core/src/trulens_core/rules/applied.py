"""Rules at work in one evaluation of a model."""

from __future__ import annotations

import dataclasses
import fnmatch
import warnings
from collections.abc import Callable, Sequence

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import TrulensWarning, UncoveredOperationError
from trulens_core.rules.operation import LEFT, MERGED, AtReference, Operation
from trulens_core.rules.parts import Splits
from trulens_core.rules.report import Entry, Report
from trulens_core.rules.rule import Rule
from trulens_core.rules.rule_set import RuleSet

_SIGMOIDS = frozenset({"sigmoid", "logistic"})
_EXACT = frozenset({"structural", "avg_pool"})
"""Kinds that are linear in what depends on the source, so that their derivative conserves."""

_AT_END = (
    "; a softmax that ends a model is left out: explain the scores before it, on Keras those of "
    "get_model_wrapper(model, replace_softmax=True)"
)


class Applied:
    """The rules of one evaluation, and what they were applied to.

    A backend hands every operation on values that depend on the source to `apply`, exactly once.

    Args:
        rules: which they are.
        backend: of the tensors.
        reference: what the operations were at the baseline, in order; None where nothing is
            compared.

    Attributes:
        recording: whether this is the evaluation at the baseline, which nothing is asked of but
            what the operations were.
        last: the entry of the operation that came last.
    """

    def __init__(
        self,
        rules: RuleSet,
        backend: Backend,
        reference: list[tuple[str, str, AtReference]] | None = None,
        recording: bool = False,
    ) -> None:
        self.rules: RuleSet = rules
        self.backend: Backend = backend
        self.recording: bool = recording
        self._entries: list[Entry] = []
        self._records: list[tuple[str, str, AtReference]] = []
        self._reference = reference
        self.last: Entry | None = None
        self._first_fired = False
        self._alone: list[str] = []
        self._gates: dict[int, Tensor] = {}  # held, so that no other tensor gets a number of theirs
        self._splits = Splits(backend)

    @property
    def merge(self) -> bool:
        """See `RuleSet`."""
        return self.rules.merge

    def compared(self) -> Applied:
        """The rules for the evaluation that follows this one, which was at the baseline."""
        return Applied(self.rules, self.backend, self._records)

    def stops(self, kind: str, layer: str) -> bool:
        """Whether nothing goes back through operations of a kind in a layer."""
        rule = self.rules.find(Operation(kind, _nothing, (), (), self.backend, layer=layer))
        return rule is not None and rule.stops

    def apply(self, op: Operation) -> Tensor:
        """The value of an operation, with the derivative of its rule."""
        gates = [i for i in op.active if id(op.operands[i]) in self._gates]
        y = self._applied(dataclasses.replace(op, gates=gates) if gates else op)
        sigmoid = op.kind == "pointwise" and op.name.lower() in _SIGMOIDS
        if sigmoid or (gates and op.name == LEFT):
            self._gates[id(y)] = y
        return y

    def _applied(self, op: Operation) -> Tensor:
        rule = self.rules.find(op)
        self._check_first(op, rule)
        if rule is None:
            return self._without(op)
        self._note("ruled", op, repr(rule))
        if not rule.compares:
            return rule(op)
        if self.recording:
            return self._recorded(op)
        op = self._with_reference(op)
        y = rule(op)
        self._splits.put(y, rule.parts(op, y))
        return y

    def seen(self, kind: str, name: str, layer: str, *, first: bool = False) -> None:
        """Count an operation that is linear, and is run as it is.

        One that does more than move the entries of the source's own value is its `first`.
        """
        if first:
            self._check_first(
                Operation(kind, _nothing, (), (), self.backend, None, None, name, layer, True), None
            )
        self.last = Entry("exact", kind, name, layer)
        self._entries.append(self.last)

    def moved(self, x: Tensor, y: Tensor, step: Callable[[Tensor], Tensor]) -> None:
        """Tell that `y` is `x` after a linear step that only moves, scales or sums entries.

        Backends tell it of what they count by `seen`, where it is of one tensor.
        """
        self._splits.moved(x, y, step)

    def left(self, layers: Sequence[str]) -> None:
        """Tell of normalisations that should be merged and are not, by their layers."""
        self._alone += layers

    def report(self) -> Report:
        """What the rules were applied to."""
        return Report(tuple(self._entries))

    def finish(self) -> Report:
        """End the evaluation.

        Raises:
            UncoveredOperationError: where a rule for the source's own value met no operation, or
                the model ran otherwise at the baseline.
        """
        if self._reference is not None and len(self._records) != len(self._reference):
            raise self._otherwise()
        if self.rules.relevance and not self._first_fired:
            raise UncoveredOperationError(
                f"no operation took the source's value by one of first={list(self.rules.first)!r}; "
                "name the kind of the operation that does"
            )
        if self.merge:
            self._say_what_is_alone()
        return self.report()

    def unmatched(self) -> list[str]:
        """The selectors of layers that no operation is of, by their patterns."""
        layers = {e.layer for e in self._entries}
        return [p for p in self.rules.patterns() if not fnmatch.filter(layers, p)]

    # -- inside ------------------------------------------------------------------------------

    def _say_what_is_alone(self) -> None:
        if not self._alone and any(e.name.endswith(MERGED) for e in self._entries):
            return
        layers = list(dict.fromkeys(self._alone))
        which = f" ({', '.join(layers[:4])}{', …' if layers[4:] else ''})" if layers else ""
        found = f"left {len(self._alone)} normalisations by themselves{which}"
        warnings.warn(
            f"merge=True {found if layers else 'found no batch normalisation'}: it merges one with "
            "the convolution or linear operation right before it, whose only reader it is, where "
            "its scale is seen to be made by a square root; the others have a rule of their own",
            TrulensWarning,
            stacklevel=2,
        )

    def _note(self, outcome: str, op: Operation, rule: str = "") -> None:
        self.last = Entry(outcome, op.kind, op.name, op.layer, rule)  # type: ignore[arg-type]
        self._entries.append(self.last)

    def _without(self, op: Operation) -> Tensor:
        if op.kind in _EXACT:
            self._note("exact", op)
            y = op()
            self.moved(op.x, y, lambda t: op(x=t))
            return y
        self._note("missed", op)
        if self.rules.uncovered == "error":
            raise UncoveredOperationError(
                f"no rule for {op.where}; give it one, or accept its derivative with "
                "uncovered='gradient'" + (_AT_END if op.kind == "softmax" else "")
            )
        return op()

    def _check_first(self, op: Operation, rule: Rule | None) -> None:
        if not (op.first and self.rules.relevance):
            return
        if rule is None or not rule.relevance:
            raise UncoveredOperationError(
                f"{op.where} takes the source's value, for which first= has no rule: what it "
                "passed back could not be added to relevance"
            )
        self._first_fired = True

    def _recorded(self, op: Operation) -> Tensor:
        sg, y = self.backend.stop_gradient, op()
        held = AtReference([sg(op.operands[i]) for i in op.active], sg(y))
        self._records.append((op.kind, op.name, held))
        return y

    def _with_reference(self, op: Operation) -> Operation:
        known, i = self._reference, len(self._records)
        if known is None:
            raise UncoveredOperationError(f"a rule compares {op.where} with no baseline")
        if i >= len(known) or known[i][:2] != (op.kind, op.name):
            raise self._otherwise()
        found = known[i][2]
        shapes = [tuple(op.operands[i].shape) for i in op.active]
        if shapes != [tuple(t.shape) for t in found.operands]:
            raise self._otherwise()
        self._records.append(known[i])
        parts = self._splits.of(op.x) if len(op.active) == 1 else None
        return dataclasses.replace(op, reference=found, parts=parts)

    @staticmethod
    def _otherwise() -> UncoveredOperationError:
        return UncoveredOperationError(
            "the model ran otherwise at the baseline than at the records, so that their operations "
            "cannot be compared: what it runs depends on values"
        )


def _nothing() -> None:
    """What is never called: an operation that is only asked for its rule."""
