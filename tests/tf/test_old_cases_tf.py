"""Code for the old library: modules, SavedModels and graphs of TensorFlow 1."""

import runpy
from pathlib import Path

import pytest
import tensorflow as tf

v1 = tf.compat.v1
OLD = runpy.run_path(str(Path(__file__).parents[1] / "old_cases.py"))  # tests are no package
W, V = OLD["W"], OLD["V"]
SPECS = {name: tf.TensorSpec([None, 2], tf.float64, name=name) for name in "xz"}


class Layer(tf.Module):
    def __init__(self, function, *weights):
        super().__init__()
        self.function, self.held = function, [tf.Variable(w) for w in weights]

    def __call__(self, x):
        return self.function(x, *self.held)


class Square(tf.Module):
    def __init__(self):
        super().__init__()
        self.h, self.sq, self.y = Layer(tf.matmul, W), Layer(tf.square), Layer(tf.matmul, V)

    def __call__(self, x):
        return self.y(self.sq(self.h(x)))


class Pair(tf.Module):
    def __init__(self):
        super().__init__()
        self.p, self.q = Layer(tf.matmul, W), Layer(tf.matmul, W)

    def __call__(self, x, z):
        return self.p(x) * self.q(z)


def square(x):
    h = tf.matmul(x, W, name="h")
    return tf.matmul(tf.square(h, name="sq"), V, name="y")


def pair(x, z):
    return tf.multiply(tf.matmul(x, W, name="p"), tf.matmul(z, W, name="q"), name="y")


NETWORKS = {"square": (square, ["x"]), "pair": (pair, ["x", "z"])}


class Module(OLD["Kind"]):
    spellings = ("TENSORFLOW", "TF", "tf")

    def build(self, network):
        return {"square": Square, "pair": Pair}[network](), {}


class Saved(OLD["Kind"]):
    spellings = ("TensorFlow",)

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def build(self, network):
        function, names = NETWORKS[network]
        path = str(self.folder / network)
        if not tf.saved_model.contains_saved_model(path):
            module = tf.Module()
            specs = [SPECS[n] for n in names]
            module.f = tf.function(function, input_signature=specs)
            tf.saved_model.save(module, path, signatures=module.f)
        return path, {}

    def at(self, layer):
        return f"PartitionedCall/{layer}"


class Graph(OLD["Kind"]):
    spellings = ("TENSORFLOW",)

    def build(self, network):
        function, names = NETWORKS[network]
        with tf.Graph().as_default() as graph:
            given = [v1.placeholder(tf.float64, [None, 2], name=n) for n in names]
            y = function(*given)
        options = {"input_tensors": given, "output_tensors": y}
        return graph, {**options, "session": v1.Session(graph=graph)}


@pytest.fixture(scope="module", params=["module", "saved", "graph"])
def kind(request, tmp_path_factory):
    made = {"module": Module, "graph": Graph}
    if request.param == "saved":
        return Saved(tmp_path_factory.mktemp("saved"))
    return made[request.param]()


class TestOldCases(OLD["OldCases"]):
    pass
