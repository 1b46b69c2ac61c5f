"""Blocks of points without computing again what comes before their cut.

Of a group of records, the evaluation that gives the value at the cut is recorded, and replayed in
those that replace it. Results are the same as without. What a model can tell: modules before the
cut are called less often. Hooks of yours on a module that is left out run as ever, and one that
holds modules with hooks is never left out; global hooks see fewer calls; and what a module changes
outside the model (a file, a counter that is no attribute of it) is changed once per group.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

import torch
from torch import nn

from trulens_core.backends import Tap
from trulens_core.inputs import ModelInputs
from trulens_core.passes import Place
from trulens_core.slices import INPUT, OUTPUT, Cut
from trulens_torch.recording import Recording, hooked, hooked_inside
from trulens_torch.replay import Replay
from trulens_torch.tape import Repetition, Tape
from trulens_torch.undo import Undo
from trulens_torch.watch import Watch, shown

_KEPT = 64


@dataclasses.dataclass
class Group:
    """One group of records, as long as its evaluations last.

    Attributes:
        parts: the cut of the distribution, layer by layer.
        places: the same, by canonical names.
        records: how many records.
        inputs: the structure and shapes of their inputs.
        tape: what comes before the cut, once recorded.
        failures: how many replays went wrong.
    """

    parts: Collection[Cut]
    places: Collection[Place]
    records: int
    inputs: Hashable
    tape: Tape | None = None
    failures: int = 0

    def key(self, tape: Tape, k: int) -> Hashable:
        """What it depends on how calls repeat for k points."""
        return tuple(self.places), self.records, k, self.inputs, tape.signature()


class Prefix:
    """The part of a model before the cut of a distribution, computed once for a group of records.

    Nothing is recorded where nothing would be saved or where it could be wrong: for a cut at the
    input or at one of several calls of a layer, with layers in training mode, for DataParallel.

    Args:
        model: the model.
        wanted: whether anything is skipped at all.
        place: names a cut's layer.
    """

    def __init__(self, model: nn.Module, wanted: bool, place: Callable[[Cut], Place]) -> None:
        self._model, self._wanted, self._place = model, wanted, place
        self._known: OrderedDict[Hashable, Repetition] = OrderedDict()
        self._group: Group | None = None
        self._watch: Watch | None = None

    def open(self, inputs: ModelInputs, at: Cut, undo: Undo) -> None:
        """Begin a group of records, which `undo` ends; the caller holds the model's lock."""
        undo.note(self._close, self._group)
        self._group = self._of(inputs, at)

    def _close(self, around: Group | None) -> None:
        """End a group: its tape goes, and the group around it, if any, goes on."""
        self._group = around

    def _of(self, inputs: ModelInputs, at: Cut) -> Group | None:
        parts = at.parts()
        if not self._wanted or any(p.call is not None or p.name in (INPUT, OUTPUT) for p in parts):
            return None
        if any(m.training or isinstance(m, nn.DataParallel) for m in self._model.modules()):
            return None
        shapes = tuple(
            (leaf.name, leaf.role, leaf.value.shape, leaf.value.dtype)
            for leaf in inputs.leaves
            if isinstance(leaf.value, torch.Tensor)
        )
        return Group(parts, [self._place(p) for p in parts], inputs.n_records, shapes)

    @contextlib.contextmanager
    def watching(
        self,
        inputs: ModelInputs,
        replace: Mapping[Cut, list[torch.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> Iterator[None]:
        """One evaluation, with its hooks in place, that may record the group's tape or replay it.

        Recorded is the evaluation that gives the value at the cut, which is needed anyway.
        """
        group = self._group
        watch = self._chosen(group, inputs, replace, tap, want) if group is not None else None
        self._watch = watch
        if group is None or watch is None:
            yield
            return
        try:
            with shown(self._model, watch), watch.following():
                yield
        finally:  # also of a model that was cut short
            if isinstance(watch, Replay) and watch.prove():
                self._learn(group, watch.k)

    def _chosen(
        self,
        group: Group,
        inputs: ModelInputs,
        replace: Mapping[Cut, list[torch.Tensor]],
        tap: Mapping[Cut, Tap],
        want: Sequence[Cut],
    ) -> Watch | None:
        k, rest = divmod(inputs.n_records, group.records)
        if rest or group.failures > 1:
            return None
        if not replace and not tap and k == 1 and set(group.parts) <= set(want):
            group.tape = Tape()
            return Recording(group.tape, hooked_inside(self._model))
        return self._replay(group, k) if set(replace) == set(group.parts) else None

    def _replay(self, group: Group, k: int) -> Replay | None:
        tape = group.tape
        if tape is None or not tape.valid or tape.inside() & hooked(self._model):
            return None
        known = self._known.get(group.key(tape, k)) if k > 1 else None
        if known is not None:
            tape.repeat_as(known)
        return Replay(tape, k, group.records, proving=k > 1 and known is None)

    def _learn(self, group: Group, k: int) -> None:
        """Keep how the tape's calls repeat, if that is clear."""
        assert group.tape is not None
        found = group.tape.repetition()
        if found is not None:
            self._known[group.key(group.tape, k)] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    @contextlib.contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """While the value at `place` is looked at; the cut of the distribution ends the tape."""
        watch, group = self._watch, self._group
        if watch is None or group is None or place not in group.places:
            yield
            return
        watch.at_cut()
        with watch.uses.pause():
            yield

    def failed(self) -> bool:
        """Whether an evaluation that raised is worth another try: it had a tape, before the cut.

        After the cut it is not, for the points there may have been overwritten.

        The model may have changed a value in place that it did not change when it was recorded:
        from now on it gets copies, and if that does not help, the group does without a tape.
        """
        group, watch = self._group, self._watch
        if group is None or watch is None or watch.reached or group.tape is None:
            return False
        group.failures += 1 if isinstance(watch, Replay) and group.tape.valid else 2
        for made in group.tape.made():
            made.copied = True
        return True
