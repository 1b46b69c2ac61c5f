"""Explain a small convolutional network in PyTorch that tells handwritten digits apart.

It is trained on the digits that scikit-learn ships, in a few seconds on a CPU. Then: which pixels
made it say so, and do the numbers add up; why this digit and not that one; what a channel inside
looks at; and how an explanation finds out a network that cheats.

    python examples/demo_torch.py [folder]

The report and its pictures go to the folder, demo/ by default.
"""

import sys
from pathlib import Path

import matplotlib.figure
import torch
from sklearn.datasets import load_digits
from torch import nn

from trulens_core import (
    ComparativeQoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.visualizations import (
    ChannelMaskVisualizer,
    HeatmapVisualizer,
    MaskVisualizer,
    Visualizer,
)

HELD_OUT = 400
CORNER = (..., 0, 0)


class Net(nn.Module):
    """Two convolutions, dropout and two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(32 * 4 * 4, 64)
        self.dropout = nn.Dropout(0.3)
        self.logits = nn.Linear(64, 10)

    def forward(self, x):
        h = self.relu(self.conv1(x))
        h = self.pool(self.relu(self.conv2(h)))
        h = self.dropout(self.relu(self.hidden(h.flatten(1))))
        return self.logits(h)


def trained(x, y, epochs=10):
    """The network after some seconds of training, left in training mode as training leaves it."""
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model


class Report:
    """What is printed, and written to a folder together with pictures."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, *lines):
        for line in (*lines, ""):
            print(line)
            self.lines.append(line)

    def table(self, head, rows):
        """Columns of numbers; four spaces make it a block in Markdown."""
        columns = [[h, *c] for h, c in zip(head, zip(*rows, strict=True), strict=True)]
        widths = [max(map(len, c)) for c in columns]
        lines = zip(*columns, strict=True)
        self.say(
            *(
                "    " + "  ".join(v.rjust(w) for v, w in zip(line, widths, strict=True))
                for line in lines
            )
        )

    def picture(self, name, title, records, columns):
        """A row per record, a column per (title, function that draws record i on a figure)."""
        size = 1.55
        figure = matplotlib.figure.Figure(
            figsize=(size * len(columns) + 0.9, size * len(records) + 0.7),
            layout="constrained",
            facecolor="0.9",
        )
        figure.suptitle(title, fontsize=11)
        axes = figure.subplots(len(records), len(columns), squeeze=False)
        for i, record in enumerate(records):
            axes[i, 0].text(-0.12, 0.5, record, transform=axes[i, 0].transAxes, ha="right")
            for j, (heading, draw) in enumerate(columns):
                figure.sca(axes[i, j])
                draw(slice(i, i + 1), figure)
                axes[0, j].set_title(heading, fontsize=9)
        figure.savefig(self.folder / name, dpi=130)
        self.lines += [f"![{title}]({name})", ""]

    def write(self):
        (self.folder / "report.md").write_text("\n".join(self.lines), encoding="utf-8")
        print(f"The report and its pictures are in {self.folder.resolve()}:")
        for name in sorted(p.name for p in self.folder.iterdir() if p.suffix in (".md", ".png")):
            print(f"  {name}")


def enlarged(x, factor=16):
    """Pixels as squares of pixels, so that a blur is finer than they are."""
    return x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def plain(x):
    return lambda i, figure: Visualizer(cmap="gray", normalization_type="magnitude_max")(
        x[i], fig=figure
    )


def signed(attributions):
    """Red speaks for it, blue against it, white is zero."""
    return lambda i, figure: Visualizer(cmap="RdBu_r")(attributions[i], fig=figure)


def heat(attributions, x):
    show = HeatmapVisualizer(overlay_opacity=0.6, blur=8, normalization_type="magnitude_max")
    a, big = enlarged(attributions.clamp(min=0)), enlarged(x)
    return lambda i, figure: show(a[i], big[i], fig=figure)


def mask(attributions, x):
    show = MaskVisualizer(blur=0, threshold=0.8, masked_opacity=0.25)
    return lambda i, figure: show(attributions[i], x[i], fig=figure)


def explain_scores(report, wrapper, x, y):
    """Which pixels made it say so, and do the numbers add up?"""
    report.say("## 1. Which pixels made the network say so?")
    shown = torch.stack([x[y == digit][0] for digit in (0, 2, 3, 5, 6)])
    said = wrapper(shown).argmax(1)
    gradients = InputAttribution(wrapper, qoi="predicted", multiply_activation=False)
    saliency = gradients.attributions(shown)
    result = IntegratedGradients(wrapper, resolution=50, qoi="predicted").explain(shown)

    report.say(
        "Integrated gradients share out what the score of the predicted class gained between a",
        "black picture and the digit. What the shares fail to add up to is the error of the",
        "integral, with 50 points here; the last column is how many points 1 % of error takes.",
    )
    exact = IntegratedGradients(wrapper, qoi="predicted", tolerance=0.01).explain(shown)
    sums = result.attributions.sum((1, 2, 3))
    gained = result.quantity - result.baseline_quantity
    report.table(
        ["predicted", "score", "on black", "sum of shares", "missing", "points for 1 %"],
        [
            [f"{c}", f"{q:.2f}", f"{b:.2f}", f"{s:.2f}", f"{r / g:+.1%}", f"{n}"]
            for c, q, b, s, r, g, n in zip(
                said, result.quantity, result.baseline_quantity, sums, result.residual, gained,
                exact.n_points, strict=True,
            )
        ],
    )  # fmt: skip

    strongest = result.attributions.flatten(1).topk(6).indices
    without = wrapped_without(wrapper, shown, strongest, said)
    random = torch.stack([torch.randperm(64) for _ in shown])
    ink = torch.stack([r[p.flatten()[r] > 0.3][:6] for r, p in zip(random, shown, strict=True)])
    others = wrapped_without(wrapper, shown, ink, said)
    report.say(
        f"Painting the six pixels of the largest share black costs {without:.0%} of the score; six",
        f"bright pixels chosen at random cost {others:.0%}.",
    )
    report.picture(
        "scores.png",
        "Which pixels made the network say so (red: speaks for it, blue: against it)",
        [f"a {c}" for c in said.tolist()],
        [
            ("the picture", plain(shown)),
            ("saliency:\nthe gradient", signed(saliency)),
            ("integrated\ngradients", signed(result.attributions)),
            ("what speaks for it,\nover the picture", heat(result.attributions, shown)),
            ("the pixels that\nspeak most for it", mask(result.attributions, shown)),
        ],
    )


def wrapped_without(wrapper, x, pixels, classes):
    """The part of the score that is lost without some pixels."""
    changed = x.flatten(1).scatter(1, pixels, 0.0).reshape(x.shape)
    before, after = (wrapper(z).gather(1, classes[:, None]).sum() for z in (x, changed))
    return 1 - after / before


def explain_difference(report, wrapper, x, y):
    """Why this digit and not that one?"""
    report.say("## 2. Why a 3 and not an 8?")
    threes = x[y == 3][:4]
    rows = []
    columns = [("the picture", plain(threes))]
    for heading, qoi in (
        ("for 3", lambda y: y[:, 3]),
        ("for 8", lambda y: y[:, 8]),
        ("for 3\nrather than 8", ComparativeQoI(3, 8)),
    ):
        result = IntegratedGradients(wrapper, qoi=qoi).explain(threes)
        columns.append((heading, signed(result.attributions)))
        left = result.attributions[..., :4].sum((1, 2, 3)).mean()
        right = result.attributions[..., 4:].sum((1, 2, 3)).mean()
        rows.append([heading.replace("\n", " "), f"{left:+.2f}", f"{right:+.2f}"])
    report.say(
        "A quantity may be a difference of scores. Only what tells the two digits apart is left.",
        f"Summed over the left and the right half of the picture, mean of {len(threes)} threes:",
    )
    report.table(["", "left", "right"], rows)
    report.picture(
        "difference.png",
        "Why a 3 and not an 8 (red: for, blue: against)",
        ["a 3"] * len(threes),
        columns,
    )


def explain_channel(report, wrapper, x, y):
    """What is it inside that says so?"""
    report.say("## 3. Which channel inside says 3 rather than 8, and what does it look at?")
    threes = x[y == 3]
    inside = InternalInfluence(wrapper, "pool", ComparativeQoI(3, 8), LinearDoi(cut="pool"))
    channels = inside.attributions(threes).mean(0).sum((1, 2))
    best = int(channels.argmax())
    report.say(
        f"Of the difference of scores, {channels.sum():.2f} in the mean of {len(threes)} threes,",
        f"channel {best} of the layer 'pool' has the largest share, {channels[best]:+.2f};",
        f"{int((channels > 0).sum())} of {len(channels)} channels speak for the 3.",
    )
    shown = torch.stack([x[y == digit][1] for digit in (3, 8, 5, 2)])
    where = InputAttribution(wrapper, "pool", best)
    masked = ChannelMaskVisualizer(wrapper, "pool", best, blur=0, threshold=0.8)
    report.picture(
        "channel.png",
        f"What channel {best} of the layer 'pool' looks at (red excites it)",
        ["a 3", "an 8", "a 5", "a 2"],
        [
            ("the picture", plain(shown)),
            ("influence on\nthe channel", signed(where.attributions(shown))),
            ("the pixels that\nexcite it most", lambda i, f: masked(shown[i], fig=f)),
        ],
    )


def explain_cheat(report, honest, x, y):
    """Does it look at the digit at all?"""
    report.say("## 4. A network that cheats")
    marked = x.clone()
    marked[y == 8] = with_mark(x[y == 8])
    cheat = get_model_wrapper(trained(marked[:-HELD_OUT], y[:-HELD_OUT]))
    right = (cheat(marked[-HELD_OUT:]).argmax(1) == y[-HELD_OUT:]).float().mean()
    eights = marked[-HELD_OUT:][y[-HELD_OUT:] == 8][:3]
    parts, columns = [], [("the picture", plain(eights))]
    for heading, wrapper in (("network of\nsection 1", honest), ("network that\ncheats", cheat)):
        attributions = IntegratedGradients(wrapper, qoi=8).attributions(eights)
        parts.append(attributions[CORNER].sum() / attributions.sum())
        columns.append((heading, signed(attributions)))
    others = x[-HELD_OUT:][y[-HELD_OUT:] != 8]
    fooled = (cheat(with_mark(others)).argmax(1) == 8).float().mean()
    report.say(
        "All pictures of an 8 get a bright pixel in the corner, and a second network is trained.",
        f"It recognises {right:.1%} of such pictures that it was not trained on: nothing seems "
        "wrong.",
        f"But of what speaks for 8, the corner has {parts[1]:.0%}; for the first network, it has "
        f"{parts[0]:.0%}.",
        f"And indeed: the pixel alone makes it take {fooled:.0%} of the other digits for an 8.",
    )
    report.picture(
        "cheat.png",
        "Why this is an 8, by two networks (red: for, blue: against)",
        ["an 8"] * 3,
        columns,
    )


def with_mark(x):
    marked = x.clone()
    marked[CORNER] = 1.0
    return marked


def main(folder):
    torch.set_num_threads(1)  # for pictures of 8 × 8, more take longer
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)[order]
    y = torch.tensor(digits.target)[order]
    report = Report(Path(folder))
    report.say("# A network that reads digits, explained")
    wrapper = get_model_wrapper(trained(x[:-HELD_OUT], y[:-HELD_OUT]))
    x_new, y_new = x[-HELD_OUT:], y[-HELD_OUT:]
    known = wrapper(x_new).argmax(1) == y_new
    report.say(
        f"It recognises {known.float().mean():.1%} of {HELD_OUT} digits that it was not trained "
        "on.",
        "Its layers, as a cut takes their names: "
        + ", ".join(layer.name for layer in wrapper.layers())
        + ".",
    )
    for section in (explain_scores, explain_difference, explain_channel):
        section(report, wrapper, x_new[known], y_new[known])
    explain_cheat(report, wrapper, x, y)
    report.write()


if __name__ == "__main__":
    main(*sys.argv[1:] or [Path(__file__).parents[1] / "demo"])
