"""A model put right for explaining, and put back exactly as it was."""

from __future__ import annotations

import contextlib
import itertools
import operator
import threading
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from trulens_core.errors import UnsupportedModelError
from trulens_core.passes.trace import Trace
from trulens_torch import half, state, switches
from trulens_torch.revisions import Written
from trulens_torch.survey import Held, Survey
from trulens_torch.undo import Undo
from trulens_torch.watching import ChosenPlaces


class _Claims:
    """Which modules are being explained, and by which threads.

    Hooks and flags are a module's own, and models may share modules (two heads on one encoder):
    so a thread waits until no other one is at any of its modules.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._freed = threading.Condition(self._lock)
        self._held: dict[object, tuple[int, frozenset[int]]] = {}
        self._waiting = 0
        self.turns: int = 0

    def take(self, holder: object, wanted: frozenset[int], since: int) -> bool:
        """Wait until this thread may have all of the modules; whether any was let go meanwhile.

        The modules are `wanted` by their identities. `since` is what `turns` was before they were
        looked at: one that another thread had then, and has let go by now, was seen as that thread
        had put it.
        """
        me = threading.get_ident()
        with self._lock:
            while self._held and any(o != me and wanted & held for o, held in self._held.values()):
                self._waiting += 1
                try:
                    self._freed.wait()
                finally:
                    self._waiting -= 1
            self._held[holder] = me, wanted
            return self.turns != since

    def release(self, holder: object) -> None:
        """Let others have them. Once too often does no harm."""
        with self._lock:
            self._held.pop(holder, None)
            self.turns += 1
            if self._waiting:
                self._freed.notify_all()


CLAIMS = _Claims()

_DEVICE = operator.attrgetter("device")
_REQUIRES_GRAD = operator.attrgetter("requires_grad")


Enter = Callable[[Undo, Survey], object]


def _nothing(undo: Undo, survey: Survey) -> None:
    """Nothing else is to be put right."""


def session(
    model: nn.Module,
    force_eval: bool,
    enter: Enter = _nothing,
    known: Survey | None = None,
    differentiable: bool = False,
) -> contextlib.AbstractContextManager[None]:
    """The model in evaluation mode, its parameters frozen, and nothing else under way on it.

    Frozen parameters keep the graph small: autograd then saves no activations for weight
    gradients, and what comes before the cut has no graph at all. Everything is restored at the
    end, each step by itself, also after an interrupt.

    Args:
        model: the model.
        force_eval: whether its modules are put into evaluation mode.
        enter: what else is to be put right, given a survey of the model; it notes how that is put
            back.
        known: a survey of before; it is not made again where it still holds.
        differentiable: whether what is computed is differentiated again, also by its weights,
            which are not frozen then.
    """
    held = _Session(model, force_eval, enter, known, differentiable)
    return _outside_inference(held) if torch.is_inference_mode_enabled() else held


@contextlib.contextmanager
def _outside_inference(held: _Session) -> Iterator[None]:
    with torch.inference_mode(False), held:
        yield


class _Session:
    """See `session`. A class, since a generator's context takes several times as long."""

    __slots__ = ("_differentiable", "_empty", "_enter", "_force_eval", "_known", "_model", "_undo")

    def __init__(
        self,
        model: nn.Module,
        force_eval: bool,
        enter: Enter,
        known: Survey | None,
        differentiable: bool,
    ) -> None:
        self._known = known
        self._model, self._force_eval, self._enter = model, force_eval, enter
        self._differentiable = differentiable
        self._undo = Undo()
        self._empty: str | None = None

    def __enter__(self) -> None:
        try:
            self._put_right()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *raised: object) -> None:
        if self._empty and len(raised) > 1 and isinstance(raised[1], Exception):
            raised[1].add_note(self._empty)
        try:
            self._undo.run()
        finally:
            self._undo.run()

    def __del__(self) -> None:
        self._undo.run()  # an interrupt may have come between the end of the block and `__exit__`

    def _put_right(self) -> None:
        undo, turns = self._undo, CLAIMS.turns
        survey = Survey.again(self._model, self._known)
        gpus, self._empty = _checked(self._model, survey)
        recurrent = bool(gpus) and any(isinstance(m, nn.RNNBase) for m in survey.modules)
        undo.note(_set_grad_enabled, torch.is_grad_enabled())
        _set_grad_enabled(True)
        undo.note(CLAIMS.release, undo)
        # what others' forward put there is gone again
        if CLAIMS.take(undo, survey.identities, turns):
            survey = Survey.again(self._model, self._known)
        survey.remember()
        for switch in switches.needed(gpus, recurrent, self._differentiable):
            undo.note(switch.release, undo)
            switch.take(undo)
        state.keep(survey, self._force_eval, undo)
        if self._force_eval and survey.training:
            undo.note(_set_training, survey.training, True)
            _set_training(survey.training, False)
        if not self._differentiable:
            flags = list(map(_REQUIRES_GRAD, survey.parameters))
            undo.note(_set_requires_grad, survey.parameters, flags)
            for p in itertools.compress(survey.parameters, flags):
                p.requires_grad = False
        self._enter(undo, survey)


@contextlib.contextmanager
def aside(
    model: nn.Module, force_eval: bool, known: Survey | None = None, inside: bool = False
) -> Iterator[Trace]:
    """Inside a session, evaluations that leave nothing behind, and what they did.

    Args:
        model: the model.
        force_eval: whether its modules are in evaluation mode.
        known: a survey of before; it is not made again where it still holds.
        inside: whether they are of a cut inside the model, so that operations are looked at, too.
    """
    undo, survey, trace = Undo(), Survey.again(model, known), Trace()
    chosen = ChosenPlaces()
    gpus = {t.device for t in _tensors(survey) if t.is_cuda}
    random, before = switches.Random(gpus), Written(survey)
    try:
        undo.note(random.put_back)
        state.keep(survey, force_eval, undo, quiet=True)
        with half.looked_at(), chosen if inside else contextlib.nullcontext():
            yield trace
        trace.drew, trace.wrote, trace.chose = random.changed(), before.changed(), chosen.found
    finally:
        try:
            undo.run()
        finally:
            undo.run()


def _checked(model: nn.Module, survey: Survey) -> tuple[set[torch.device], str | None]:
    """The GPUs that hold tensors, and what to say of an error if some hold no values.

    Raises, before anything is touched, for a model that cannot be explained or put back.
    """
    name = type(model).__name__
    held = survey.kept.get("tensors")
    if held is None:
        held = _tensors(survey)
        for t in held:
            if is_lazy(t) or (isinstance(t, nn.Parameter) and t.is_inference()):
                raise _unusable(name, t)
        survey.kept["tensors"] = held
    devices = set(map(_DEVICE, held))
    gpus = {d for d in devices if d.type == "cuda"}
    empty = any([d.type == "meta" for d in devices])
    return gpus, _offloaded(name, survey, held) if empty else None


def _tensors(survey: Survey) -> list[torch.Tensor]:
    return [*survey.parameters, *[b for _, _, b in survey.buffers]]


def _offloaded(name: str, survey: Survey, held: list[torch.Tensor]) -> str:
    """What to say of an error of a model whose hooks load its weights; raises without such."""
    loaded, empty = _loaded(survey.held), [t for t in held if t.is_meta]
    for t in empty:
        if id(t) not in loaded:
            raise _unusable(name, t)
    return f"{_unusable(name, empty[0])}. Its hooks were expected to load them."


def _loaded(modules: list[Held]) -> set[int]:
    """The tensors that a module's hooks may load when it is called, as those of accelerate do.

    They are of the module itself or inside it.
    """
    found: set[int] = set()
    for held in modules:
        own = held.attributes
        if "_hf_hook" in own or "forward" in own or own["_forward_pre_hooks"]:
            found.update(map(id, held.module.parameters()))
            found.update(map(id, held.module.buffers()))
    return found


def _unusable(name: str, weights: torch.Tensor) -> UnsupportedModelError:
    if is_lazy(weights):
        return UnsupportedModelError(
            f"{name} has lazy layers without weights; call it once with data first"
        )
    if weights.is_meta:
        return UnsupportedModelError(
            f"{name} has weights on the meta device, which hold no values; load them first, "
            "for instance with model.to_empty(device='cpu') and model.load_state_dict(...)"
        )
    return UnsupportedModelError(
        f"{name} was made under torch.inference_mode(), so that nothing can be differentiated "
        "through its parameters; make it, or copy.deepcopy it, outside"
    )


def _set_grad_enabled(value: bool) -> None:
    if torch.is_grad_enabled() != value:
        torch.set_grad_enabled(value)


def _set_training(modules: list[nn.Module], value: bool) -> None:
    for m in modules:  # not model.eval(): the flags are per module, and train() may be overridden
        if "training" in vars(m) and not isinstance(m, torch.jit.ScriptModule):
            vars(m)["training"] = value  # as setattr does, after it has looked at everything else
        else:
            m.training = value


def _set_requires_grad(parameters: list[torch.Tensor], flags: list[bool]) -> None:
    if list(map(_REQUIRES_GRAD, parameters)) != flags:
        for p, value in zip(parameters, flags, strict=True):
            if p.requires_grad != value:
                p.requires_grad = value
