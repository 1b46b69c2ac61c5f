"""Models of TensorFlow 1, whose weights are in a session: told how they are explained."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import InternalInfluence, UnsupportedModelError, get_model_wrapper

v1 = tf.compat.v1


class Module(tf.Module):
    def __init__(self, **options):
        super().__init__()
        self.w = v1.Variable(np.eye(4, 3, dtype="float32"), **options)

    def __call__(self, x):
        return tf.tanh(x @ self.w) ** 2


@pytest.mark.parametrize("use_resource", [True, False])
def test_a_module_in_a_graph(use_resource, draw, gradients, equal):
    with tf.Graph().as_default() as graph:
        module = Module(use_resource=use_resource)
        x = v1.placeholder(tf.float32, [None, 4])
        y = module(x)
        session = v1.Session()
        session.run(v1.global_variables_initializer())
    with pytest.raises(UnsupportedModelError, match="session=session"):
        get_model_wrapper(module)
    wrapper = get_model_wrapper(graph, input_tensors=x, output_tensors=y, session=session)
    found = InternalInfluence(wrapper, (0, None), 2, "point", False).attributions(draw(3, 4))
    equal(found, gradients(lambda x: tf.tanh(x[:, 2]) ** 2, draw(3, 4))[0])


def test_one_outside_of_it_is_explained_within(draw, equal):
    """An eager module, also while a graph is the default."""
    wrapper = get_model_wrapper(Module())
    with tf.Graph().as_default():
        wrapper = get_model_wrapper(wrapper.model)
        method = InternalInfluence(wrapper, (0, None), 2, "point", False)
        inside = method.attributions(draw(3, 4))
    equal(inside, method.attributions(draw(3, 4)))
