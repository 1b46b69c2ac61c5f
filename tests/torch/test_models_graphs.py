"""Graphs as people have them, of plain tensors, beside plain autograd: see `asked.py`."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    InputCut,
    IntegratedGradients,
    OutputCut,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

ASKED = runpy.run_path(str(Path(__file__).with_name("asked.py")))  # tests are no package
Asked, each, randn = (ASKED[n] for n in ("Asked", "each", "randn"))
EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 2, 3, 4, 0, 2, 0]])
NODES = randn(5, 4)


class Graphs(nn.Module):
    """Two rounds of messages along weighted edges, by index_add; a head for each node."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.own = nn.Linear(4, 6), nn.Linear(6, 3), nn.Linear(4, 6)

    def round(self, x, edges, weights):
        sent = x[edges[0]] * weights[:, None]
        return torch.zeros_like(x).index_add(0, edges[1], sent)

    def forward(self, x, edges, weights):
        h = torch.tanh(self.first(self.round(x, edges, weights)) + self.own(x))
        return self.second(self.round(h, edges, weights) + h)


def one_graph():
    """Nodes of one graph; it is one record, and so are its nodes."""
    net = Graphs()
    return (lambda x: net(x[0], EDGES, torch.ones(7, dtype=x.dtype))[None]), net


def edge_mask():
    """The edges' weights are the variables."""
    net = Graphs()
    return (lambda weights: net(NODES, EDGES, weights[0])[None]), net


class Molecules(nn.Module):
    """Adjacency matrices and masks, a graph a record; what a graph scores is a sum over nodes."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.scores = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x, adjacency, mask):
        h = torch.tanh(self.first(adjacency @ x))
        h = torch.tanh(self.second(adjacency @ h + h)) * mask[..., None]
        return self.scores(h.sum(1))


class Forces(nn.Module):
    """Energies of atoms and their forces: a gradient within the forward pass."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, positions):
        with torch.enable_grad():
            p = positions if positions.requires_grad else positions.clone().requires_grad_()
            d = (p[:, :, None] - p[:, None]).square().sum(-1, keepdim=True)
            energy = self.net(d).sum((1, 2, 3))
            (slope,) = torch.autograd.grad(energy.sum(), p, create_graph=True)
        return {"energy": energy, "forces": -slope}


ADJACENCY = (randn(3, 5, 5, seed=2) > 0).double()


MASK = torch.tensor([[1.0] * 5, [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]).double()

TABLE = {
    "graph, a node": Asked(
        one_graph, (NODES[None],), lambda y: y[:, 2, 1], lambda y: y[0, 2, 1], quick=True,
        warns="takes the rows of these records and no more",
    ),
    "graph, a node, at a layer": Asked(
        one_graph,
        (NODES[None],),
        lambda y: y[:, 2, 1],
        lambda y: y[0, 2, 1],
        cut=Cut("first", rows_per_record=5),
        layer="first",
        warns="takes the rows of these records and no more",
    ),
    "graph, its edges": Asked(
        edge_mask, (torch.ones(1, 7).double(),), lambda y: y[:, 2, 1], lambda y: y[0, 2, 1],
        quick=True, warns="takes the rows of these records and no more",
    ),
    "molecules, nodes": Asked(
        Molecules,
        (randn(3, 5, 4), ADJACENCY, MASK),
        cut=InputCut(names=["x"]),
        one=lambda args, kwargs: args[:1],
    ),
    "molecules, bonds": Asked(
        Molecules,
        (randn(3, 5, 4), ADJACENCY, MASK),
        cut=InputCut(names=["adjacency"]),
        one=lambda args, kwargs: args[1:2],
        quick=True,
    ),
    "forces, energy": Asked(
        Forces,
        (randn(3, 4, 3),),
        qoi=lambda y: y,
        to=OutputCut("energy"),
        score=lambda y: y["energy"][0],
    ),
    "forces, one of them": Asked(
        Forces,
        (randn(3, 4, 3),),
        qoi=lambda y: y[:, 1, 2],
        to=OutputCut("forces"),
        score=lambda y: y["forces"][0, 1, 2],
        quick=True,
    ),
}  # fmt: skip


@each(TABLE)
def test_models_of_graphs(asked):
    ASKED["agrees"](asked)


def test_many_graphs_by_a_batch_vector():
    """Nodes are the rows; what a graph scores is shared among its nodes, so that it counts once."""
    torch.manual_seed(0)
    net, graph = Graphs().double(), torch.tensor([0, 0, 0, 1, 1])
    edges, sizes = torch.tensor([[0, 1, 2, 3], [1, 2, 0, 4]]), torch.tensor([3.0, 2.0]).double()

    def scores(x):
        h = net(x, edges, torch.ones(4, dtype=x.dtype)).tanh()
        return torch.zeros(2, 3, dtype=x.dtype).index_add(0, graph, h)

    def for_nodes(x):
        return (scores(x) / sizes[:, None])[graph]

    wrapper = get_model_wrapper(for_nodes, backend="torch")
    method = IntegratedGradients(wrapper, qoi=1, resolution=4)
    with pytest.warns(TrulensWarning, match="takes the rows of these records and no more|see one"):
        found = method.attributions(NODES)
    expected = torch.zeros(5, 4, dtype=torch.float64)
    for g in (0, 1):
        for share in (0.125, 0.375, 0.625, 0.875):
            x = (share * NODES).requires_grad_()
            expected += torch.autograd.grad(scores(x)[g, 1], x)[0] * NODES / 4
    assert relative_error(found.numpy(), expected.numpy()) <= 1e-9


def test_a_sparse_adjacency_belongs_to_all():
    torch.manual_seed(0)
    layer = nn.Linear(4, 3).double()
    dense = (torch.arange(25).reshape(5, 5) % 3 == 0).double()

    def scores(x, adjacency):
        return torch.tanh(layer(torch.sparse.mm(adjacency, x)))

    wrapper = get_model_wrapper(scores, backend="torch", batched={"adjacency": False})
    nodes = InputCut(names=["x"])
    method = IntegratedGradients(wrapper, qoi=1, resolution=2, doi_cut=nodes)
    with pytest.warns(TrulensWarning, match=r"as many \(.*Expected dim 0 size 5, got 10"):
        found = method.attributions(NODES, dense.to_sparse())
    expected = torch.zeros(5, 4, dtype=torch.float64)
    for share in (0.25, 0.75):
        x = (share * NODES).requires_grad_()
        y = torch.tanh(layer(dense @ x))[:, 1].sum()
        expected += torch.autograd.grad(y, x)[0] * NODES / 2
    assert relative_error(found.numpy(), expected.numpy()) <= 1e-9


LAYOUTS = {
    "COO": torch.Tensor.to_sparse,
    "CSR": torch.Tensor.to_sparse_csr,
    "CSC": torch.Tensor.to_sparse_csc,
    "COO of integers": lambda x: x.long().to_sparse(),
}


class Sent(nn.Module):
    """What neighbours send, and layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(4, 6).double(), nn.Linear(6, 3).double()

    def forward(self, x, adjacency):
        return self.last(torch.tanh(self.first(adjacency.to_dense().double() @ x)))


@pytest.mark.parametrize("resolution", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.filterwarnings("ignore:.*beta state:UserWarning")
def test_a_sparse_adjacency_before_a_layer(layout, resolution):
    net, dense = Sent(), (torch.arange(25).reshape(5, 5) % 3 == 0).double()
    wrapper = get_model_wrapper(net, batched={"adjacency": False})
    method = IntegratedGradients(wrapper, qoi=1, resolution=resolution, doi_cut="first")
    z = net.first(dense @ NODES).detach()
    expected = torch.zeros_like(z)
    for i in range(resolution):
        at = ((i + 0.5) / resolution * z).requires_grad_()
        y = net.last(torch.tanh(at))[:, 1].sum()
        expected += torch.autograd.grad(y, at)[0] * z / resolution
    for _ in range(2):
        found = method.attributions(NODES, LAYOUTS[layout](dense))
        assert relative_error(found.numpy(), expected.numpy()) <= 1e-9
