"""Beginnings that are read once: what a model remembers is believed only where it is right."""

import numpy as np
import pytest

from trulens_core import Cut
from trulens_core.models.texts import TextModel
from trulens_core.text.following import Following

KEPT = np.ones((4, 40), bool)
KEPT[0, 25:30] = False


class Reader:
    """Ways to read a text, which write down what was read."""

    steps, ids = 1, np.arange(40)

    def __init__(self, error=0.0, remembers=True, others=()):
        self.text = TextModel(Cut("embedding"), remember=self._remember)
        self.read, self.others = [], dict.fromkeys(others)
        self._error, self._remembers = error, remembers

    def _remember(self, ids):
        self.read.append("all")
        return (lambda n, rows: {"cache": (n, rows)}) if self._remembers else None

    def closed(self, kept):
        self.read.append(len(kept))
        return kept.sum(axis=1)[:, None, None].astype(float)

    def after(self, n, remembered, kept):
        assert remembered == {"cache": (n, len(kept))}
        self.read.append((n, len(kept)))
        return kept.sum(axis=1)[:, None, None] + self._error

    def near(self, y, exact):
        return bool(np.abs(y - exact).max() < 1e-9)

    def host(self, y):
        return y


@pytest.mark.parametrize(
    ("reader", "read"),
    [
        (Reader(), ["all", (25, 4), 1, (25, 4)]),
        (Reader(error=0.1), ["all", (25, 4), 1, 4, 4]),
        (Reader(remembers=False), ["all", 4, 4]),
        (Reader(others=["picture"]), [4, 4]),
    ],
)
def test_what_a_model_remembers_is_looked_at_in_each_explanation(reader, read):
    following = Following(reader)
    for _ in range(2):
        np.testing.assert_array_equal(following(KEPT)[:, 0, 0], KEPT.sum(axis=1))
    assert reader.read == read


def test_what_would_not_pay_is_read_whole():
    reader = Reader()
    late = KEPT.copy()
    late[0, 15] = False  # too short a beginning, and then too few rows
    for kept in (late, KEPT[:3]):
        Following(reader)(kept)
    assert reader.read == [4, 3]
