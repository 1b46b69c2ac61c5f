"""What modules hold besides their parameters, and what calling them may change."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trulens_torch.undo import Undo


def keep(modules: list[nn.Module], undo: Undo) -> None:
    """The modules' buffers and tensor attributes will be what they are now.

    A forward pass may write them: running statistics, the state of a recurrent layer, a weight
    that is computed from others. Attributes that hold no tensors are the model's own business.
    """
    for module in modules:
        _keep_buffers(module, undo)
        if not isinstance(module, torch.jit.ScriptModule):
            undo.note(_put_back_attributes, module, dict(vars(module)))


def _keep_buffers(module: nn.Module, undo: Undo) -> None:
    for name, buffer in list(module.named_buffers(recurse=False)):
        if buffer.is_inference():  # autograd refuses to save it
            undo.note(setattr, module, name, buffer)
            setattr(module, name, buffer.clone())
        elif buffer.is_floating_point() or buffer.ndim < 2:  # integer matrices: masks, packed
            copy = buffer.detach().clone()  # weights; large, and never written
            undo.note(_put_back_buffer, module, name, buffer, copy)


def _put_back_buffer(
    module: nn.Module, name: str, buffer: torch.Tensor, copy: torch.Tensor
) -> None:
    buffer.data.copy_(copy)  # by way of .data: a graph of the caller's may have saved the buffer
    if getattr(module, name, None) is not buffer:
        setattr(module, name, buffer)


def _put_back_attributes(module: nn.Module, before: dict[str, Any]) -> None:
    attributes = vars(module)
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
