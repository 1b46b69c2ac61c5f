"""One evaluation of a model, seen at its cuts: replace, tap, capture, in this order.

A backend runs its model and shows the pass every value at the places the pass asks for; what
happens there is the same on all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from trulens_core import values
from trulens_core.backends import LoopTap, Tap, Tensor
from trulens_core.errors import CalledSeveralTimesError, LayerNotReachedError
from trulens_core.inputs import ModelInputs
from trulens_core.slices import INPUT, OUTPUT, Anchor, Cut, InputCut

if TYPE_CHECKING:
    from trulens_core.models import ModelWrapper

Place = tuple[str, Anchor]
"""A layer's canonical name and the side of it."""


class Pass:
    """The state of one evaluation.

    Args:
        wrapper: names the layers and the backend.
        replace: tensors, records first, that take the place of the values at cuts.
        tap: at which cuts the value goes through a tap.
        want: the cuts whose values are wanted.

    All cuts are of one layer each. Example of a backend's `forward`:

        p = Pass(self, replace, tap, want)
        inputs = p.enter(inputs)
        output = run(inputs, at={place: p.at for place in p.places})
        return p.leave(output)
    """

    def __init__(
        self,
        wrapper: ModelWrapper,
        *,
        replace: Mapping[Cut, list[Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> None:
        self._wrapper = wrapper
        self._backend = wrapper.backend
        self._replace, self._tap, self._want = replace, tap, want
        self._rows: int | None = None
        self._cuts: dict[Place, list[Cut]] = {}
        for cut in dict.fromkeys((*replace, *tap, *want)):
            self._cuts.setdefault(wrapper.place(cut), []).append(cut)
        self._calls: Counter[Place] = Counter()
        self._seen: set[Cut] = set()
        self._captured: dict[Cut, list[Tensor]] = {}
        self._over = False

    @property
    def places(self) -> list[Place]:
        """The layers' sides that a backend shows to `at`."""
        return [p for p in self._cuts if p[0] not in (INPUT, OUTPUT)]

    @property
    def complete(self) -> bool:
        """Whether every cut was seen, so that the rest of the model need not run."""
        return all(c in self._seen for cuts in self._cuts.values() for c in cuts)

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
        fresh = self._backend.fresh
        is_tensor = self._backend.is_tensor
        self._rows = inputs.n_rows
        cuts = self._cuts.get((INPUT, "in"), [])
        changed: set[int] = set()
        for cut in cuts:
            assert isinstance(cut, InputCut)
            at = inputs.at(cut, self._backend, self._wrapper.parameters)
            now = [inputs.leaves[i].value for i in at]
            if cut in self._replace or cut in self._tap:
                changed |= set(at)
                inputs = inputs.with_values(at, self._changed(cut, now))
                now = [inputs.leaves[i].value for i in at]
            self._capture(cut, now)
            if cut in self._want:
                inputs = inputs.with_values(at, [fresh(t) for t in now])
            self._seen.add(cut)
        return inputs.with_values(
            rest := [
                i
                for i, leaf in enumerate(inputs.leaves)
                if i not in changed and is_tensor(leaf.value)
            ],
            [fresh(inputs.leaves[i].value) for i in rest],
        )

    def at(self, place: Place, value: Any) -> Any:
        """What goes on in place of `value`, seen at `place`.

        At anchor "in" a value is the pair of a layer's arguments and keyword arguments.
        """
        if self._over or place not in self._cuts:  # a recomputation during the backward pass
            return value
        call = self._calls[place]
        self._calls[place] += 1
        for cut in self._cuts[place]:
            if cut.call == call or (cut.call is None and call == 0):
                value = self._visit(cut, value)
        return value

    def at_loop(self, place: Place, value: Any) -> tuple[Any, Any, Callable[[Any], None]]:
        """The same as `at` for a value inside a loop whose rounds are not run one by one.

        Before the loop a value is known by shape alone: `value` holds placeholders for all
        rounds. Tensors that come back as they are stay; one that is replaced takes the place of
        the loop's own; one that is only tapped is zeros that carry a derivative.

        Returns:
            The value with its tensors replaced, the same with its tensors tapped too, and a
            function to call after the loop with what the value was.
        """
        call = self._calls[place]
        self._calls[place] += 1
        cuts = [c for c in self._cuts[place] if c.call == call or (c.call is None and not call)]
        self._seen.update(cuts)
        for cut in (c for c in cuts if c in self._replace):
            value = self._with(cut, value, self._replaced)
        replaced = value
        for cut in (c for c in cuts if c in self._tap):
            value = self._with(cut, value, self._tapped)

        def after(found: Any) -> None:
            for cut in cuts:
                if cut in self._tap:
                    now = values.select(found, cut, self._backend).tensors
                    cast(LoopTap, self._tap[cut]).saw(
                        [values.to_front(t, cut, self._backend) for t in now]
                    )
                if cut in self._want:
                    self._capture(cut, values.read(found, cut, self._backend))

        return replaced, value, after

    def leave(self, output: Any) -> list[list[Tensor]]:
        """End the pass at the model's whole output; the values at the wanted cuts."""
        self.at((OUTPUT, "out"), output)
        return self.stop()

    def stop(self) -> list[list[Tensor]]:
        """End the pass where it is; the values at the wanted cuts."""
        self._over = True
        for place, cuts in self._cuts.items():
            for cut in cuts:
                self._check_calls(cut, place)
        return [self._captured[cut] for cut in self._want]

    def _visit(self, cut: Cut, value: Any) -> Any:
        self._seen.add(cut)
        if cut in self._replace or cut in self._tap:
            value = self._with(cut, value, self._changed)
        if cut in self._want:
            self._capture(cut, values.read(value, cut, self._backend))
            value = self._protected(cut, value)
        return value

    def _with(
        self, cut: Cut, value: Any, change: Callable[[Cut, list[Tensor]], list[Tensor]]
    ) -> Any:
        """`value` with the tensors of a cut, records first, changed."""
        selection = values.select(value, cut, self._backend)
        now = [values.to_front(t, cut, self._backend) for t in selection.tensors]
        changed = change(cut, now)
        return selection.put([values.to_layer(t, cut, self._backend) for t in changed])

    def _changed(self, cut: Cut, now: list[Tensor]) -> list[Tensor]:
        if cut in self._replace:
            now = self._replaced(cut, now)
        if cut in self._tap:
            return self._tapped(cut, now)
        return [self._backend.fresh(t) for t in now]

    def _replaced(self, cut: Cut, now: list[Tensor]) -> list[Tensor]:
        return values.fitted(self._replace[cut], now, cut, self._backend)

    def _tapped(self, cut: Cut, now: list[Tensor]) -> list[Tensor]:
        values.check_differentiable(now, cut, self._backend, self._rows)
        return self._tap[cut](now)

    def _capture(self, cut: Cut, now: list[Tensor]) -> None:
        if cut in self._want:
            self._captured[cut] = now

    def _protected(self, cut: Cut, value: Any) -> Any:
        """`value` with copies of its tensors where what follows could change them in place."""
        if cut.name == OUTPUT:
            return value
        tree = self._backend.flatten(value)
        is_tensor, fresh = self._backend.is_tensor, self._backend.fresh
        return tree.unflatten([fresh(x) if is_tensor(x) else x for x in tree.leaves])

    def _check_calls(self, cut: Cut, place: Place) -> None:
        calls = self._calls[place]
        if cut.call is None and calls > 1:
            raise CalledSeveralTimesError(
                f"the layer of {cut} is called {calls} times in one pass; say which call is "
                f"meant, from {cut.name!r}, call=0 to call={calls - 1}"
            )
        if cut not in self._seen:
            raise LayerNotReachedError(self._wrapper.not_reached(cut, calls))
