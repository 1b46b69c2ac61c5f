"""All that a call must leave as it was, also where it raises: of a model, and of torch."""

import random
import sys

import numpy as np
import pytest
import torch


def of(model):
    """Everything about a model and about the process, comparable with ==."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {
        "tensors": {n: (id(t), t.requires_grad, frozen(t), frozen(t.grad)) for n, t in tensors},
        "modules": {n: of_module(m) for n, m in model.named_modules()},
        "process": of_process(),
    }


def frozen(tensor):
    if tensor is None:
        return None
    whole = tensor.detach().reshape(-1).contiguous().view(torch.uint8)
    return tensor.dtype, tensor.device, tuple(tensor.shape), bytes(whole.tolist())


def of_module(module):
    attributes = vars(module)
    held = {k: id(v) for k, v in attributes.items() if not isinstance(v, bool)}
    flags = {k: v for k, v in attributes.items() if isinstance(v, bool)}
    hooks = {k: list(v) for k, v in attributes.items() if isinstance(v, dict) and "hook" in k}
    return held, flags, hooks


def of_process():
    """Switches, modes and random generators."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    numpys = np.random.get_state(legacy=False)  # noqa: NPY002 - the global one
    return {
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "cuDNN": torch.backends.cudnn.enabled,
        "stance": dynamo and dynamo._stance.stance,
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "torch's generator": bytes(torch.get_rng_state().tolist()),
        "NumPy's generator": repr(numpys),
        "Python's generator": random.getstate(),
    }


def says(model, call, error, message):
    """`call(model)` raises; the model and the process are as they were."""
    before = of(model)
    with pytest.raises(error, match=message):
        call(model)
    assert of(model) == before


def cases(table):
    """A test for every `(call, error, message)` of a table, by name."""
    return pytest.mark.parametrize(("call", "error", "message"), table.values(), ids=table.keys())
