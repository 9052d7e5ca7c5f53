"""The images that data packages carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lib.settings.images import Collection
from lib.sources.images.embedded.digits import read_digits
from lib.sources.images.embedded.openmoji import read_flags, read_pictograms
from lib.sources.images.embedded.photographs import read_photographs
from lib.sources.images.raw import RawImage

COLLECTIONS: dict[Collection, Callable[[], Iterator[RawImage]]] = {
    "digits": read_digits,
    "flags": read_flags,
    "pictograms": read_pictograms,
    "photographs": read_photographs,
}


def read_embedded(names: Sequence[Collection] = ()) -> Iterator[RawImage]:
    """The images of the collections named, all of them without a name."""
    for name, read in COLLECTIONS.items():
        if not names or name in names:
            yield from read()
