"""The conformance suite on JAX, with Flax NNX modules."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core.testing.conformance import Conformance
from trulens_core.testing.zoo import LAYERED

ZOO_NNX = runpy.run_path(str(Path(__file__).with_name("zoo_nnx.py")))  # tests are no package


class TestNnx(Conformance):
    backend_name = "jax"
    layered = tuple(LAYERED)
    channels_last = True

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _x64(cls):
        jax.config.update("jax_enable_x64", True)
        yield
        jax.config.update("jax_enable_x64", False)

    def build(self, architecture, dtype):
        return ZOO_NNX["build"](architecture, dtype)

    def trained(self, model, factor):
        state = nnx.state(model, nnx.Param)
        nnx.update(model, jax.tree.map(lambda w: w * factor, state))

    def state(self, model):
        graph, state = nnx.split(model)
        leaves = {jax.tree_util.keystr(p): x for p, x in jax.tree_util.tree_leaves_with_path(state)}
        keys = {n for n, x in leaves.items() if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)}
        numbers = {n: jax.random.key_data(x) if n in keys else x for n, x in leaves.items()}
        return {**{n: np.asarray(x) for n, x in numbers.items()}, "graph": graph}
