"""The conformance suite on PyTorch."""

import runpy
from pathlib import Path

import torch

from trulens_core.testing.conformance import Conformance, Harness
from trulens_core.testing.zoo import LAYERED

ZOO_TORCH = runpy.run_path(str(Path(__file__).with_name("zoo_torch.py")))  # tests are no package


class Torch(Harness):
    backend_name = "torch"
    layered = tuple(LAYERED)

    def build(self, architecture, dtype):
        return ZOO_TORCH["build"](architecture, dtype)

    def trained(self, model, factor):
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(factor)

    def elsewhere(self, x):
        return x.to("meta")

    def state(self, model):
        return {
            **{n: p.detach().numpy() for n, p in model.state_dict().items()},
            "gradients": [p.grad for p in model.parameters()],
            "trained": [p.requires_grad for p in model.parameters()],
            "modes": [m.training for m in model.modules()],
            "attributes": [sorted(vars(m)) for m in model.modules()],
            "hooks": [
                len(hooks)
                for m in model.modules()
                for hooks in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)
            ],
            "random": torch.get_rng_state().numpy(),
            "gradient mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
            "fast path": torch.backends.mha.get_fastpath_enabled(),
        }


class TestTorch(Torch, Conformance):
    pass
