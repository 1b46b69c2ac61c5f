"""Blocks of points, each evaluated in a way that is looked at before it is trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Gradients, Tensor, Want
from trulens_core.errors import CutError, InterventionError, TrulensError
from trulens_core.influence.questions import Question
from trulens_core.influence.rounding import Rounding, deviation, is_rounding, rounding
from trulens_core.influence.ways import NARROW, PROOFS, Refused, Verdict, Way
from trulens_core.inputs import ModelInputs
from trulens_core.passes.trace import Trace
from trulens_core.quantities import QoI
from trulens_core.steps.block import Block
from trulens_core.steps.contraction import Contraction

Over = Callable[[Block], Gradients]


class ProvedBlocks:
    """The gradients of a quantity over blocks of one group of records.

    Args:
        question: what is asked of a model.
        inputs: of the group's records.
        qoi: the quantity, for these records.
        want: what is wanted besides the gradients' sum.
        way: how blocks are evaluated, if that is right.
        verdict: what is known of that.
        contraction: what gradients are summed over as they come.

    Raises:
        Refused: when called, where the way is not right; the verdict then says so.
    """

    def __init__(  # noqa: PLR0913 - what blocks are evaluated from
        self,
        question: Question,
        inputs: ModelInputs,
        qoi: QoI,
        want: list[Want],
        way: Way,
        verdict: Verdict,
        contraction: Contraction | None = None,
    ) -> None:
        self._question, self._inputs, self._qoi = question, inputs, qoi
        self._want, self._way, self._verdict = want, way, verdict
        self._backend = question.wrapper.backend
        self._contraction = contraction
        self._trusted = self._over(want, way)
        self._sort = verdict.sort(way, inputs, self._backend)

    def _over(self, want: list[Want], way: Way) -> Over:
        q = self._question
        return q.wrapper.over_blocks(
            self._inputs,
            wrt=q.source,
            of=q.target,
            qoi=self._qoi,
            want=want,
            narrow=way in NARROW,
            contraction=self._contraction,
            rules=q.rules,
        )

    def __call__(self, block: Block, found: Callable[[], list[Tensor]] | None = None) -> Gradients:
        """The gradients over one block.

        Args:
            block: it.
            found: gives the points of a block that is to make them, once one of them was
                evaluated alone.
        """
        k, widening = len(block.weights), self._inputs.widening
        if self._backend.maps_points or self._verdict.proved(self._sort, k):
            return self._trusted(block)
        if widening is not None:
            widening.look(k)
        # not the middle of a line: less the rows' mean it is what it is alone. And not the first
        # point before another: its rows stand where those of the records would
        places = (k - 1) // 3 or k - 1, k - 1 if k > 3 else 0
        seen = self._verdict.proofs.get((self._sort, k), 0)
        told, got = self._looked_at(block, places[min(seen, 1)], found)
        if told and self._verdict.found_right(self._sort, k) >= PROOFS and widening is not None:
            widening.settle(k)
        return got

    # -- looking -----------------------------------------------------------------------------

    def _looked_at(
        self, block: Block, j: int, found: Callable[[], list[Tensor]] | None
    ) -> tuple[bool, Gradients]:
        """The gradients of a block, if point j in it is as it is alone.

        And whether that tells anything. Of a narrow pass nothing is known where there is no
        gradient, or numbers are not finite: the block is then evaluated without. The comparison
        is made all the same, since zeros alone may be others in a block of rows that see one
        another.
        """
        verdict = self._verdict
        alone, trace = self._alone(block, j)
        if trace.drew or (trace.wrote and (self._way in NARROW or found is not None)):
            verdict.random, verdict.narrows = trace.drew, False
            verdict.writes |= trace.wrote
            raise Refused
        if found is not None:
            block = block._replace(points=found(), made=None)
        kept = block.copied(self._backend)
        try:
            got = self._whole(block)
        except Exception as error:  # right alone, and whatever it is of the model's own
            if not self._takes_no_more(error):
                raise
            raise Refused from None
        told = alone.tells(self._backend) or self._way not in NARROW
        if not told:
            got = self._over(self._look, "full")(kept)
        if self._same(alone, self._inside(got, kept, j), kept, j):
            return told, self._as_wanted(got, block)
        if self._way in NARROW:
            raise Refused
        again, _ = self._alone(kept, j, aside=False)
        # one that gives other numbers each time tells nothing
        verdict.random = max(self._apart(alone, again)) > self._limits(alone).least
        verdict.mixes = not verdict.random
        raise Refused

    def _takes_no_more(self, error: Exception) -> bool:
        """Whether an error says that a model that evaluated one point has no place for several."""
        if isinstance(error, TrulensError):
            of_rows = isinstance(error, CutError | InterventionError)
        else:
            of_rows = isinstance(error, RuntimeError | ValueError | IndexError)
        if not of_rows or self._backend.is_out_of_memory(error):
            return False
        if self._way == "full":
            self._verdict.mixes, self._verdict.fixed = True, re.split("[;\\n]", str(error))[0]
        return True

    @property
    def _look(self) -> list[Want]:
        """What is wanted to be looked at. Another request would be traced anew."""
        if self._backend.traces:
            return self._want
        return [*{*self._want, "points", "quantities"}]

    def _whole(self, block: Block) -> Gradients:
        wrapper = self._question.wrapper
        with wrapper.careful() if self._way in NARROW else contextlib.nullcontext():
            return self._over(self._look, self._way)(block)

    def _alone(self, block: Block, j: int, aside: bool = True) -> tuple[_Point, Trace]:
        """What a point gives by itself, and what evaluating it did."""
        wrapper = self._question.wrapper
        one = block.alone(j, self._backend)
        over = self._over(self._look, "full")
        if not aside:
            return self._point(over(one), 0), Trace()
        with wrapper.aside(self._inputs, block.cut) as trace:
            found = self._point(over(one), 0)
        if trace.chose and not self._verdict.chooses:
            self._verdict.chooses = True
            self._sort = self._verdict.sort(self._way, self._inputs, self._backend)
        return found, trace

    def _inside(self, got: Gradients, block: Block, j: int) -> _Point:
        """What the same point gives in a block that gave `got`."""
        if "points" in self._look:
            return self._point(got, j)
        weights = np.zeros_like(block.weights)
        weights[j] = 1
        return self._point(self._trusted(block._replace(weights=weights)), j)

    def _point(self, got: Gradients, j: int) -> _Point:
        gradients: list[Any] = [g for gs in got.gradients for g in gs]
        if "points" in self._look:
            gradients = [g[j] for g in gradients]
        sizes = [float(np.max(np.abs(self._backend.to_numpy(q)))) for q in got.quantities]
        return _Point([q[j] for q in got.quantities], gradients, max(sizes, default=0.0))

    def _as_wanted(self, got: Gradients, block: Block) -> Gradients:
        """What was evaluated for a look, as it would have been given without."""
        if self._look is self._want:
            return got
        gradients: list[list[Any]] = [list(gs) for gs in got.gradients]
        if "points" not in self._want:
            w = self._backend.from_numpy(block.weights)
            gradients = [[self._backend.weighted_sum(g, w) for g in gs] for gs in gradients]
        quantities = got.quantities if "quantities" in self._want else []
        return Gradients(quantities, got.activations, gradients)

    # -- comparing ---------------------------------------------------------------------------

    def _apart(self, alone: _Point, inside: _Point) -> tuple[float, float]:
        """How far quantities and gradients are apart."""
        size = inside.size
        return (
            deviation(inside.quantities, alone.quantities, self._backend, size),
            deviation(inside.gradients, alone.gradients, self._backend),
        )

    def _same(self, alone: _Point, inside: _Point, block: Block, j: int) -> bool:
        limits = self._limits(alone)
        off = self._apart(alone, inside)
        told = is_rounding(off, None, limits)
        if told is None:
            told = is_rounding(off, self._noise(inside, block, j), limits)
        return bool(told)

    def _limits(self, point: _Point) -> Rounding:
        of = point.gradients or point.quantities
        return rounding(of[0], self._question.wrapper.like())

    def _noise(self, inside: _Point, block: Block, j: int) -> tuple[float, float]:
        """How far a point's numbers depend on where in the block its rows stand."""
        turned, place = block.turned(self._backend), len(block.weights) - 1 - j
        return self._apart(inside, self._inside(self._whole(turned), turned, place))


@dataclasses.dataclass(frozen=True)
class _Point:
    """What one point gives, for b records.

    Attributes:
        quantities: (b,) each, where they are known.
        gradients: (b, …) each.
        size: the largest quantity of the block.
    """

    quantities: list[Tensor]
    gradients: list[Tensor]
    size: float

    def tells(self, backend: Backend) -> bool:
        """Whether something can be told from it: it is finite, and some gradient is not zero.

        Without gradients, some quantity.
        """
        arrays = [backend.to_numpy(t) for t in (*self.quantities, *self.gradients)]
        telling = arrays[len(self.quantities) :] or arrays
        return all(np.isfinite(a).all() for a in arrays) and any(a.any() for a in telling)
