"""What is shown the calls of a model's modules during one evaluation."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trulens_torch.undo import Undo
from trulens_torch.uses import Uses

Forward = Callable[..., Any]


class Watch(ABC):
    """What is shown the calls of modules before a cut.

    Attributes:
        reached: whether the cut was reached.
        uses: what after the cut uses values from before it; followed where that is asked for.
    """

    def __init__(self) -> None:
        self.reached = False
        self.uses = Uses()

    @property
    @abstractmethod
    def active(self) -> bool:
        """Whether calls are of interest just now."""

    @abstractmethod
    def called(
        self, module: nn.Module, forward: Forward, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """What the call gives; `forward(*args, **kwargs)` runs the module."""

    @abstractmethod
    def at_cut(self) -> None:
        """The cut is reached."""

    def following(self) -> contextlib.AbstractContextManager[object]:
        """The context of the evaluation."""
        return contextlib.nullcontext()


@contextlib.contextmanager
def shown(model: nn.Module, watch: Watch) -> Iterator[None]:
    """The calls of the model's modules by this thread are shown to `watch`.

    Their `forward` is wrapped, not hooked: hooks of the user's run before and after it as ever.
    """
    undo = Undo()
    try:
        for module in model.modules():
            if module is not model and not isinstance(module, torch.jit.ScriptModule):
                attributes = vars(module)
                undo.note(_put_back, attributes, attributes.get("forward"))
                attributes["forward"] = _wrapped(module, module.forward, watch)
        yield
    finally:
        try:
            undo.run()
        finally:
            undo.run()


def _wrapped(module: nn.Module, forward: Forward, watch: Watch) -> Forward:
    thread = threading.get_ident()

    def called(*args: Any, **kwargs: Any) -> Any:
        if not watch.active or threading.get_ident() != thread:
            return forward(*args, **kwargs)
        return watch.called(module, forward, args, kwargs)

    called.__wrapped__ = forward  # type: ignore[attr-defined]  # for inspect.signature
    return called


def _put_back(attributes: dict[str, Any], forward: Forward | None) -> None:
    if forward is None:
        attributes.pop("forward", None)
    else:
        attributes["forward"] = forward
