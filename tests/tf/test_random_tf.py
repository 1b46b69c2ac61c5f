"""Models that draw random numbers: a quantity and its derivative are of one draw."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import InternalInfluence, get_model_wrapper

v1 = tf.compat.v1
N = 2000
X = np.random.default_rng(0).uniform(0.5, 2.0, (N, 1)).astype("float32")


class Noisy(tf.Module):
    """Each row times its own 1 + N(0, 1)."""

    def __init__(self):
        super().__init__()
        self.generator = tf.random.Generator.from_seed(1)

    def __call__(self, x):
        return x * (1 + tf.random.normal(tf.shape(x)))


class Within(Noisy):
    """The draw is in a function that is called."""

    @tf.function(autograph=False)
    def noise(self, x):
        return tf.random.normal(tf.shape(x))

    def __call__(self, x):
        return x * (1 + self.noise(x))


class Generated(Noisy):
    """The generator is a variable, which each draw changes."""

    def __call__(self, x):
        return x * (1 + self.generator.normal(tf.shape(x)))


class Dropped(Noisy):
    """A Dropout left in training: 1 + noise is 0 or 2, as likely, so that its variance is 1 too."""

    def __call__(self, x):
        return tf.nn.dropout(x, 0.5)


def of_session():
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, 1], name="x")
        y = x * (1 + tf.random.normal(tf.shape(x)))
    session = v1.Session(graph=graph)
    return get_model_wrapper(graph, input_tensors=x, output_tensors=y, session=session)


def of_function():
    return get_model_wrapper(
        tf.function(Noisy().__call__, input_signature=[tf.TensorSpec([None, 1])])
    )


WRAPPERS = {
    "module": lambda: get_model_wrapper(Noisy()),
    "called function": lambda: get_model_wrapper(Within()),
    "generator": lambda: get_model_wrapper(Generated()),
    "dropout": lambda: get_model_wrapper(Dropped()),
    "graph": of_function,
    "session": of_session,
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_quantity_and_its_derivative_are_of_one_draw(kind):
    """E[d/dx (x (1 + noise))²] = 2 x E[(1 + noise)²] = 4 x; of two draws it would be 2 x."""
    method = InternalInfluence(WRAPPERS[kind](), (0, None), lambda y: y[:, 0] ** 2, "point", False)
    for _ in range(2):
        ratio = method.attributions(X) / X
        error = ratio.std() / np.sqrt(N)
        assert error < 0.2
        assert abs(ratio.mean() - 4) < 5 * error


def test_each_quantity_is_its_own():
    """The step with a quantity is not kept."""
    wrapper = get_model_wrapper(Noisy())
    for factor in (1.0, -3.0):
        method = InternalInfluence(
            wrapper, (0, None), lambda y, factor=factor: factor * y[:, 0] ** 2, "point", False
        )
        ratio = method.attributions(X) / X / factor
        assert abs(ratio.mean() - 4) < 5 * ratio.std() / np.sqrt(N)


def test_weights_of_points_are_of_one_draw():
    """The mean of 2 x a (1 + noise)² over points a x, a = 1/4 and 3/4: again 2 x on average."""
    method = InternalInfluence(
        get_model_wrapper(Noisy()), (0, None), lambda y: y[:, 0] ** 2, "linear", False
    )
    ratio = method.attributions(X) / X
    assert abs(ratio.mean() - 2) < 5 * ratio.std() / np.sqrt(N)


def test_what_is_drawn_elsewhere_in_the_graph_or_its_functions_does_not_count():
    """Of a graph with a session, whose steps stay in it: no operations are added by a new one."""
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, 1], name="x")
        w = v1.get_variable("w", [1, 1], initializer=v1.random_normal_initializer(seed=1))
        tf.data.Dataset.range(3).map(lambda i: tf.random.normal([3]))
        y = tf.tanh(x @ w)
    session = v1.Session(graph=graph)
    session.run(graph.get_operation_by_name("w/Assign"))
    wrapper = get_model_wrapper(graph, input_tensors=x, output_tensors=y, session=session)
    sizes = set()
    for power in (2, 3, 4):
        method = InternalInfluence(
            wrapper, (0, None), lambda y, power=power: y[:, 0] ** power, "point", False
        )
        method.attributions(X[:5])
        sizes.add(len(graph.get_operations()))
    assert len(sizes) == 1


def test_a_quantity_that_reads_numbers_is_told_why_it_cannot():
    wrapper = get_model_wrapper(Noisy())
    method = InternalInfluence(wrapper, (0, None), lambda y: y[:, 0] * float(y[0, 0]), "point")
    with pytest.raises(TypeError) as caught:
        method.attributions(X[:2])
    assert "it cannot read numbers out of y" in caught.value.__notes__[0]
