"""Made reviews: their labels follow from their words."""

import numpy as np

from trulens_core.testing.reviews import BLAME, PRAISE, reviews


def balance(text):
    """What the opinions of a review add up to, read from left to right."""
    total, sign = 0, 1
    for word in text.split():
        if word in ("not", "never"):
            sign = -1
        elif word in (*PRAISE, *BLAME):
            total += sign if word in PRAISE else -sign
            sign = 1
    return total


def test_labels_follow_from_the_words():
    texts, labels = reviews(500)
    balances = np.array([balance(text) for text in texts])
    assert (balances != 0).all()
    np.testing.assert_array_equal(labels, balances > 0)
    assert 0.4 < labels.mean() < 0.6


def test_the_seed_says_which():
    assert reviews(50, seed=3).texts == reviews(50, seed=3).texts
    assert reviews(50, seed=3).texts != reviews(50, seed=4).texts
    assert reviews(20, seed=3).texts == reviews(50, seed=3).texts[:20]


def test_none():
    assert reviews(0).texts == []
    assert reviews(0).labels.dtype.kind == "i"
