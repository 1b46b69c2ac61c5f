"""What modules hold, and what calling them may change."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from trulens_torch.undo import Undo


class Survey(NamedTuple):
    """What the modules of a model hold.

    Attributes:
        modules: all of them, each once.
        attributes: what those hold that are not scripted, by name.
        parameters: theirs, shared ones several times.
        buffers: module, name and buffer, likewise.
    """

    modules: list[nn.Module]
    attributes: list[dict[str, Any]]
    parameters: list[torch.Tensor]
    buffers: list[tuple[nn.Module, str, torch.Tensor]]

    @classmethod
    def of(cls, model: nn.Module) -> Survey:
        """Look through a model. By hand: torch's own generators cost more than a small model."""
        modules: dict[nn.Module, None] = {model: None}
        left = [model]
        attributes: list[dict[str, Any]] = []
        parameters: list[torch.Tensor] = []
        buffers: list[tuple[nn.Module, str, torch.Tensor]] = []
        while left:
            module = left.pop()
            if isinstance(module, torch.jit.ScriptModule):
                parameters += module.parameters(recurse=False)
                buffers += [(module, n, b) for n, b in module.named_buffers(recurse=False)]
                children: Mapping[str, nn.Module | None] = dict(module.named_children())
            else:
                held = vars(module)
                attributes.append(held)
                children = held["_modules"]
                if held["_parameters"]:
                    parameters += [p for p in held["_parameters"].values() if p is not None]
                if held["_buffers"]:
                    buffers += [
                        (module, n, b) for n, b in held["_buffers"].items() if b is not None
                    ]
            for child in children.values():
                if child is not None and child not in modules:
                    modules[child] = None
                    left.append(child)
        return cls(list(modules), attributes, parameters, buffers)


def keep(survey: Survey, force_eval: bool, undo: Undo) -> None:
    """The modules' buffers and tensor attributes will be what they are now.

    A forward pass may write them: running statistics, the state of a recurrent layer, a weight
    that is computed from others. Attributes that hold no tensors are the model's own business.

    Args:
        survey: of a model.
        force_eval: whether its modules will be called in evaluation mode.
        undo: puts back.
    """
    undo.note(_put_back_attributes, [(held, held.copy()) for held in survey.attributes])
    if not survey.buffers:
        return
    held = [(m, n, b, _copied(b) if _writes(m, force_eval) else None) for m, n, b in survey.buffers]
    undo.note(_put_back_buffers, held)
    for module, name, buffer, _ in held:
        if buffer.is_inference():  # autograd refuses to save it
            setattr(module, name, buffer.clone())


def _writes(module: nn.Module, force_eval: bool) -> bool:
    """Whether calling it may write its buffers; torch's own layers do in training mode alone."""
    evaluated = force_eval or not module.training
    return not (evaluated and type(module).__module__.startswith("torch.nn.modules."))


def _copied(buffer: torch.Tensor) -> torch.Tensor | None:
    """A copy, but for integer matrices: masks and packed weights, large and never written."""
    copied = buffer.is_floating_point() or buffer.ndim < 2
    return buffer.detach().clone() if copied and not buffer.is_inference() else None


def _put_back_buffers(
    held: list[tuple[nn.Module, str, torch.Tensor, torch.Tensor | None]],
) -> None:
    for module, name, buffer, copy in held:
        if copy is not None:
            buffer.data.copy_(copy)  # by way of .data: a graph of the caller's may have saved it
        if getattr(module, name, None) is not buffer:
            setattr(module, name, buffer)


def _put_back_attributes(held: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for attributes, before in held:
        same = all(map(operator.is_, attributes.values(), before.values()))
        if same and len(attributes) == len(before):
            continue
        for name, value in list(attributes.items()):
            old = before.get(name)
            if value is old or not (_holds_tensors(value) or _holds_tensors(old)):
                continue
            if name in before:
                attributes[name] = old
            else:
                del attributes[name]


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(isinstance(x, torch.Tensor) for x in value)
    return isinstance(value, torch.Tensor)
