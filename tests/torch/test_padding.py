"""What only padding shows: looked at anew where it differs, and each new prompt as trusted."""

import pytest
import torch
from torch import nn

from trulens_core import Cut, InternalInfluence, LinearDoi, get_model_wrapper
from trulens_core.testing import relative_error

LENGTH, RECORDS, POINTS = 6, (1, 3), 4


class Text(nn.Module):
    """Writes rows by the number of records, after the cut, where something is padded."""

    def __init__(self, read):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.first = nn.Embedding(20, 5), nn.Linear(5, 5)
        self.last, self.read = nn.Linear(5, 3), read

    def forward(self, ids, given):
        mask = self.read(ids, given)
        h = torch.tanh(self.first(self.embedding(ids))).clone()
        rows, places = (mask == 0).nonzero(as_tuple=True)
        h[rows, places] = 0.0
        return self.last(h).mean(1) ** 2


def lengths(ids, given):
    return torch.arange(LENGTH) < given[:, None]


READ = {
    "integers": lambda ids, given: given,
    "truth values": lambda ids, given: given,
    "floats": lambda ids, given: given,
    "lengths": lengths,
    "ids": lambda ids, given: ids != 0,
}


def inputs(kind, records, padded):
    """New words in each; padded at the end of the last record, or not."""
    ids = torch.randint(1, 20, (records, LENGTH))
    mask = torch.ones(records, LENGTH, dtype=torch.long)
    mask[-1, LENGTH - padded :] = 0
    if kind == "lengths":
        return ids, mask.sum(1)
    types = {"truth values": torch.bool, "floats": torch.float32}
    return ids * mask, mask.to(types.get(kind, torch.long))


def method_of(model):
    doi = LinearDoi(resolution=POINTS, cut=Cut("first"), rule="midpoint")
    return InternalInfluence(get_model_wrapper(model), (Cut("first"), None), 1, doi)


def by_hand(model, *given):
    """One point a pass, with the value after the layer put in its place by a hook."""
    z = model.first(model.embedding(given[0])).detach()
    total = torch.zeros_like(z)
    for i in range(POINTS):
        point = (z * (i + 0.5) / POINTS).requires_grad_()
        hook = model.first.register_forward_hook(lambda m, a, y, point=point: point)
        quantity = model(*given)[:, 1].sum()
        hook.remove()
        total += torch.autograd.grad(quantity, point)[0] / POINTS
    return (z * total).numpy()


@pytest.mark.parametrize("records", RECORDS)
@pytest.mark.parametrize("kind", READ)
def test_what_was_right_without_padding_is_looked_at_with_it(kind, records):
    model = Text(READ[kind])
    method = method_of(model)
    for padded in (0, 0, 0, 2, 0, 4, 2):
        given = inputs(kind, records, padded)
        found = method.attributions(*given)
        found = found[0] if isinstance(found, list) else found
        assert relative_error(found.numpy(), by_hand(model, *given)) < 1e-5, padded


class Masked(Text):
    """The same without a choice of places."""

    def forward(self, ids, given):
        h = torch.tanh(self.first(self.embedding(ids))) * given[..., None]
        return self.last(h).mean(1) ** 2


def test_a_prompt_of_other_words_is_evaluated_once():
    model, rows = Masked(None), []
    method = method_of(model)
    for _ in range(3):
        method.attributions(*inputs("integers", 1, 0))
    model.last.register_forward_pre_hook(lambda m, a: rows.append(len(a[0])))
    method.attributions(*inputs("integers", 1, 0))  # the hook is new, and looked at
    method.attributions(*inputs("integers", 1, 0))
    rows.clear()
    method.attributions(*inputs("integers", 1, 0))
    assert rows == [POINTS]
    method.attributions(*inputs("integers", 1, 2))
    assert len(rows) > 2


class Marked(nn.Module):
    """Writes to the rows of records that have a word, after the cut."""

    def __init__(self, write):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.first = nn.Embedding(20, 5), nn.Linear(5, 5)
        self.last, self.write = nn.Linear(5, 3), write

    def forward(self, ids):
        h = torch.tanh(self.first(self.embedding(ids))).clone()
        self.write(h, ids == 7)
        return self.last(h).mean(1) ** 2


def by_place(h, found):
    rows, places = found.nonzero(as_tuple=True)
    h[rows, places] *= 2


def by_row(h, found):
    rows = found.any(1).nonzero()[:, 0]
    h.index_add_(0, rows, torch.ones(len(rows), *h.shape[1:]))


def by_selected(h, found):
    rows = torch.arange(len(found))[:, None].expand(found.shape).masked_select(found)
    h.index_add_(0, rows, torch.ones(len(rows), *h.shape[1:]))


@pytest.mark.parametrize("records", RECORDS)
@pytest.mark.parametrize("write", [by_place, by_row, by_selected])
def test_a_word_that_chooses_places_is_looked_at(write, records):
    model = Marked(write).eval()
    method = method_of(model)
    for seed, word in enumerate((0, 0, 0, 7, 0, 7)):
        torch.manual_seed(seed)
        ids = torch.randint(8, 20, (records, LENGTH))
        ids[0, 2] = word or ids[0, 2]
        found = method.attributions(ids)
        assert relative_error(found.numpy(), by_hand(model, ids)) < 1e-5, seed
