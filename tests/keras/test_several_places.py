"""The calls of layers inside of others, together."""

import keras
import numpy as np

from trulens_core import Cut, InternalInfluence, LinearDoi, get_model_wrapper


def test_the_inner_layer_of_time_distributed():
    """It is called for each step; the calls together have what the outer layer has."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    given = keras.Input((4, 5))
    steps = keras.layers.TimeDistributed(keras.layers.Dense(3, "tanh", name="inner"), name="steps")
    pooled = keras.layers.GlobalAveragePooling1D()(steps(given))
    model = keras.Model(given, keras.layers.Dense(2)(pooled**2))
    wrapper = get_model_wrapper(model)

    def explained(cut):
        doi = LinearDoi(resolution=8, cut=cut, rule="midpoint")
        return InternalInfluence(wrapper, cut, 1, doi).explain(x)

    inner, outer = explained(Cut("steps/inner", call="all")), explained("steps")
    np.testing.assert_allclose(np.stack(inner.attributions, 1), outer.attributions, atol=1e-6)
    np.testing.assert_allclose(inner.residual, outer.residual, atol=1e-6)
