"""Segments: which elements of a value are kept or removed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from trulens_core.segments.axes import Value
from trulens_core.segments.channels import Channels
from trulens_core.segments.columns import Columns, Group
from trulens_core.segments.given import Given
from trulens_core.segments.grid import Grid
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions
from trulens_core.segments.superpixels import Superpixels
from trulens_core.segments.windows import Windows
from trulens_core.segments.words import Ids, Spans, Words


@final
@dataclass(frozen=True)
class Segments:
    """Which elements of the value at a cut belong together: a recipe, whatever the value.

    Made by `Segments.grid`, `superpixels`, `channels`, `columns`, `windows`, `words` and `of`.
    A recipe never changes, equals another of the same choices, and can be a key and be pickled.

    Law: what is found for a record depends on nothing but that record.

    Args:
        recipe: how they are found; a kind that is not here is a `Recipe` of one's own.

    Example:
        >>> halves = Segments.grid(2)
        >>> [regions.labels.tolist() for regions in halves.resolved(np.zeros((1, 4)))]
        [[0, 0, 1, 1]]
        >>> halves == Segments.grid(2)
        True
    """

    recipe: Recipe

    @staticmethod
    def of(array: Any) -> Segments:
        """Segments that are there: an array.

        Integers number the segment of each element. Numbers need not be consecutive: those that a
        record has are renumbered from 0 in order of value. A negative one is in no segment, and
        always kept. Booleans are a stack of regions, which may overlap.

        Args:
            array: integers of the shape of one record, for all records, or (records, …); axes
                may have length 1 where all elements along them belong together, such as (1,
                height, width) for all channels. A single integer is one segment of everything.
                Or booleans, (regions, …) or (records, regions, …), in the same way.

        Returns:
            The recipe.

        Raises:
            ValueError: for other types, or without a segment; when used, for shapes that do not
                fit, or a region that has no element.

        Example:
            >>> left_and_right = Segments.of([[0, 0, 5], [0, 0, 5]])
            >>> left_and_right.resolved(np.zeros((1, 2, 3)))[0].labels.tolist()
            [[0, 0, 1], [0, 0, 1]]
        """
        return Segments(Given(array))

    @staticmethod
    def grid(size: int | Sequence[int], *, channel_axis: int | None = None) -> Segments:
        """Patches of an image, a volume or a series, side by side; the last may be smaller.

        Args:
            size: of a patch, or one per axis of space or time. As many as a record has axes: none
                of them holds channels, as in grey images (records, height, width).
            channel_axis: which axis of the value holds channels, all of which a patch takes in.
                None: that of the cut, of images; the last of rank 3; none of rank 2.

        Returns:
            The recipe. Patches are numbered row by row.

        Raises:
            ValueError: for a size that is no whole number from 1; when used, for one that is
                longer than its axis, or a value with other axes.

        Example:
            >>> Segments.grid((1, 2)).resolved(np.zeros((1, 3, 2, 5)))[0].labels.tolist()
            [[[0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]]
        """
        return Segments(Grid(size, channel_axis))  # type: ignore[arg-type]  # checked there

    @staticmethod
    def windows(
        size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        *,
        channel_axis: int | None = None,
    ) -> Segments:
        """Windows that slide over space or time, as for occlusion, and overlap.

        The last along an axis goes as far as the axis does, so that every element is in one.

        Args:
            size: as in `grid`.
            stride: from one window to the next, at most `size`, which None is.
            channel_axis: as in `grid`.

        Returns:
            The recipe. Where windows overlap it needs a byte per window and element, once.

        Raises:
            ValueError: as in `grid`, and for a stride that is longer than the window.

        Example:
            >>> windows = Segments.windows(3, stride=1).resolved(np.zeros((1, 4)))[0]
            >>> windows.members.astype(int).tolist()
            [[1, 1, 1, 0], [0, 1, 1, 1]]
        """
        steps = size if stride is None else stride
        return Segments(Windows(size, steps, channel_axis))  # type: ignore[arg-type]  # checked there

    @staticmethod
    def superpixels(
        n: int | None = None,
        method: str = "slic",
        *,
        channel_axis: int | None = None,
        **options: float,
    ) -> Segments:
        """Parts of an image that look alike, of each record by itself (extra `segments`).

        A record's numbers may have any range: its least and greatest count as 0 and 1.

        Args:
            n: how many, about, for SLIC (Achanta et al., 2012); a record may get fewer or more.
            method: "slic", or "felzenszwalb" (Felzenszwalb and Huttenlocher, 2004).
            channel_axis: as in `grid`; (records, height, width) are grey images.
            **options: of SLIC `compactness` (higher is squarer; 20 for three channels, which
                count as colours, else 0.2) and `sigma` (of a blur before, 1); of felzenszwalb
                `scale` (100; higher gives fewer), `sigma` (0.8) and `min_size` (20 pixels).

        Returns:
            The recipe. Channels of a pixel belong together.

        Raises:
            ValueError: for another method, or a value out of range; when used, for what is no
                image (SLIC: or volume), or has numbers that are not finite.
            TypeError: for an option that the method does not have.
            ImportError: when used, without scikit-image.

        Example:
            >>> image = np.zeros((1, 1, 8, 8))
            >>> image[..., 3:] = 1.0
            >>> alike = Segments.superpixels(method="felzenszwalb", sigma=0, min_size=4)
            >>> alike.resolved(image)[0].labels[0, 0].tolist()
            [0, 0, 0, 1, 1, 1, 1, 1]
        """
        return Segments(Superpixels(n, method, channel_axis, tuple(sorted(options.items()))))

    @staticmethod
    def channels(axis: int | None = None) -> Segments:
        """Each channel or unit is a segment.

        Args:
            axis: of the channels in the value. None: the last of (records, units) and (records,
                steps, channels), and that of the cut, of images.

        Returns:
            The recipe.

        Raises:
            ValueError: when used, for an axis that the value does not have, or records'.

        Example:
            >>> Segments.channels().resolved(np.zeros((1, 3, 2, 2)))[0].labels.tolist()
            [[[0]], [[1]], [[2]]]
        """
        return Segments(Channels(axis))

    @staticmethod
    def columns(
        groups: Mapping[str, Group] | Sequence[Group], names: Sequence[str] | None = None
    ) -> Segments:
        """Groups of columns of a table, such as those of a one-hot code.

        Columns that no group names are a segment each, after the groups.

        Args:
            groups: sequences of columns, or a mapping of such by their names; a column is its
                name or its place, counted from 0. Columns are the last axis of the value.
            names: of all columns, in order, where columns are given by name.

        Returns:
            The recipe. Segments are named by the mapping, or else by their columns.

        Raises:
            ValueError: for a column that is not there, or is in two groups.

        Example:
            >>> table = Segments.columns({"city": ["rome", "oslo"]}, ["age", "rome", "oslo"])
            >>> regions = table.resolved(np.zeros((1, 3)))[0]
            >>> regions.labels.tolist(), regions.names
            ([1, 0, 0], ('city', 'age'))
        """
        return Segments(Columns.read(groups, names))

    @staticmethod
    def words(
        words: Sequence[Ids | Spans], names: Sequence[Sequence[str]] | None = None
    ) -> Segments:
        """Tokens grouped into words, sentences or other stretches, of each record by itself.

        Args:
            words: of each record a list with an id per token, as tokenizers of Hugging Face give
                them by `word_ids()`. None is in no segment; tokens in a row with one id are one
                word, so that ids which begin again in the second text of a pair are other words.
                Or a list of spans (start, end) of tokens in order, the end not included.
                Tokens are axis 1 of the value.
            names: of each record the words' texts.

        Returns:
            The recipe. It serves one call, of as many records.

        Raises:
            ValueError: for what is neither, or overlaps; when used, for another number of records
                or tokens.

        Example:
            >>> words = Segments.words([[None, 0, 0, 1, None]])
            >>> words.resolved(np.zeros((1, 5, 8)))[0].labels[:, 0].tolist()
            [-1, 0, 0, 1, -1]
        """
        return Segments(Words.read(words, names))

    def resolved(
        self, z: Any, *, channel_axis: int | None = None, first: int = 0, total: int | None = None
    ) -> tuple[Regions, ...]:
        """The regions of each record.

        Args:
            z: the value, (records, …), an array or tensor of any framework. Only superpixels read
                its numbers.
            channel_axis: of images at this cut, as `ModelWrapper.channel_axis` says; None finds
                1, 3 or 4 channels at axis 1 or 3.
            first: the place of the first record in the call, where z holds a part of its records.
            total: how many records the call has; None: up to the last of z.

        Returns:
            One `Regions` per record; where all records have the same, the same object.

        Raises:
            ValueError: where the recipe does not fit the value.
        """
        tensor = z if hasattr(z, "shape") else np.asarray(z)
        if not len(tensor.shape):
            raise ValueError("A value has an axis of records, the first; found a single number")
        end = first + int(tensor.shape[0])
        value = Value(tensor, channel_axis, first, end if total is None else total)
        return self.recipe.regions(value)
