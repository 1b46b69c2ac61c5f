"""Records that own a number of rows each: graphs in one batch, told by `rows=`."""

import runpy
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    Cut,
    CutError,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.perturbation import Occlusion
from trulens_core.testing import relative_error

ASKED = runpy.run_path(str(Path(__file__).with_name("asked.py")))  # tests are no package
randn = ASKED["randn"]
NODES = randn(7, 4)
GRAPH = torch.tensor([0, 0, 0, 1, 1, 2, 2])
EDGES = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 3, 6]])
WEIGHTS = torch.tensor([0.5, 1.0, 0.2, 0.7, 0.9, 0.4], dtype=torch.float64)


class Graphs(nn.Module):
    """Messages along weighted edges; a score for each node, or for each graph."""

    def __init__(self, by_graph):
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)
        self.by_graph = by_graph

    def forward(self, x, edge_index, batch, edge_weight):
        h = self.first(x)
        sent = h[edge_index[0]] * edge_weight[:, None]
        h = torch.tanh(h + torch.zeros_like(h).index_add(0, edge_index[1], sent))
        if not self.by_graph:
            return self.second(h)
        if len(batch) != len(x):  # numbers of nodes
            batch = torch.repeat_interleave(torch.arange(len(batch)), batch)
        pooled = torch.zeros(int(batch.max()) + 1, 6, dtype=x.dtype).index_add(0, batch, h)
        return self.second(pooled.tanh())


torch.manual_seed(0)
NETS = {by_graph: Graphs(by_graph).double() for by_graph in (True, False)}
WRAPPERS = {b: get_model_wrapper(net, rows=("batch", "edge_index")) for b, net in NETS.items()}
GIVEN = NODES, EDGES, GRAPH, WEIGHTS


@pytest.fixture(autouse=True)
def _nothing_is_said():
    """That rows see one another need not be found out: it was told."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def alone(g):
    """One of the graphs, by itself."""
    nodes = torch.nonzero(g == GRAPH)[:, 0]
    own = torch.isin(EDGES[0], nodes)
    edges = EDGES[:, own] - nodes[0]
    return NODES[nodes], edges, torch.zeros(len(nodes), dtype=torch.int64), WEIGHTS[own]


@pytest.mark.parametrize("by_graph", [True, False])
@pytest.mark.parametrize("explained", ["x", "edge_weight"])
def test_graphs_beside_one_another(by_graph, explained):
    """Nodes and edges have what they have in their graph alone, and add up to its quantity."""
    cut = InputCut(names=[explained])
    method = IntegratedGradients(WRAPPERS[by_graph], qoi=1, doi_cut=cut, resolution=30)
    result = method.explain(*GIVEN)
    single = [method.explain(*alone(g)) for g in range(3)]
    joined = torch.cat([r.attributions for r in single])
    assert relative_error(result.attributions.numpy(), joined.numpy()) < 1e-10
    quantities = torch.cat([r.quantity for r in single])
    assert relative_error(result.quantity.numpy(), quantities.numpy()) < 1e-10
    assert abs(result.residual).max() < 1e-3 * abs(result.quantity).max()
    assert len(result) == len(result.n_points) == 3
    last = result[[2, 0]]
    assert torch.equal(
        last.attributions[: len(single[2].attributions)],
        result.attributions[-len(single[2].attributions) :],
    )
    assert torch.equal(last.quantity, result.quantity[[2, 0]])


def test_against_plain_autograd():
    """Nodes and edges on one path, by a loop."""
    cut = InputCut(names=["x", "edge_weight"])
    method = IntegratedGradients(WRAPPERS[True], qoi=1, doi_cut=cut, resolution=8)
    total = [0, 0]
    for i in range(8):
        x, w = ((i + 0.5) / 8 * t for t in (NODES, WEIGHTS))
        points = [x.requires_grad_(), w.requires_grad_()]
        y = NETS[True](points[0], EDGES, GRAPH, points[1])
        grads = torch.autograd.grad(y[:, 1].sum(), points)
        total = [t + g / 8 for t, g in zip(total, grads, strict=True)]
    found = method.attributions(*GIVEN)
    for a, t, end in zip(found, total, (NODES, WEIGHTS), strict=True):
        assert relative_error(a.numpy(), (t * end).numpy()) < 1e-10


def test_a_class_for_each_graph_and_the_predicted():
    classes = NETS[True](*GIVEN).argmax(1)
    by_label, predicted = (
        IntegratedGradients(WRAPPERS[True], qoi=qoi, resolution=4).explain(*GIVEN)
        for qoi in (ClassQoI(classes), "predicted")
    )
    assert torch.equal(by_label.attributions, predicted.attributions)
    expected = NETS[True](*GIVEN).max(1).values
    assert relative_error(predicted.quantity.numpy(), expected.detach().numpy()) < 1e-12


def test_at_a_layer_of_nodes_and_by_numbers_of_nodes():
    cut = Cut("first")
    method = InternalInfluence(WRAPPERS[True], cut, 1, LinearDoi(resolution=8, cut=cut))
    found = method.attributions(*GIVEN)
    assert found.shape == (7, 6)
    counts = torch.tensor([3, 2, 2])
    by_number = method.attributions(NODES, EDGES, counts, WEIGHTS)
    assert torch.equal(found, by_number)


def test_a_graph_that_is_not_finite_is_so_alone():
    nodes = NODES.clone()
    nodes[4] = torch.inf
    method = InputAttribution(WRAPPERS[False], qoi=1, multiply_activation=False)
    with pytest.warns(UserWarning, match="finite"):
        result = method.explain(nodes, *GIVEN[1:])
    whole = method.explain(*GIVEN)
    fine = GRAPH != 1
    assert relative_error(result.quantity[[0, 2]].numpy(), whole.quantity[[0, 2]].numpy()) < 1e-12
    assert torch.equal(result.attributions[fine], whole.attributions[fine])


def test_rows_are_told_as_those_of_their_records():
    """In a table, in pictures and in words; what is a record's own stands with its rows."""
    result = IntegratedGradients(WRAPPERS[True], qoi=1, resolution=4).explain(*GIVEN)
    frame = result.to_frame()
    assert frame.index.names == ["record", "row"]
    assert list(frame.index) == [*zip(GRAPH.tolist(), range(7), strict=True)]
    figure = result.plot()
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[3] == f"row 3 of record 1 · score {result.quantity[1]:.3g}"
    assert "row 3 of record 1" in result.to_html()
    assert ">row<" in result._repr_html_()
    with pytest.raises(ValueError, match="a row is only a part"):
        result.plot(kind="waterfall")
    cut = InputCut(names=["x", "edge_weight"])
    both = IntegratedGradients(WRAPPERS[True], qoi=1, doi_cut=cut, resolution=4).explain(*GIVEN)
    assert "row 3" in both.plot(records=[3]).subfigs[0].axes[0].get_title()


@pytest.mark.parametrize(
    ("rows", "given", "error", "said"),
    [
        ("nodes", GIVEN, CutError, "no integers by that name"),
        ("batch", (NODES, EDGES, GRAPH.flip(0), WEIGHTS), CutError, "counted from 0"),
        ("batch", (NODES, EDGES, GRAPH[:6], WEIGHTS), CutError, "7 in all"),
        (("batch", "batch"), GIVEN, CutError, r"must be \(2, edges\)"),
    ],
)
def test_what_tells_no_rows(rows, given, error, said):
    method = IntegratedGradients(get_model_wrapper(NETS[True], rows=rows), qoi=1)
    with pytest.raises(error, match=said):
        method.attributions(*given)


def test_edges_that_nobody_told():
    """Without the edges' graphs nothing tells what they add up to."""
    wrapper = get_model_wrapper(NETS[True], rows="batch")
    method = IntegratedGradients(wrapper, qoi=1, doi_cut=InputCut(names=["edge_weight"]))
    assert method.attributions(*GIVEN).shape == (6,)
    with pytest.raises(CutError, match="of edges, say what they are"):
        method.explain(*GIVEN)


def test_what_takes_records_apart_is_refused():
    wrapper = WRAPPERS[True]
    with pytest.raises(UnsupportedModelError, match="rebatch_size=2"):
        IntegratedGradients(wrapper, qoi=1, rebatch_size=2).attributions(*GIVEN)
    with pytest.raises(UnsupportedModelError, match="one graph as one record"):
        Occlusion(wrapper, size=1).attributions(*GIVEN)
    with pytest.raises(UnsupportedModelError, match="contract="):
        IntegratedGradients(wrapper, qoi=1, contract=-1).attributions(*GIVEN)
