"""What is called in the place of a caller's model, and what is known of it before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trulens_core.errors import UnsupportedModelError
from trulens_torch.function_model import FunctionModel, Given


def runner(model: Any, layers: Given | None) -> nn.Module:
    """What is called: the model, or a module that calls a function."""
    if isinstance(model, nn.Module):
        if layers is not None:
            raise TypeError("layers= names the modules of a function; an nn.Module tells its own")
        return model
    if isinstance(model, torch.export.ExportedProgram):
        raise UnsupportedModelError(
            "an ExportedProgram is no model yet: give program.module(), to explain inputs, or "
            "torch.export.unflatten(program), which has layers to cut at"
        )
    if isinstance(model, type) or not callable(model):
        raise UnsupportedModelError(
            f"a PyTorch model is an nn.Module or a function, found {type(model).__name__}"
            + ("; pass an instance of the class" if isinstance(model, type) else "")
        )
    return FunctionModel(model, layers)


def check_device(device: Any) -> None:
    """Raise, before the model is moved, for a device that cannot hold it."""
    try:
        found = torch.empty(0, device=device)
    except Exception as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {error}; name another, or leave device= out "
            "to keep the model where it is"
        ) from error
    if found.is_meta:
        raise ValueError(
            f"device={device!r} holds no values, and the model's weights would be lost; name a "
            "real one, or leave device= out to keep the model where it is"
        )


def parameters(called: Callable[..., Any]) -> tuple[str, ...]:
    """The names of its positional parameters."""
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):  # scripted
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in positional)
