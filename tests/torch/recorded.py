"""A stand-in for CUDA graphs that runs on the CPU: operations written down, and run again."""

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class Written(TorchDispatchMode):
    """Every operation, with the very tensors that it was given and gave."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        del types
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        # what changes shape in place later is the same memory
        given, named, kept = pytree.tree_map_only(
            torch.Tensor, torch.Tensor.detach, (args, kwargs, found)
        )
        self.operations.append((func, given, named, kept))
        return found


class Recorder:
    """As a graph does, it reads and writes the memory that it was recorded with, and no other."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def serves(self, t):
        return t.device.type == "cpu"

    def warm(self, run):
        return run()

    def record(self, run):
        with Written() as written:
            found = run()
        self.recorded += 1

        def replay():
            self.replayed += 1
            with torch.no_grad():
                for operation in written.operations:
                    again(*operation)

        return found, replay


def again(func, args, kwargs, found):
    """Run an operation, and put what it gives where it was."""
    held = {t.untyped_storage()._cdata for t in tensors((args, kwargs))}
    new = [t for t in tensors(found) if t.untyped_storage()._cdata not in held]
    if not new and not func._schema.is_mutable:
        return  # a view
    results = func(*args, **kwargs)
    if new:
        for old, result in zip(tensors(found), tensors(results), strict=True):
            old.copy_(result)


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [t for member in value for t in tensors(member)]
