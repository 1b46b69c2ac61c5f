"""A model put right for explaining, and put back exactly as it was."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import torch
from torch import nn

from trulens_core.errors import UnsupportedModelError
from trulens_torch import state, switches
from trulens_torch.undo import Undo


class _Claims:
    """Which modules are being explained, and by which threads.

    Hooks and flags are a module's own, and models may share modules (two heads on one encoder):
    so a thread waits until no other one is at any of its modules.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._freed = threading.Condition(self._lock)
        self._held: dict[object, tuple[int, frozenset[int]]] = {}

    def take(self, holder: object, modules: list[nn.Module]) -> None:
        """Wait until this thread may have all of the modules."""
        me, wanted = threading.get_ident(), frozenset(map(id, modules))
        with self._lock:
            while any(owner != me and wanted & held for owner, held in self._held.values()):
                self._freed.wait()
            self._held[holder] = me, wanted

    def release(self, holder: object) -> None:
        """Let others have them. Once too often does no harm."""
        with self._lock:
            self._held.pop(holder, None)
            self._freed.notify_all()


CLAIMS = _Claims()


@contextlib.contextmanager
def session(
    model: nn.Module, force_eval: bool, enter: Callable[[Undo], object] = id
) -> Iterator[None]:
    """The model in evaluation mode, its parameters frozen, and nothing else under way on it.

    Frozen parameters keep the graph small: autograd then saves no activations for weight
    gradients, and what comes before the cut has no graph at all. Everything is restored at the
    end, each step by itself, also after an interrupt.

    Args:
        model: the model.
        force_eval: whether its modules are put into evaluation mode.
        enter: what else is to be put right; it notes how that is put back.
    """
    survey = state.Survey.of(model)
    _check(type(model).__name__, survey)
    gpus = {p.device for p in survey.parameters if p.is_cuda}
    recurrent = bool(gpus) and any(isinstance(m, nn.RNNBase) for m in survey.modules)
    undo = Undo()
    undo.note(torch.set_grad_enabled, torch.is_grad_enabled())
    inference = torch.is_inference_mode_enabled()
    with torch.inference_mode(False) if inference else contextlib.nullcontext():
        try:
            torch.set_grad_enabled(True)
            undo.note(CLAIMS.release, undo)
            CLAIMS.take(undo, survey.modules)
            for switch in switches.needed(gpus, recurrent):
                undo.note(switch.release, undo)
                switch.take(undo)
            state.keep(survey, force_eval, undo)
            if force_eval:
                training = [m for m in survey.modules if m.training]
                undo.note(_set_training, training, True)
                _set_training(training, False)
            thawed = [p for p in survey.parameters if p.requires_grad]
            undo.note(_set_requires_grad, thawed, True)
            _set_requires_grad(thawed, False)
            enter(undo)
            yield
        finally:
            try:
                undo.run()
            finally:
                undo.run()


def _check(name: str, survey: state.Survey) -> None:
    """Raise, before anything is touched, for a model that cannot be explained or put back."""
    for t in (*survey.parameters, *(b for _, _, b in survey.buffers)):
        if nn.parameter.is_lazy(t):
            raise UnsupportedModelError(
                f"{name} has lazy layers without weights; call it once with data first"
            )
        if t.is_meta:
            raise UnsupportedModelError(
                f"{name} has weights on the meta device, which hold no values; load them first, "
                "for instance with model.to_empty(device='cpu') and model.load_state_dict(...)"
            )
    if any(p.is_inference() for p in survey.parameters):
        raise UnsupportedModelError(
            f"{name} was made under torch.inference_mode(), so that nothing can be differentiated "
            "through its parameters; make it, or copy.deepcopy it, outside"
        )


def _set_training(modules: list[nn.Module], value: bool) -> None:
    for m in modules:  # not model.eval(): the flags are per module, and train() may be overridden
        if "training" in vars(m) and not isinstance(m, torch.jit.ScriptModule):
            vars(m)["training"] = value  # as setattr does, after it has looked at everything else
        else:
            m.training = value


def _set_requires_grad(parameters: list[torch.Tensor], value: bool) -> None:
    for p in parameters:
        p.requires_grad_(value)
