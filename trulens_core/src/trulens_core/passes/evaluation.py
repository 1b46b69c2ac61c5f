"""One evaluation of a model, seen at its cuts: replace, tap, capture, in this order.

A backend runs its model and shows the pass every value at the places the pass asks for; what
happens there is the same on all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, cast

from trulens_core.backends import LoopTap, Tap, Tensor
from trulens_core.errors import (
    BackendError,
    CalledSeveralTimesError,
    CutError,
    LayerNotReachedError,
)
from trulens_core.inputs import ModelInputs, opaque
from trulens_core.inputs.rows import kind_of
from trulens_core.passes import selection
from trulens_core.passes.model import CutModel
from trulens_core.passes.selection import Shown
from trulens_core.slices import INPUT, OUTPUT, Anchor, Cut, InputCut

Place = tuple[str, Anchor]
"""A layer's canonical name and the side of it."""

Replacement = list[Tensor] | Callable[[list[Tensor]], list[Tensor]]
"""The tensors that take the place of those at a cut, records first, or what makes them of these."""


class _Visit:
    """What is to happen at one cut, and what did.

    Attributes:
        cut: where.
        new: the tensors that take the place of the value, if any, or what makes them of it.
        tap: what the value goes through, if anything.
        wanted: whether it is captured.
        seen: whether the cut was reached.
        captured: the value there.
    """

    __slots__ = ("captured", "cut", "new", "seen", "tap", "wanted")

    def __init__(self, cut: Cut) -> None:
        self.cut, self.wanted, self.seen = cut, False, False
        self.new: Replacement | None = None
        self.tap: Tap | None = None
        self.captured: list[Tensor] = []

    @property
    def changes(self) -> bool:
        """Whether something else than the value goes on."""
        return self.new is not None or self.tap is not None


class Pass:
    """The state of one evaluation.

    Args:
        wrapper: names the layers and the backend.
        replace: what takes the place of the values at cuts; in a narrow pass, see
            `ModelInputs.points`, it has more rows than they have.
        tap: at which cuts the value goes through a tap.
        want: the cuts whose values are wanted.

    All cuts are of one layer each.

    Attributes:
        places: the layers' sides that a backend shows to `at`.
        cut_short: whether the backend ends the model as soon as the pass is complete.

    Laws: what was captured never changes, and capturing changes nothing: it is a copy where tensors
    can be changed in place, and the value itself goes on.

    Example of a backend's `forward`:

        p = Pass(self, replace, tap, want)
        inputs = p.enter(inputs)
        output = run(inputs, at={place: p.at for place in p.places})
        return p.leave(output)
    """

    def __init__(
        self,
        wrapper: CutModel,
        *,
        replace: Mapping[Cut, Replacement],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> None:
        self._wrapper = wrapper
        self._backend = wrapper.backend
        self._rows: int | None = None
        self._points = 1
        self._consumed = bool(tap)
        visits = {cut: _Visit(cut) for cut in (*replace, *tap, *want)}
        self._chooses = self._backend.traces and any([cut.accessor for cut in visits])
        for cut, tensors in replace.items():
            visits[cut].new = tensors
        for cut, at in tap.items():
            visits[cut].tap = at
        self._want = [visits[cut] for cut in want]
        self._visits: dict[Place, list[_Visit]] = {}
        for cut, visit in visits.items():
            self._visits.setdefault(wrapper.place(cut), []).append(visit)
        for visit in self._want:
            visit.wanted = True
        self._calls: dict[Place, int] = {}
        self._entered = self._over = False
        self._kind: Hashable = None
        self.cut_short = False
        self.places: list[Place] = [p for p in self._visits if p[0] not in (INPUT, OUTPUT)]

    @property
    def tapped(self) -> list[Place]:
        """The places where values go through a tap."""
        return [p for p, vs in self._visits.items() if any(v.tap is not None for v in vs)]

    @property
    def inside(self) -> bool:
        """Whether all that is looked at is inside the model, so that it may be cut short."""
        return bool(self.places) and (OUTPUT, "out") not in self._visits

    @property
    def complete(self) -> bool:
        """Whether every cut was seen, so that the rest of the model need not run."""
        return all([v.seen for visits in self._visits.values() for v in visits])

    @property
    def at_points(self) -> bool:
        """Whether more rows go on by now than the model was given, all for the points."""
        replaced = [v.seen for vs in self._visits.values() for v in vs if v.new is not None]
        return self._points > 1 and all(replaced)

    def changes(self, place: Place) -> bool:
        """Whether something else than the value goes on at a place."""
        return any([v.changes for v in self._visits[place]])

    @property
    def over(self) -> bool:
        """Whether the pass has ended: what is shown now belongs to no pass."""
        return self._over

    @property
    def calls(self) -> Mapping[Place, int]:
        """How often each place was shown."""
        return self._calls

    def enter(self, inputs: ModelInputs) -> ModelInputs:
        """The inputs to run the model with."""
        self._entered, backend = True, self._backend
        self._rows, self._points = inputs.rows_at_cut, inputs.points
        if self._wrapper.rows is not None:  # rows of records, of edges, or of what they own
            self._rows = None
        if self._chooses:
            self._kind = kind_of(inputs)
        held = opaque.copied(inputs.leaves, backend)
        changed: set[int] = set()
        for visit in self._visits.get((INPUT, "in"), ()):
            assert isinstance(visit.cut, InputCut)
            at = inputs.at(visit.cut, backend, self._wrapper.parameters)
            now = [held[i] for i in at]
            if visit.changes:
                now = self._changed(visit, now)
                changed.update(at)
                on = [backend.fresh(t) for t in now] if visit.wanted else now
                for i, value in zip(at, on, strict=True):
                    held[i] = value
            visit.captured, visit.seen = now, True
        for i, value in enumerate(held):
            if i not in changed and backend.is_tensor(value):
                held[i] = backend.fresh(value)
        return inputs.as_taken(held, backend)

    def at(self, place: Place, value: Any) -> Any:
        """What goes on in place of `value`, seen at `place`.

        At anchor "in" a value is the pair of a layer's arguments and keyword arguments.
        """
        if self._over or place not in self._visits:  # a recomputation during the backward pass
            return value
        for visit in self._called(place):
            value = self._visit(visit, value)
        return value

    def _called(self, place: Place) -> list[_Visit]:
        """The visits that this call of a place is."""
        call = self._calls.get(place, 0)
        self._calls[place] = call + 1
        return [v for v in self._visits[place] if (v.cut.call or 0) == call]

    def at_loop(self, place: Place, value: Any) -> tuple[Any, Any, Callable[[Any], None]]:
        """The same as `at` for a value inside a loop whose rounds are not run one by one.

        Before the loop a value is known by shape alone: `value` holds placeholders for all
        rounds. Tensors that come back as they are stay; one that is replaced takes the place of
        the loop's own; one that is only tapped is −0, which is added and carries a derivative.

        Returns:
            The value with its tensors replaced, the same with its tensors tapped too, and a
            function to call after the loop with what the value was.
        """
        visits = self._called(place)
        for visit in visits:
            visit.seen = True
            self._note(visit.cut, value)
            if visit.new is not None:
                value = self._with(visit, value, self._replaced)
        replaced = value
        for visit in visits:
            if visit.tap is not None:
                value = self._with(visit, value, self._tapped)
        return replaced, value, functools.partial(self._after_loop, visits)

    def _after_loop(self, visits: Sequence[_Visit], found: Any) -> None:
        for visit in visits:
            cut = visit.cut
            if visit.tap is not None:
                now = selection.select(found, cut, self._backend).tensors
                cast(LoopTap, visit.tap).saw(
                    [selection.to_front(t, cut, self._backend) for t in now]
                )
            if visit.wanted:
                visit.captured = selection.read(found, cut, self._backend)

    def leave(self, output: Any) -> list[list[Tensor]]:
        """End the pass at the model's whole output; the values at the wanted cuts."""
        self.at((OUTPUT, "out"), output)
        return self.stop()

    def stop(self) -> list[list[Tensor]]:
        """End the pass where it is; the values at the wanted cuts."""
        self._over = True
        if not self._entered:
            raise BackendError(
                f"forward of {type(self._wrapper).__name__} ends a pass that it did not begin: run "
                "the model with what `p.enter(inputs)` gives, and return `p.leave(output)`"
            )
        for place, visits in self._visits.items():
            for visit in visits:
                self._check_calls(visit, place)
        return [visit.captured for visit in self._want]

    def _visit(self, visit: _Visit, value: Any) -> Any:
        visit.seen = True
        self._note(visit.cut, value)
        if visit.changes:
            value = self._with(visit, value, self._changed)
        if visit.wanted:
            visit.captured = selection.read(value, visit.cut, self._backend)
            if not self._ends_at(visit.cut):
                visit.captured = [self._backend.fresh(t) for t in visit.captured]
        return value

    def _note(self, cut: Cut, value: Any) -> None:
        """Remember the structure of a value that an accessor chooses from, where it is traced.

        So the accessor can be asked again, at every call, which tensors it means.
        """
        if cut.accessor is not None and self._kind is not None:
            self._wrapper.shown(cut, self._kind, lambda: Shown.of(value, self._backend))

    def _ends_at(self, cut: Cut) -> bool:
        """Whether nothing can change the value at a cut before it is used, and that is at once."""
        last = cut.name == OUTPUT or (self.cut_short and self.complete and cut.anchor == "out")
        return last and self._consumed

    def _with(
        self, visit: _Visit, value: Any, change: Callable[[_Visit, list[Tensor]], list[Tensor]]
    ) -> Any:
        """`value` with the tensors of a cut, records first, changed."""
        cut, backend = visit.cut, self._backend
        chosen = selection.select(value, cut, backend)
        old = chosen.tensors
        new = change(visit, [selection.to_front(t, cut, backend) for t in old])
        new = [selection.to_layer(t, cut, backend) for t in new]
        return chosen.put([backend.laid_out(n, o) for n, o in zip(new, old, strict=True)])

    def _changed(self, visit: _Visit, now: list[Tensor]) -> list[Tensor]:
        if visit.new is not None:
            now = self._replaced(visit, now)
        if visit.tap is not None:
            return self._tapped(visit, now)
        return [self._backend.fresh(t) for t in now]

    def _replaced(self, visit: _Visit, now: list[Tensor]) -> list[Tensor]:
        new = visit.new(now) if callable(visit.new) else visit.new
        assert new is not None
        return selection.fitted(new, now, visit.cut, self._backend, self._points)

    def _tapped(self, visit: _Visit, now: list[Tensor]) -> list[Tensor]:
        assert visit.tap is not None
        selection.check_differentiable(now, visit.cut, self._backend, self._rows)
        return visit.tap(now)

    def _check_calls(self, visit: _Visit, place: Place) -> None:
        cut, calls = visit.cut, self._calls.get(place, 0)
        if cut.call is None and calls > 1:
            error = CalledSeveralTimesError(
                f"the layer of {cut} is called {calls} times in one pass; say which call is "
                f"meant, from {cut.name!r}, call=0 to call={calls - 1}, or call='all'"
            )
            error.calls = calls
            raise error
        if getattr(cut.call, "of", calls) != calls:
            raise CutError(
                f"the layer {cut.name!r} was called {getattr(cut.call, 'of', 0)} times when its "
                f"calls were counted, and {calls} times in this pass: call='all' is for layers "
                "that are called as often for all records; name the calls, call=[0, 1]"
            )
        if not visit.seen:
            raise LayerNotReachedError(self._wrapper.not_reached(cut, calls))
