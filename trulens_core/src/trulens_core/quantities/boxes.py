"""The quantity of one object among those that a detector finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.errors import QoiCutSupportError, QoiError
from trulens_core.plugins import get_backend
from trulens_core.quantities.base import QoI
from trulens_core.quantities.positions import chosen
from trulens_core.quantities.reading import as_tensor, check_index, indices, numbers, shown

Array = np.ndarray[Any, Any]
Format = Literal["xyxy", "cxcywh"]
Shapes = Sequence[Sequence[int | None]]


class _Detections(QoI):
    """A quantity of detections: of the two tensors at the target cut, scores and boxes.

    Attributes:
        boxes_at: which of them is the boxes, 0 or 1, where that is told.
    """

    boxes_at: int | None = None
    cl: Any = None

    def validate(self, shapes: Shapes) -> None:
        scores, _ = self.which(shapes)
        if len(shapes[scores]) == 3:
            check_index(self.cl, shapes[scores][2], "class")

    def scores_and_boxes(self, y: Any) -> tuple[Tensor, Tensor]:
        """The scores, (rows, boxes, classes), and the boxes, (rows, boxes, 4)."""
        tensors = list(y) if isinstance(y, list | tuple) else [y]
        shapes = [tuple(t.shape) for t in tensors]
        scores, boxes = self.which(shapes)
        many = {shapes[scores][1:2], shapes[boxes][1:2]}
        if any(len(s) != 3 for s in shapes) or (len(many) > 1 and (None,) not in many):
            raise QoiCutSupportError(
                "BoxQoI reads scores of shape (records, boxes, classes) and boxes of shape "
                f"(records, boxes, 4), found {shapes[scores]} and {shapes[boxes]}"
            )
        return tensors[scores], tensors[boxes]

    def which(self, shapes: Shapes) -> tuple[int, int]:
        """The places of the scores and the boxes; boxes have 4 numbers in their last axis."""
        if len(shapes) != 2:
            raise QoiCutSupportError(
                f"BoxQoI reads two tensors, class scores and boxes, but the target cut holds "
                f"{len(shapes)}; choose them with Cut(..., accessor=)"
            )
        fours = [i for i, s in enumerate(shapes) if s and s[-1] == 4]
        boxes = self.boxes_at if self.boxes_at is not None or len(fours) != 1 else fours[0]
        if boxes is None and fours:
            raise QoiCutSupportError(
                f"BoxQoI cannot tell scores from boxes of shapes {[tuple(s) for s in shapes]}; say "
                "which of the two is the boxes, boxes_at=0 or boxes_at=1"
            )
        if boxes is None or boxes not in fours:
            raise QoiCutSupportError(
                "BoxQoI reads boxes of shape (records, boxes, 4), found tensors of shapes "
                f"{[tuple(s) for s in shapes]}"
            )
        return 1 - boxes, boxes


class BoxQoI(_Detections):
    """The class score of the detection that a box means, (records,).

    The value at the target cut is two tensors: class scores, (rows, boxes, classes), and boxes,
    (rows, boxes, 4). For the unmodified record the box is found that has the largest intersection
    over union with the given one (Everingham et al., 2010), the first of equals. Its score is
    explained, at every point: scores[i, found[i], cl[i]].

    Args:
        box: four numbers, or four per record, (records, 4), in the units of the model's boxes.
        cl: the index of the class, or one per record, (records,).
        format: of `box` and of the model's boxes: "xyxy", two corners, or "cxcywh", the middle,
            width and height.
        boxes_at: which of the two tensors is the boxes, 0 or 1; needed where their last axes do
            not tell, for scores of 4 classes.

    Raises:
        ValueError: for a box that is not four finite numbers or has no area, another format, or
            classes that are no ints.
        IndexError: when used, for a class that the scores do not have.
        QoiError: when used, where no box of a record overlaps the given one.
        QoiCutSupportError: when used, for values of another kind.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> scores = b.from_numpy(np.asarray([[[0.1, 0.9], [0.8, 0.2]]]))
        >>> boxes = b.from_numpy(np.asarray([[[0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 4.0, 4.0]]]))
        >>> BoxQoI([2.0, 2.0, 3.0, 4.0], 0)([scores, boxes])
        Tensor(array([0.8]))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("box", "cl")

    def __init__(
        self, box: Any, cl: Any, format: Format = "xyxy", boxes_at: int | None = None
    ) -> None:
        if format not in _CORNERS:
            raise ValueError(f"format is {format!r}; it must be one of {', '.join(_CORNERS)}")
        if boxes_at not in (None, 0, 1) or isinstance(boxes_at, bool):
            raise ValueError(f"boxes_at is {boxes_at!r}; it must be 0, 1 or None")
        self.box: Any = numbers(box, "box")
        if self.box.ndim not in (1, 2) or self.box.shape[-1] != 4:
            raise ValueError(f"box has shape {self.box.shape}; it must be (4,) or (records, 4)")
        if not (_area(_CORNERS[format](self.box)) > 0).all():
            raise ValueError(f"box has no area in the format {format!r}: {box!r}")
        self.cl: Any = indices(cl, type(self).__name__)
        self.format: Format = format
        self.boxes_at = boxes_at

    def has_rows(self, name: str, value: Any) -> bool:
        return len(value.shape) > 1 if name == "box" else super().has_rows(name, value)

    def bind(self, y: Any) -> QoI:
        _, boxes = self.scores_and_boxes(y)
        backend = get_backend(boxes)
        given = backend.to_numpy(self.box) if backend.is_tensor(self.box) else self.box
        corners = _CORNERS[self.format]
        found = overlap(corners(backend.to_numpy(boxes)), corners(np.asarray(given))[..., None, :])
        alone = np.flatnonzero(~(found.max(axis=1, initial=0.0) > 0))
        if alone.size:
            raise QoiError(
                f"BoxQoI: no box overlaps the given one in the records {alone.tolist()} of those "
                f"that are evaluated together; is it in the model's units, and {self.format!r}?"
            )
        return _ChosenBox(found.argmax(axis=1), self.cl, self.boxes_at)

    def __call__(self, y: Any) -> Any:
        return self.bind(y)(y)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self.box)}, {shown(self.cl)}, format={self.format!r})"


class _ChosenBox(_Detections):
    """The class scores of one box of each record, by its number: what `BoxQoI` is bound to."""

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("number", "cl")

    def __init__(self, number: Array, cl: Any, boxes_at: int | None) -> None:
        self.number: Any = number.astype("int32")
        self.cl, self.boxes_at = cl, boxes_at

    def __call__(self, y: Any) -> Any:
        scores, _ = self.scores_and_boxes(y)
        self.validate([tuple(t.shape) for t in y])
        backend = get_backend(scores)
        there = chosen(scores, as_tensor(self.number, scores, backend), 1, backend, "box")
        return chosen(there, self.cl, 1, backend, "class")

    def __repr__(self) -> str:
        return f"BoxQoI(<box {shown(self.number)}>, {shown(self.cl)})"


# -- geometry ----------------------------------------------------------------------------------


def _from_middle(boxes: Array) -> Array:
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([middle - half, middle + half], axis=-1)


def _as_they_are(boxes: Array) -> Array:
    return boxes


_CORNERS = {"xyxy": _as_they_are, "cxcywh": _from_middle}


def _area(corners: Array) -> Array:
    """Width times height of (…, 4); 0 where a side is negative."""
    sides = np.maximum(corners[..., 2:] - corners[..., :2], 0)
    area: Array = sides[..., 0] * sides[..., 1]
    return area


def overlap(boxes: Array, others: Array) -> Array:
    """Intersection over union of boxes by their corners, (…, 4), which broadcast; (…).

    Example:
        >>> float(overlap(np.asarray([0.0, 0.0, 2.0, 2.0]), np.asarray([1.0, 0.0, 3.0, 2.0])))
        0.3333333333333333
    """
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    both = _area(np.concatenate([low, high], axis=-1))
    either = _area(boxes) + _area(others) - both
    shares: Array = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return shares
