"""The collector: groups pictures that belong together, each group with something to ask about it.

In: the pictures of one split. Out: pairs of a question and its pictures, by chance. Pictures are chosen so that the
question has an answer often; whether it has one, and only one, is for the checks to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from lib.settings.vision_synthesis import Kind, VisionSynthesisSettings
from lib.sources.images.image_set import Picture
from lib.sources.images.scenes import COLLECTION as SCENES
from lib.sources.images.scenes import INKS
from lib.synthesis.vision.asks import Ask, Claim, Compared, Extreme, HowMany, InOrder, OddOneOut, Which
from lib.synthesis.vision.features import Feature, features_of
from lib.synthesis.vision.scene_asks import Beside, Contains, Difference, EveryContains, PartOf, Thing, Total

TRIES = 80  # to find a picture of which something holds
LONGEST_ORDER = 4  # pictures that are put in order
RELATIONS = ("left of", "right of", "above", "below")

Drawn = tuple[Ask, tuple[Picture, ...]]
Holds = Callable[[Picture], bool]


@dataclass
class _Pool:
    """One collection."""

    name: str
    pictures: Sequence[Picture]
    features: Sequence[Feature]
    noun: str = "thing"
    labels: Sequence[str] = ()
    colours: Sequence[str] = ()
    twins: Sequence[tuple[Picture, Picture]] = ()  # scenes that differ in one part

    def of(self, *, number: bool, seen: bool | None = None) -> list[Feature]:
        return [feature for feature in self.features if feature.is_number == number and seen in (None, feature.is_seen)]


class Drawer:
    """Draws questions over the pictures of one split."""

    def __init__(self, pictures: Sequence[Picture], settings: VisionSynthesisSettings, random: Random):
        self._settings, self._random = settings, random
        names = dict.fromkeys(picture.collection for picture in pictures)
        pools = [_make_pool(name, [item for item in pictures if item.collection == name]) for name in names]
        weights = settings.collections
        pools = [pool for pool in pools if len(pool.pictures) > 1 and weights.get(pool.name, 1.0) > 0]
        self._pools, self._weights = pools, [weights.get(pool.name, 1.0) for pool in pools]
        self._choices = [
            (kind, pool, weight * weights.get(pool.name, 1.0) / len(fitting))
            for kind, draw in DRAWS.items()
            if (weight := settings.kinds.get(kind, 1.0)) and (fitting := [pool for pool in pools if draw.fits(pool)])
            for pool in fitting
        ]

    @property
    def is_empty(self) -> bool:
        return not (self._choices if self._settings.questions == "known" else self._pools)

    def draw(self) -> Drawn | None:
        """A question with its pictures; None where chance found no pictures for it."""
        weights = [weight for _, _, weight in self._choices]
        kind, pool, _ = self._random.choices(self._choices, weights=weights)[0]
        number = self._random.randint(self._settings.min_pictures, self._settings.max_pictures)
        return DRAWS[kind].draw(pool, number, self._random)

    def draw_group(self) -> tuple[Kind, tuple[Picture, ...]] | None:
        """Pictures of one collection, no two alike, and a kind of question for them, whatever is known of them."""
        pool = self._random.choices(self._pools, weights=self._weights)[0]
        kinds = [kind for kind in DRAWS if self._settings.kinds.get(kind, 1.0)]
        kind = self._random.choices(kinds, weights=[self._settings.kinds.get(kind, 1.0) for kind in kinds])[0]
        number = self._random.randint(self._settings.min_pictures, self._settings.max_pictures)
        pictures = _choose(pool.pictures, [lambda picture: True] * number, self._random)
        return pictures and (kind, pictures)


@dataclass(frozen=True)
class _Draw:
    """How questions of a kind come about, and which collections give any."""

    fits: Callable[[_Pool], bool]
    draw: Callable[[_Pool, int, Random], Drawn | None]


def _make_pool(name: str, pictures: Sequence[Picture]) -> _Pool:
    if name != SCENES:
        return _Pool(name, pictures, features_of(pictures))
    by_id = {picture.id: picture for picture in pictures}
    parts = [part for picture in pictures for part in picture.parts]
    is_digits = all(part.image_id.startswith("digits/") for part in parts)
    return _Pool(
        name,
        pictures,
        (),
        noun="digit" if is_digits else "thing",
        labels=sorted({part.label for part in parts}),
        colours=[ink for ink in INKS if any(part.colour == ink for part in parts)],
        twins=[(picture, by_id[twin]) for picture in pictures for twin in picture.texts("twin") if twin in by_id],
    )


def _choose(pool: Sequence[Picture], wanted: Sequence[Holds], random: Random) -> tuple[Picture, ...] | None:
    """One picture for each wish, no two alike; None where chance finds none."""
    chosen: list[Picture] = []
    looks: set[str] = set()
    for holds in wanted:
        for _ in range(TRIES):
            picture = random.choice(pool)
            if picture.look not in looks and holds(picture):
                chosen.append(picture)
                looks.add(picture.look)
                break
        else:
            return None
    return tuple(chosen)


def _shuffled(items: Iterable, random: Random) -> list:
    items = list(items)
    random.shuffle(items)
    return items


def _one_and_others(pool: _Pool, number: int, holds: Holds, random: Random, *, matching: int = 1):
    """So many pictures of which it holds, and others of which it does not, in any order."""
    wishes: list[Holds] = [holds] * matching + [lambda picture: not holds(picture)] * (number - matching)
    return _choose(pool.pictures, _shuffled(wishes, random), random)


def _value(feature: Feature, pool: _Pool, random: Random) -> str | None:
    texts = feature.texts(random.choice(pool.pictures))
    return random.choice(texts) if texts else None


def _which(pool: _Pool, number: int, random: Random) -> Drawn | None:
    if pool.name == SCENES:
        ask: Ask = Contains(_thing(pool, random), pool.noun)
    else:
        feature = random.choice(_nameable(pool))
        if (value := _value(feature, pool, random)) is None:
            return None
        ask = Which(feature, value)
    pictures = _one_and_others(pool, number, ask.holds, random)
    return pictures and (ask, pictures)


def _count(pool: _Pool, number: int, random: Random) -> Drawn | None:
    if pool.name == SCENES:
        ask: Ask = Total(_thing(pool, random, vague=True), pool.noun)
    else:
        feature = random.choice(_nameable(pool))
        if (value := _value(feature, pool, random)) is None:
            return None
        ask = HowMany(feature, value)
    pictures = _one_and_others(pool, number, ask.holds, random, matching=random.randint(0, number))
    return pictures and (ask, pictures)


def _compare(pool: _Pool, number: int, random: Random) -> Drawn | None:
    feature = random.choice(pool.of(number=True, seen=True))
    if number == 2:
        ask: Ask = Compared(feature)
    else:
        ask = Extreme(feature, random.choice(("greatest", "least")))
    pictures = _choose(pool.pictures, [_has_number(feature)] * number, random)
    return pictures and (ask, pictures)


def _fact(pool: _Pool, number: int, random: Random) -> Drawn | None:
    feature = random.choice(pool.of(number=True, seen=False))
    pictures = _choose(pool.pictures, [_has_number(feature)] * number, random)
    return pictures and (Extreme(feature, random.choice(("greatest", "least"))), pictures)


def _order(pool: _Pool, number: int, random: Random) -> Drawn | None:
    feature = random.choice(pool.of(number=True, seen=True))
    number = min(number, LONGEST_ORDER)
    pictures = _choose(pool.pictures, [_has_number(feature)] * number, random)
    return pictures and (InOrder(feature, random.choice(("greatest", "least"))), pictures)


def _odd(pool: _Pool, number: int, random: Random) -> Drawn | None:
    feature = random.choice([feature for feature in pool.features if feature.is_seen])
    if (value := _value(feature, pool, random)) is None:
        return None

    def is_like(picture: Picture) -> bool:
        return feature.texts(picture) == (value,)

    def is_other(picture: Picture) -> bool:
        return len(texts := feature.texts(picture)) == 1 and texts != (value,)

    wishes = [is_other] + [is_like] * (max(3, number) - 1)
    pictures = _choose(pool.pictures, _shuffled(wishes, random), random)
    return pictures and (OddOneOut(feature), pictures)


def _statement(pool: _Pool, number: int, random: Random) -> Drawn | None:
    if pool.name == SCENES:
        ask: Ask = EveryContains(_thing(pool, random, vague=True), pool.noun)
        matching = random.choice((number, number - 1))
        pictures = _one_and_others(pool, number, ask.holds, random, matching=matching)
        return pictures and (ask, pictures)
    feature = random.choice([feature for feature in pool.features if feature.is_seen])
    quantity = random.choice(("all", "none", "exactly", "alike"))
    if quantity == "alike":
        pictures = _choose(pool.pictures, [lambda picture: bool(feature.texts(picture))] * number, random)
        return pictures and (Claim(feature, "alike"), pictures)
    if (value := _value(feature, pool, random)) is None:
        return None
    said = random.randint(1, number - 1)
    claim = Claim(feature, quantity, value, said)
    right = {"all": number, "none": 0, "exactly": said}[quantity]
    beside = right + random.choice((-1, 1))
    matching = right if random.random() < 0.5 else min(max(beside, 0), number)
    pictures = _one_and_others(pool, number, claim.holds, random, matching=matching)
    return pictures and (claim, pictures)


def _spatial(pool: _Pool, number: int, random: Random) -> Drawn | None:
    first, second = _thing(pool, random, vague=True), _thing(pool, random, vague=True)
    ask = Beside(first, random.choice(RELATIONS), second, pool.noun)
    pictures = _one_and_others(pool, min(number, LONGEST_ORDER), ask.holds, random)
    return pictures and (ask, pictures)


def _detail(pool: _Pool, number: int, random: Random) -> Drawn | None:
    picture = random.choice(pool.pictures)
    if len(picture.parts) < 2:
        return None
    named, asked = random.sample(picture.parts, 2)
    ask = PartOf(Thing(label=named.label), asked.colour, pool.noun)
    others = _choose(pool.pictures, [lambda item: not ask.holds(item)] * (number - 1), random)
    return others and (ask, tuple(_shuffled((picture, *others), random)))


def _difference(pool: _Pool, number: int, random: Random) -> Drawn | None:
    return Difference(pool.noun), tuple(_shuffled(random.choice(pool.twins), random))


def _thing(pool: _Pool, random: Random, *, vague: bool = False) -> Thing:
    """By label and colour; a vague one by either."""
    part = random.choice(random.choice(pool.pictures).parts)
    if not part.colour:
        return Thing(label=part.label)
    if not vague:
        return Thing(part.label, part.colour) if random.random() < 0.5 else Thing(label=part.label)
    return Thing(label=part.label) if random.random() < 0.5 else Thing(colour=part.colour)


def _nameable(pool: _Pool) -> list[Feature]:
    return [feature for feature in pool.features if feature.one]


def _has_number(feature: Feature) -> Holds:
    return lambda picture: picture.number(feature.name) is not None


def _is_scenes(pool: _Pool) -> bool:
    return pool.name == SCENES


DRAWS: Mapping[Kind, _Draw] = {
    "which": _Draw(lambda pool: _is_scenes(pool) or bool(_nameable(pool)), _which),
    "count": _Draw(lambda pool: _is_scenes(pool) or bool(_nameable(pool)), _count),
    "compare": _Draw(lambda pool: bool(pool.of(number=True, seen=True)), _compare),
    "order": _Draw(lambda pool: bool(pool.of(number=True, seen=True)), _order),
    "odd one out": _Draw(lambda pool: any(feature.is_seen for feature in pool.features), _odd),
    "statement": _Draw(
        lambda pool: _is_scenes(pool) or any(item.is_seen and item.one for item in pool.features), _statement
    ),
    "fact": _Draw(lambda pool: bool(pool.of(number=True, seen=False)), _fact),
    "spatial": _Draw(_is_scenes, _spatial),
    "detail": _Draw(lambda pool: _is_scenes(pool) and bool(pool.colours), _detail),
    "difference": _Draw(lambda pool: bool(pool.twins), _difference),
}
