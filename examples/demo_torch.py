"""Explain a small convolutional network in PyTorch that tells handwritten digits apart.

It is trained on the digits that scikit-learn ships, in a few seconds on a CPU. Then: which pixels
made it say so, whether these numbers add up, which channel inside it tells one digit from
another, and where that channel looks. The pictures go to demo/.

    python examples/demo_torch.py
"""

from pathlib import Path

import matplotlib.figure
import numpy as np
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

DEMO = Path(__file__).parents[1] / "demo"


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


def trained(x, y, epochs=15):
    """The network after some seconds of training, left in training mode as training leaves it."""
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model


def main():
    digits = load_digits()
    x = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target)
    model = trained(x[:1400], y[:1400])
    DEMO.mkdir(exist_ok=True)

    wrapper = get_model_wrapper(model)  # each call sees it in evaluation mode, then puts it back
    print(wrapper, "\n")
    held_out, truth = x[1400:], y[1400:]
    predicted = wrapper(held_out).argmax(1)
    right = (predicted == truth).float().mean()
    print(f"{right:.1%} of {len(truth)} digits it was not trained on are recognised\n")
    shown = torch.stack([held_out[truth == d][0] for d in range(10)])

    saliency = InputAttribution(wrapper, qoi="predicted", multiply_activation=False)
    gradients = saliency.attributions(shown)

    result = IntegratedGradients(wrapper, resolution=50, qoi="predicted").explain(shown)
    print("Integrated gradients of the predicted class's score, 50 points:")
    print("  digit  score   at black  sum of attributions  missing")
    sums = result.attributions.sum((1, 2, 3))
    rows = zip(result.quantity, result.baseline_quantity, sums, result.residual, strict=True)
    for digit, (score, black, total, missing) in enumerate(rows):
        print(f"  {digit:5}  {score:5.2f}  {black:8.2f}  {total:19.2f}  {missing:+7.3f}")

    # the same, but each digit gets as many points as it needs for 1 % of error
    exact = IntegratedGradients(wrapper, qoi="predicted", tolerance=0.01).explain(shown)
    counts = ", ".join(map(str, exact.n_points))
    print(f"\nTo come within 1 % of the difference, the digits need {counts} points.\n")

    # inside: which channel of conv2 makes the network say 3 rather than 8?
    threes = held_out[truth == 3]
    inside = InternalInfluence(wrapper, "conv2", ComparativeQoI(3, 8), LinearDoi(cut="conv2"))
    channels = inside.attributions(threes).mean(0).sum((1, 2))
    best = int(channels.argmax())
    print(f"Channel {best} of conv2 speaks most for 3 against 8: {channels[best]:+.2f} of a score")
    print(f"difference of {channels.sum():+.2f} over all {len(channels)} channels.")

    pictures = {
        "digits": shown.numpy(),
        "saliency": Visualizer()(gradients, imshow=False),
        "integrated gradients": Visualizer()(result.attributions, imshow=False),
        "mask: the strongest pixels": MaskVisualizer(blur=0.5, threshold=0.8)(
            result.attributions, shown, imshow=False, return_tiled=False
        ),
        f"mask: where channel {best} of conv2 looks": ChannelMaskVisualizer(
            wrapper, "conv2", best, blur=0.5, threshold=0.7
        )(shown, imshow=False, return_tiled=False),
    }
    draw(pictures, DEMO / "digits.png")
    heat = HeatmapVisualizer(blur=0.5)
    heat(result.attributions, shown, output_file=DEMO / "heatmap.png", imshow=False)
    print("\nPictures: demo/digits.png, a row per method, and demo/heatmap.png")


def draw(pictures, path):
    """A row per kind of picture, a column per digit, pixels as squares."""
    figure = matplotlib.figure.Figure(figsize=(11, 1.35 * len(pictures)), layout="constrained")
    for i, (title, images) in enumerate(pictures.items()):
        row = figure.add_subplot(len(pictures), 1, i + 1)
        gap = np.full((8, 1), np.nan)
        strip = np.hstack([np.hstack([np.asarray(image)[0], gap]) for image in images])
        signed = bool(np.nanmin(strip) < 0)
        limit = np.nanmax(np.abs(strip))
        row.imshow(
            strip,
            cmap="RdBu_r" if signed else "gray",
            vmin=-limit if signed else 0,
            vmax=limit,
            interpolation="nearest",
        )
        row.set_title(title, loc="left", fontsize=9)
        row.set_axis_off()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
