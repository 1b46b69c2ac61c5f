"""The entry point: tells what is PyTorch's without importing torch."""

from __future__ import annotations

from trulens_core.plugins import BackendDescription, LoadedBackend, hookimpl, qualified_names

_MODULES = {
    "torch.nn.modules.module.Module",
    "torch.jit._script.ScriptModule",
    "torch.export.exported_program.ExportedProgram",
}


def _claims(model: object) -> bool:
    return not _MODULES.isdisjoint(qualified_names(model))


def _claims_tensor(x: object) -> bool:
    return "torch.Tensor" in qualified_names(x)


def _load() -> LoadedBackend:
    from trulens_torch.backend import BACKEND
    from trulens_torch.models import TorchModelWrapper

    return LoadedBackend(BACKEND, TorchModelWrapper)


@hookimpl
def trulens_backend() -> BackendDescription:
    """Describe the backend."""
    return BackendDescription(
        name="torch",
        aliases=("pytorch",),
        claims=_claims,
        claims_tensor=_claims_tensor,
        load=_load,
        options=(
            "logit_layer",
            "device",
            "force_eval",
            "skip_prefix",
            "graphs",
            "batched",
            "layers",
            "rows",
        ),
        install="pip install 'trulens-nn[torch]'",
        serves="torch.nn.Module",
    )
