"""What do real deliveries look like to a model, in a test? Slices of the samples as batches, and small bundles trained on them."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice, pairwise
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from affluent.history import batches
from models import bundle
from models.bundle import Bundle
from models.dispatch import tables, training
from models.forest import Growth
from models.tables import State
from producers import flights, restaurant, samples
from producers.chunk import Chunk
from producers.ticks import with_ticks
from schemas.columns import Batch
from schemas.dispatch import ASSIGNMENTS
from schemas.event import Event
from tests.builders import USUAL_AT

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = {bundle.key_id(KEY.public_key()): KEY.public_key()}
TABLES = (*tables.FEATURE_TABLES, *tables.SETTLE_TABLES)
READERS = {"flights": flights.read, "restaurant": restaurant.read}


def batch(events: Sequence[Event]) -> Batch:
    """Return events as one batch, as if read from one partition."""
    (made,) = batches([Chunk.of(events)], ASSIGNMENTS)
    return made


def cut(whole: Batch, places: Iterable[int]) -> list[Batch]:
    """Return a batch in pieces, cut at these places."""
    edges = [0, *sorted({place % (whole.n + 1) for place in places}), whole.n]
    return [whole.slice(a, b) for a, b in pairwise(edges) if a < b]


@cache
def events(source: str, n: int) -> tuple[Event, ...]:
    """Return the first n events of a sample, ticks among them."""
    return tuple(islice(with_ticks(READERS[source](samples.files(source))), n))


@cache
def whole(source: str, n: int) -> Batch:
    """Return them as one batch."""
    return batch(events(source, n))


@cache
def rows(source: str, n: int) -> training.Rows:
    """Return them as training rows."""
    return training.collect(cut(whole(source, n), range(0, n, 5_000)))


@cache
def small(source: str = "flights", n: int = 12_000, trees: int = 20) -> Bundle:
    """Return a bundle with a small forest."""
    recipe = training.RECIPES[source]
    recipe = training.Recipe(recipe.rule, Growth(trees=trees, depth=4), recipe.used)
    return sealed(training.fit(rows(source, n), source, recipe))


def sealed(fitted: training.Fitted, **other: Any) -> Bundle:
    """Return a trained model as a worker would load it."""
    return Bundle.load(bundle.seal(fitted.files, KEY, **fitted.facts | other, created_at=USUAL_AT), TRUSTED)


def state(*bundles: Bundle) -> State:
    """Return an empty state of the predicting agent with these bundles in force."""
    made = State(TABLES, {each.sha256: each for each in bundles}.get)
    for each in bundles:
        made.swap(each.manifest.name, each.sha256)
    return made


def images(of: State) -> dict[str, list[Any]]:
    """Return what is in every table, keys and rows, in an order of its own."""
    found = {name: table.image() for name, table in of.tables.items()}
    return {name: [image.keys.tolist(), [row.tobytes() for row in np.atleast_1d(image.rows)]] for name, image in found.items()}
