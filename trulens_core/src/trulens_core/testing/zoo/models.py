"""The architectures of the zoo: small, and between them every way in which models differ."""

from __future__ import annotations

from trulens_core.testing.zoo.architecture import Architecture, Argument, chain

_X = Argument("x", (5,))
_IMAGE = Argument("x", (2, 8, 8))
_MLP = {
    "hidden": ("dense", 5, 4),
    "act": ("tanh",),
    "second": ("dense", 4, 6),
    "act2": ("tanh",),
    "logits": ("dense", 6, 3),
}
_MLP_STEPS = chain("x", "hidden", "act", "second", "act2", "logits")

_MODELS = (
    Architecture("linear", (_X,), {"logits": ("dense", 5, 3)}, chain("x", "logits"), "y"),
    # its last input is not used
    Architecture("mlp", (_X,), _MLP, _MLP_STEPS, "y", unused=(("hidden.weight", 4),), seed=21),
    Architecture(
        "mlp_relu",
        (_X,),
        {**_MLP, "act": ("relu",), "act2": ("relu",)},
        _MLP_STEPS,
        "y",
        smooth=False,
    ),
    # gives probabilities; its scores are at the layer `logits`
    Architecture("classifier", (_X,), _MLP, (*_MLP_STEPS, ("p", "softmax", "y")), "p"),
    Architecture(
        "cnn",
        (_IMAGE,),
        {
            "conv1": ("conv", 2, 3, 3),
            "relu1": ("relu",),
            "pool1": ("max_pool",),
            "conv2": ("conv", 3, 4, 3),
            "relu2": ("relu",),
            "pool2": ("avg_pool",),
            "flat": ("flatten",),
            "logits": ("dense", 16, 3),
        },
        chain("x", "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flat", "logits"),
        "y",
        smooth=False,
    ),
    # a connection around two convolutions, and normalisation by stored statistics
    Architecture(
        "resnet",
        (_IMAGE,),
        {
            "stem": ("conv", 2, 4, 3),
            "conv1": ("conv", 4, 4, 3),
            "norm1": ("batch_norm", 4),
            "relu1": ("relu",),
            "conv2": ("conv", 4, 4, 3),
            "norm2": ("batch_norm", 4),
            "relu2": ("relu",),
            "logits": ("dense", 4, 3),
        },
        (
            ("s", "stem", "x"),
            *chain("s", "conv1", "norm1", "relu1", "conv2", "norm2", last="b"),
            ("sum", "add", "s", "b"),
            ("r", "relu2", "sum"),
            ("m", "image_mean", "r"),
            ("y", "logits", "m"),
        ),
        "y",
        smooth=False,
    ),
    # integers, and a mask by keyword
    Architecture(
        "text",
        (Argument("ids", (7,), "ids", high=11), Argument("mask", (7,), "mask", keyword=True)),
        {
            "embedding": ("embedding", 11, 6),
            "hidden": ("dense", 6, 5),
            "act": ("tanh",),
            "logits": ("dense", 5, 3),
        },
        (
            ("e", "embedding", "ids"),
            ("m", "masked_mean", "e", "mask"),
            *chain("m", "hidden", "act", "logits"),
        ),
        "y",
    ),
    # a layer that gives a tuple
    Architecture(
        "recurrent",
        (Argument("x", (6, 3)),),
        {"rnn": ("rnn", 3, 5), "logits": ("dense", 5, 3)},
        (("pair", "rnn", "x"), ("h", "first", "pair"), ("m", "mean", "h"), ("y", "logits", "m")),
        "y",
    ),
    # layers whose records lie along axis 1, and no layer called logits
    Architecture(
        "time_major",
        (Argument("x", (6, 3)),),
        {
            "inner": ("dense", 3, 5),
            "act": ("tanh",),
            "mixed": ("dense", 5, 4),
            "scores": ("dense", 4, 3),
        },
        (
            ("t", "swap", "x"),
            *chain("t", "inner", "act", "mixed", last="h"),
            ("b", "swap", "h"),
            ("q", "multiply", "b", "b"),
            ("m", "mean", "q"),
            ("y", "scores", "m"),
        ),
        "y",
    ),
    # two arguments, and a layer of two
    Architecture(
        "two_inputs",
        (Argument("a", (4,)), Argument("b", (3,))),
        {
            "left": ("dense", 4, 5),
            "right": ("dense", 3, 5),
            "joint": ("sum",),
            "act": ("tanh",),
            "logits": ("dense", 5, 3),
        },
        (
            ("l", "left", "a"),
            ("r", "right", "b"),
            ("p", "multiply", "l", "r"),
            ("s", "joint", "p", "l"),
            *chain("s", "act", "logits"),
        ),
        "y",
    ),
    # one argument that is a dict
    Architecture(
        "nested",
        (Argument("batch", {"left": (4,), "right": (3,)}),),
        {"left": ("dense", 4, 5), "right": ("dense", 3, 5), "logits": ("dense", 5, 3)},
        (
            ("l", "left", "batch.left"),
            ("r", "right", "batch.right"),
            ("p", "multiply", "l", "r"),
            ("y", "logits", "p"),
        ),
        "y",
    ),
    # a layer that is called three times, and one that is never called
    Architecture(
        "shared",
        (_X,),
        {
            "start": ("dense", 5, 4),
            "cell": ("dense", 4, 4),
            "act": ("tanh",),
            "spare": ("dense", 4, 4),
            "logits": ("dense", 4, 3),
        },
        (
            ("h0", "start", "x"),
            ("c0", "cell", "h0"),
            ("h1", "act", "c0"),
            ("c1", "cell", "h1"),
            ("h2", "act", "c1"),
            ("c2", "cell", "h2"),
            ("h3", "act", "c2"),
            ("y", "logits", "h3"),
        ),
        "y",
    ),
    # an argument that belongs to all records, whose length may equal their number by chance
    Architecture(
        "scaled",
        (_X, Argument("scale", (5,), batched=False)),
        _MLP,
        (("s", "multiply", "x", "scale"), *chain("s", "hidden", "act", "second", "act2", "logits")),
        "y",
    ),
    Architecture(
        "dict_output",
        (_X,),
        _MLP,
        _MLP_STEPS,
        {"features": "second", "logits": "y"},
    ),
    Architecture("tuple_output", (_X,), _MLP, _MLP_STEPS, ("second", "y"), seed=6),
    Architecture(
        "transformer",
        (Argument("x", (5, 4)),),
        {
            "norm1": ("layer_norm", 4),
            "query": ("dense", 4, 4),
            "key": ("dense", 4, 4),
            "value": ("dense", 4, 4),
            "mix": ("dense", 4, 4),
            "norm2": ("layer_norm", 4),
            "up": ("dense", 4, 8),
            "gelu": ("gelu",),
            "down": ("dense", 8, 4),
            "logits": ("dense", 4, 3),
        },
        (
            ("n", "norm1", "x"),
            ("q", "query", "n"),
            ("k", "key", "n"),
            ("v", "value", "n"),
            ("a", "attend", "q", "k", "v"),
            ("m", "mix", "a"),
            ("r", "add", "x", "m"),
            *chain("r", "norm2", "up", "gelu", "down", last="d"),
            ("s", "add", "r", "d"),
            ("mean", "mean", "s"),
            ("y", "logits", "mean"),
        ),
        "y",
        seed=12,
    ),
)

ZOO: dict[str, Architecture] = {a.name: a for a in _MODELS}
"""All architectures by name."""
