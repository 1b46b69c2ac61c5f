"""Sets, tables, series and heads as people have them, beside plain autograd: see `asked.py`."""

import runpy
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trulens_core import Cut, InputCut, OutputCut

ASKED = runpy.run_path(str(Path(__file__).with_name("asked.py")))  # tests are no package
Asked, each, randn, ids = (ASKED[n] for n in ("Asked", "each", "randn", "ids"))


# -- series and states ---------------------------------------------------------------------------


class Packed(nn.Module):
    """A GRU over series of several lengths, packed inside."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 5)
        self.gru = nn.GRU(5, 6, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(12, 3)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(
            self.embed(x), lengths, batch_first=True, enforce_sorted=False
        )
        h, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.scores(h.sum(1))


class Stateful(nn.Module):
    """An LSTM that goes on where the last call ended."""

    def __init__(self):
        super().__init__()
        self.lstm, self.scores = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)
        self.register_buffer("h", torch.full((1, 1, 5), 0.3))
        self.register_buffer("c", torch.full((1, 1, 5), -0.2))

    def forward(self, x):
        start = [s.expand(1, len(x), 5).contiguous() for s in (self.h, self.c)]
        y, (h, c) = self.lstm(x, start)
        self.h, self.c = h.detach().mean(1, keepdim=True), c.detach().mean(1, keepdim=True)
        return self.scores(y[:, -1])


class Causal(nn.Module):
    """Dilated convolutions of the past, weight-normed, with shortcuts."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([weight_norm(nn.Conv1d(4, 4, 2, dilation=d)) for d in (1, 2)])
        self.out = spectral_norm(nn.Linear(4, 2))

    def forward(self, x):
        for layer in self.layers:
            x = x + torch.relu(layer(nn.functional.pad(x, (layer.dilation[0], 0))))
        return self.out(x.mT)


class Ode(nn.Module):
    """Euler steps through one network: ten calls of it."""

    def __init__(self):
        super().__init__()
        self.field, self.out = (
            nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4)),
            nn.Linear(4, 2),
        )

    def forward(self, x):
        for k in range(10):
            t = torch.full_like(x[:, :1], k / 10)
            x = x + self.field(torch.cat([x, t], -1)) / 10
        return self.out(x)


class SequenceFirst(nn.Module):
    """A transformer's layer as PyTorch has it by default, records on axis 1."""

    def __init__(self):
        super().__init__()
        self.layer, self.out = nn.TransformerEncoderLayer(4, 2, 8), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.layer(x)[-1])


# -- tables, sets, heads -------------------------------------------------------------------------


class Heads(nn.Module):
    """Several tasks over one body; one head within another."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.GELU())
        self.kind, self.age, self.more = nn.Linear(8, 3), nn.Linear(8, 1), nn.Linear(8, 2)

    def forward(self, x):
        h = self.body(x)
        return {"kind": self.kind(h), "age": self.age(h)[:, 0], "more": {"risk": self.more(h)}}


class Set(nn.Module):
    """A sum over the members of a set, those that there are."""

    def __init__(self):
        super().__init__()
        self.member = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
        self.whole = nn.Linear(8, 3)

    def forward(self, x, mask):
        return self.whole((self.member(x) * mask[..., None]).sum(1).tanh())


class Recommender(nn.Module):
    """Users, bags of what they bought, numbers; factors multiplied, and a network."""

    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(20, 5), nn.EmbeddingBag(20, 5, mode="sum")
        self.numbers = nn.Linear(4, 5)
        self.top = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, users, bought, weights, numbers):
        u, i = self.users(users), self.items(bought, per_sample_weights=weights)
        n = torch.tanh(self.numbers(numbers))
        factors = (u * i).sum(-1, keepdim=True)
        return self.top(torch.cat([u, i, n, factors], -1))[:, 0]


class Experts(nn.Module):
    """The two best of four experts, for each row; rows are sorted out to them and added up."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 4)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(4, 6), nn.SiLU()) for _ in range(4)])
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        weights, chosen = self.gate(x).softmax(-1).topk(2)
        h = x.new_zeros(len(x), 6)
        for e, expert in enumerate(self.experts):
            rows, place = (chosen == e).nonzero(as_tuple=True)
            h = h.index_add(0, rows, expert(x[rows]) * weights[rows, place, None])
        return self.out(h)


class Coder(nn.Module):
    """A variational autoencoder: it draws in training; the mean, and what it makes of it."""

    def __init__(self):
        super().__init__()
        self.encode, self.mean, self.spread = nn.Linear(6, 8), nn.Linear(8, 2), nn.Linear(8, 2)
        self.decode = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 6))

    def forward(self, x):
        h = torch.tanh(self.encode(x))
        mean, spread = self.mean(h), self.spread(h).exp()
        z = mean + spread * torch.randn_like(spread) if self.training else mean
        return self.decode(z), mean, spread


def error_of_coding():
    """How badly a record is made again: a score for outliers."""
    coder = Coder()
    return (lambda x: (coder(x)[0] - x).square().sum(-1)), coder


class Hyper(nn.Module):
    """Weights for each record, from another network."""

    def __init__(self):
        super().__init__()
        self.writer = nn.Linear(3, 8)

    def forward(self, x, about):
        return torch.einsum("bi,bij->bj", torch.tanh(x), self.writer(about).unflatten(1, (4, 2)))


class Adapted(nn.Module):
    """Eight-bit weights and an adapter of low rank, by hand."""

    def __init__(self):
        super().__init__()
        self.register_buffer("whole", torch.randint(-127, 127, (5, 4), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(5, 1))
        self.down, self.up = nn.Linear(4, 2, bias=False), nn.Linear(2, 5, bias=False)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        weight = self.whole.to(x.dtype) * self.scale / 30
        return self.out(torch.tanh(x @ weight.T + self.up(self.down(x))))


class Ensemble(nn.Module):
    """Three networks at once, by vmap over their stacked weights."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 3)
        self.weights = nn.Parameter(torch.randn(3, 3, 4))

    def forward(self, x):
        def single(weight):
            return torch.func.functional_call(self.one, {"weight": weight}, (x,))

        return torch.vmap(single)(self.weights).tanh().mean(0)


class Dueling(nn.Module):
    """Values and advantages of actions."""

    def __init__(self):
        super().__init__()
        self.body, self.value, self.action = nn.Linear(4, 6), nn.Linear(6, 1), nn.Linear(6, 4)

    def forward(self, state):
        h = torch.relu(self.body(state))
        a = self.action(h)
        return self.value(h) + a - a.mean(-1, keepdim=True)


X = randn(3, 4)
SERIES = randn(3, 6, 4)
LENGTHS = torch.tensor([4, 6, 2])
WEIGHTS = randn(3, 4, seed=5)
BAGS = (ids(3, seed=3), ids(3, 4, seed=4), WEIGHTS, X)
MASK = torch.tensor([[1.0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]]).double()


def first(y):
    return y[0]


def itself(y):
    return y


TABLE = {
    "packed GRU": Asked(Packed, (SERIES, LENGTHS), quick=True, cut=InputCut(names=["x"])),
    "packed GRU, at a layer": Asked(
        Packed, (SERIES, LENGTHS), cut=Cut("embed"), layer="embed"
    ),
    "stateful LSTM": Asked(Stateful, (SERIES,)),
    "causal convolutions": Asked(
        Causal, (SERIES.mT,), lambda y: y[:, 3, 1], lambda y: y[0, 3, 1], quick=True
    ),
    "ten steps, the fourth": Asked(Ode, (X,), cut=Cut("field", call=3), layer="field", call=3),
    "sequence first": Asked(
        SequenceFirst, (SERIES.transpose(0, 1),), wrap={"batched": {"x": 1}}, axes={0: 1}
    ),
    "sequence first, at its layer": Asked(
        SequenceFirst,
        (SERIES.transpose(0, 1),),
        wrap={"batched": {"x": 1}},
        axes={0: 1},
        cut=Cut("layer", batch_axis=1),
        layer="layer",
    ),
    "heads, one": Asked(
        Heads, (X,), to=OutputCut("kind"), score=lambda y: y["kind"][0, 1], quick=True
    ),
    "heads, a number": Asked(
        Heads, (X,), qoi=itself, to=OutputCut("age"), score=lambda y: y["age"][0]
    ),
    "heads, one within another": Asked(
        Heads, (X,), to=OutputCut("more.risk"), score=lambda y: y["more"]["risk"][0, 1]
    ),
    "heads, two together": Asked(
        Heads,
        (X,),
        qoi=lambda y: y[0][:, 1] - y[1],
        to=OutputCut(["kind", "age"]),
        score=lambda y: y["kind"][0, 1] - y["age"][0],
    ),
    "a set": Asked(Set, (SERIES, MASK), cut=InputCut(names=["x"]), one=lambda a, k: a[:1]),
    "recommender, numbers and weights": Asked(
        Recommender,
        BAGS,
        itself,
        first,
        cut=InputCut(names=["weights", "numbers"]),
        quick=True,
    ),
    "recommender, what was bought": Asked(
        Recommender, BAGS, itself, first, cut=Cut("items"), layer="items"
    ),
    "experts": Asked(Experts, (X,), quick=True),
    "autoencoder, its error": Asked(error_of_coding, (randn(3, 6),), itself, first),
    "variational, a latent unit": Asked(
        Coder, (randn(3, 6),), 1, lambda y: y[1][0, 1], to=OutputCut(1)
    ),
    "variational, from the latent space": Asked(
        Coder, (randn(3, 6),), 2, lambda y: y[0][0, 2], cut=Cut("mean"), layer="mean"
    ),
    "hypernetwork": Asked(Hyper, (X, randn(3, 3, seed=1))),
    "adapter on eight bits": Asked(Adapted, (X,)),
    "ensemble by vmap": Asked(Ensemble, (X,)),
    "dueling": Asked(Dueling, (X,), cut=Cut("body"), layer="body"),
}  # fmt: skip


@each(TABLE)
def test_models_of_data(asked):
    ASKED["agrees"](asked)
