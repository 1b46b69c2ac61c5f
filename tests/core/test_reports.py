"""Made reports: what follows is the time of the official one, whatever is left out beside it."""

import numpy as np

from trulens_core.testing.reports import (
    SOURCES,
    TIMES,
    VOCABULARY,
    answers,
    batch,
    report,
    reports,
    token_ids,
)


def test_what_follows_is_what_the_official_report_says():
    for told in reports(300):
        assert answers(told.text.split()) == (told.answer,)
        said = [told.text.split()[i] for i in told.decides]
        assert sorted(said) == sorted([*SOURCES, told.answer, told.other])


def test_the_seed_says_which():
    assert reports(20, seed=3) == reports(40, seed=3)[:20] != reports(20, seed=4)


def test_without_the_words_that_decide():
    words = report(official="six", rumour="noon", swapped=True).text.split()
    assert answers(words) == ("six",)
    assert answers([w for w in words if w != "rumour"]) == ("six",)
    assert answers([w for w in words if w != "official"]) == ("noon", "six")
    assert answers(["so"]) == TIMES


def test_texts_to_learn_from():
    ids, weights = batch(200, np.random.default_rng(0))
    last = weights.argmax(axis=1)
    assert ((weights == 1).sum(axis=1) == 1).all()
    for row, end in zip(ids, last, strict=True):
        words = [VOCABULARY[i] for i in row[1:end]]
        assert VOCABULARY[row[end]] in answers(words)
        assert token_ids(" ".join(words)) == row[:end].tolist()
        assert not row[end + 1 :].any()
