"""Models whose layers are the framework's own: with modes and state, inside of one another.

A harness says which of them it builds (`Harness.layered`), and the certificate what was not tried.
"""

from __future__ import annotations

from trulens_core.testing.zoo.architecture import Architecture, Argument, chain

_TOKEN = (Argument("z", (6, 4)),)
_INNER = Architecture(
    "inner",
    _TOKEN,
    {"up": ("dense", 4, 4), "act": ("tanh",)},
    chain("z", "up", "act", last="a"),
    ("a", "up"),
)
_ENCODER = Architecture(
    "encoder",
    (*_TOKEN, Argument("seen", (6,), "mask", keyword=True)),
    {"mix": ("dense", 4, 4), "act": ("tanh",), "inner": ("block", _INNER)},
    (
        *chain("z", "mix", "act", last="t"),
        ("pair", "inner", "t"),
        ("f", "first", "pair"),
        ("p", "masked_mean", "f", "seen"),
        ("q", "mix", "p"),  # the second call, of another shape
    ),
    {"states": "f", "pooled": "q"},
)

_MODELS = (
    # what behaves differently in training, what is changed in place, what every call writes
    Architecture(
        "modes",
        (Argument("x", (2, 4, 4)),),
        {
            "conv": ("conv", 2, 3, 3),
            "norm": ("batch_norm", 3),
            "act": ("relu_",),
            "drop": ("dropout", 0.5),
            "count": ("counting",),
            "logits": ("dense", 3, 3),
        },
        (
            *chain("x", "conv", "norm", "act", "drop", "count", last="h"),
            ("m", "image_mean", "h"),
            ("y", "logits", "m"),
        ),
        "y",
        smooth=False,
        seed=3,
    ),
    # layers inside of layers, called by keyword and twice, which give a dict and a tuple; integers
    # beside floats, and a mask that is used deep inside
    Architecture(
        "blocks",
        (
            Argument("ids", (6,), "ids", high=9),
            Argument("x", (6, 3)),
            Argument("seen", (6,), "mask", keyword=True),
        ),
        {
            "embedding": ("embedding", 9, 4),
            "lift": ("dense", 3, 4),
            "encoder": ("block", _ENCODER),
            "logits": ("dense", 4, 3),
        },
        (
            ("e", "embedding", "ids"),
            ("l", "lift", "x"),
            ("s", "add", "e", "l"),
            ("parts", "encoder", "s", "seen=seen"),
            ("y", "logits", "parts.pooled"),
        ),
        "y",
    ),
    # a part of float32 in a model of float64
    Architecture(
        "types",
        (Argument("x", (5,)),),
        {
            "hidden": ("dense", 5, 4),
            "act": ("tanh",),
            "narrow": ("narrow", 4, 4),
            "logits": ("dense", 4, 3),
        },
        (
            *chain("x", "hidden", "act", "narrow", last="n"),
            ("w", "wide", "n"),
            ("y", "logits", "w"),
        ),
        "y",
    ),
)

LAYERED: dict[str, Architecture] = {a.name: a for a in _MODELS}
"""These architectures by name."""

KINDS: dict[str, str] = {
    "modes": "layers with modes, state, or work done in place",
    "blocks": "layers inside of layers, with keyword arguments",
    "types": "parts of several floating types",
}
"""What each of them stands for, for the certificate."""
