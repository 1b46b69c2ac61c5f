"""The model zoo: architectures and weights as data, the same for every framework.

A framework's builder makes a layer for each of `Architecture.layers`, fills in
`Architecture.weights()`, and evaluates the model with `Architecture.run`, which needs functions
for layers and operations by name and nothing else. Layers, by kind and sizes:

    dense(i, o)          x Wᵀ + b along the last axis
    conv(i, o, k)        stride 1, zeros around, the same size
    max_pool, avg_pool   windows of 2 × 2 beside one another
    batch_norm(c)        by stored statistics, ε = 1e-5
    layer_norm(d)        along the last axis, ε = 1e-5
    embedding(n, d), flatten, relu, tanh
    gelu                 exact, without the approximation by tanh
    sum                  of two tensors
    rnn(i, h)            tanh cell from zeros; gives (all states, the last one), or more after it

Models of `LAYERED` have more, which a framework builds of its own layers:

    dropout(p), batch_norm(c)    with modes; the model is left in training mode
    relu_                        in place, where the framework has such layers
    counting                     adds one to its count at every call, and gives what it is given
    narrow(i, o)                 a dense layer of float32 in a model of another type
    block(architecture)          layers inside of a layer, which may take keyword arguments

Operations: add, multiply, concat (axis 1), mean (over axis 1), image_mean (over height and width),
masked_mean (of x where the mask is 1, over axis 1), swap (axes 0 and 1), attend (q, k, v),
first (of a tuple), softmax (axis 1) and wide (in float64).

Images are (records, channels, height, width). A framework whose images have their channels last
builds models that take them so, and flattens them channels first all the same, so that the
weights fit; the conformance suite moves the axis (`channels_last = True`).
"""

from trulens_core.testing.zoo.architecture import Architecture as Architecture
from trulens_core.testing.zoo.architecture import Argument as Argument
from trulens_core.testing.zoo.layered import KINDS as KINDS
from trulens_core.testing.zoo.layered import LAYERED as LAYERED
from trulens_core.testing.zoo.models import ZOO as ZOO
