"""Sharded models on two processes: FSDP2 and tensor parallelism give what one process gives."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from trulens_core import (
    IntegratedGradients,
    InternalInfluence,
    explain_generation,
    explain_segments,
    patch_attributions,
)
from trulens_torch.testing import trained_language_model

pytestmark = pytest.mark.skipif(
    not os.environ.get("TRULENS_EVERY"), reason="two processes; runs with TRULENS_EVERY"
)


def explained(model, x):
    path = IntegratedGradients(model, qoi=1, resolution=4).attributions(x)
    return path, InternalInfluence(model, "0", 1, "point").attributions(x)


def of_texts(model, tokenizer):
    """What each call on a language model gives, one after the other."""
    said, answer = "official : the shop opens at nine .", " so"
    other = said.replace("official", "rumour")
    return [
        np.ravel(r.attributions)
        for r in (
            explain_generation(model, tokenizer, said, answer, method="ig", resolution=3),
            explain_segments(model, tokenizer, f"{said} so", " the", segments=[said]),
            patch_attributions(model, tokenizer, said, other, ("logit", "nine"), path=3),
            patch_attributions(model, tokenizer, said, other, ("logit", "nine"), at="heads"),
        )
    ]


def language_model():
    """One whose blocks are sharded, and its embeddings with all that is left."""
    model, tokenizer = trained_language_model(steps=1)
    model = model.double()
    whole = of_texts(model, tokenizer)
    mesh = init_device_mesh("cpu", (2,))
    for block in (*model.transformer.h, model):
        fully_shard(block, mesh=mesh)
    shards = [type(p) for p in model.parameters()]
    for _ in range(2):
        for found, expected in zip(of_texts(model, tokenizer), whole, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        assert [type(p) for p in model.parameters()] == shards
        model(torch.tensor([[1, 2, 3]])).logits.sum().backward()  # as anybody does between calls


def work(rank, way, meeting):
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    try:
        if way == "language model":
            language_model()
            return
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4)).double()
        x = torch.randn(3, 4, dtype=torch.float64)
        at_input, at_layer = explained(model, x)
        mesh = init_device_mesh("cpu", (2,))
        if way == "fsdp":
            for layer in (model[0], model[2], model):
                fully_shard(layer, mesh=mesh)
        else:
            parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
            at_layer = at_layer.chunk(2, dim=1)[rank]  # a layer's own shard of the columns
        for found, expected in zip(explained(model, x), (at_input, at_layer), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("way", ["fsdp", "tensor parallel", "language model"])
def test_two_processes(way, tmp_path):
    words = [sys.executable, "-W", "ignore", __file__, way, f"file://{tmp_path}/meeting"]
    started = [subprocess.Popen([*words, rank], stderr=subprocess.PIPE) for rank in "01"]
    said = [process.communicate(timeout=120)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], said


if __name__ == "__main__":
    work(int(sys.argv[3]), *sys.argv[1:3])
