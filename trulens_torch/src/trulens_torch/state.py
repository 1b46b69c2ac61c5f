"""What modules hold, and what calling them may change."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from trulens_torch.undo import Undo


def tensors(modules: list[nn.Module]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The parameters and the buffers of modules, shared ones several times."""
    parameters: list[torch.Tensor] = []
    buffers: list[torch.Tensor] = []
    for module in modules:
        if isinstance(module, torch.jit.ScriptModule):
            parameters += module.parameters(recurse=False)
            buffers += module.buffers(recurse=False)
        else:
            parameters += [p for p in vars(module)["_parameters"].values() if p is not None]
            buffers += [b for b in vars(module)["_buffers"].values() if b is not None]
    return parameters, buffers


def keep(modules: list[nn.Module], force_eval: bool, undo: Undo) -> None:
    """The modules' buffers and tensor attributes will be what they are now.

    A forward pass may write them: running statistics, the state of a recurrent layer, a weight
    that is computed from others. Attributes that hold no tensors are the model's own business.

    Args:
        modules: all of a model.
        force_eval: whether they will be called in evaluation mode.
        undo: puts back.
    """
    plain = [m for m in modules if not isinstance(m, torch.jit.ScriptModule)]
    undo.note(_put_back_attributes, [(vars(m), dict(vars(m))) for m in plain])
    held: list[tuple[nn.Module, str, torch.Tensor, torch.Tensor | None]] = []
    for module in modules:
        written = _writes(module, force_eval)
        held += [(module, n, b, _copied(b) if written else None) for n, b in _buffers(module)]
    undo.note(_put_back_buffers, held)
    for module, name, buffer, _ in held:
        if buffer.is_inference():  # autograd refuses to save it
            setattr(module, name, buffer.clone())


def _writes(module: nn.Module, force_eval: bool) -> bool:
    """Whether calling it may write its buffers; torch's own layers do in training mode alone."""
    evaluated = force_eval or not module.training
    return not (evaluated and type(module).__module__.startswith("torch.nn.modules."))


def _buffers(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(module, torch.jit.ScriptModule):
        yield from module.named_buffers(recurse=False)
    else:
        yield from ((n, b) for n, b in vars(module)["_buffers"].items() if b is not None)


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
