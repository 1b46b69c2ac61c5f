"""Small results of texts, one of each kind, whose numbers tell places apart."""

import numpy as np

from trulens_core import GenerationResult, PatchingResult, SegmentsResult
from trulens_core.text.tokens import Tokens, Turn

R = np.random.default_rng(0)


def generation():
    """Three tokens of a chat, three written."""
    inputs = Tokens(
        np.arange(3),
        "It <rains>\n",
        ((0, 3), (3, 10), (10, 11)),
        np.arange(3) == 2,
        (Turn("user", 0, 10),),
    )
    outputs = Tokens.of_ids(range(3), [" so", " w", "et"])
    values = np.tril(R.normal(size=(3, 6)), 2)
    return GenerationResult(
        inputs,
        outputs,
        values,
        targets=((0, 1), (1, 2), (2, 3)),
        sources=tuple((i, i + 1) for i in range(6)),
        quantity=np.array([-1.0, -2.0, np.nan]),
        residual=np.array([0.1, 0.0, 0.2], "float32"),
        held=np.arange(6) == 2,
        method={"name": "IntegratedGradients", "text": "IG", "quantity": "log_prob"},
    )


def segments(*targets):
    """Four parts of a prompt, of the whole answer or of two targets."""
    prompt = Tokens.of_ids(range(7), ["It ", "<rains>. ", "Do ", "we ", "go ", "out", "?"])
    text = prompt.text
    names = ("It <rains>.", "Do", "we", "out?")
    spans = tuple((text.find(n), text.find(n) + len(n)) for n in names)
    n = targets or (1,)
    return SegmentsResult(
        R.normal(size=(*targets, 4)),
        names,
        spans,
        prompt,
        Tokens.of_ids([1, 2], [" no", "pe"]),
        quantity=R.normal(size=n),
        baseline_quantity=R.normal(size=n),
        residual=None,
        standard_error=None if targets else np.full(4, 0.25),
        removal="delete",
        removed_by="attention mask",
        method="shapley",
        n_evaluations=32,
        asked="log_prob",
    )


def patching(at="layers"):
    """Two layers, four tokens; or as many heads of each."""
    shape = (2, 4) if at == "layers" else (2, 4, 3)
    a, b = (
        Tokens.of_ids([0, i, 3, 4], ["the ", w, " sat", "?"]) for i, w in ((1, "<cat>"), (2, "dog"))
    )
    return PatchingResult(
        R.normal(size=shape),
        a,
        b,
        ("body.h.0", "body.h.1"),
        3.0,
        1.0,
        at,
        10,
        "embeddings",
        "x over y",
    )


KINDS = {
    "generation": generation(),
    "segments": segments(),
    "segments, each": segments(2),
    "patching": patching(),
    "patching, heads": patching("heads"),
}
