"""Nothing that is near is missed, and most of what is far is left out."""

from __future__ import annotations

import random

import pytest
from rapidfuzz.distance import OSA

from assistant.letters import Bucket

LETTERS = "abcdefghijklmnopqrstuvwxyzéß"


def words_of(count: int, length: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return sorted({"".join(chance.choices(LETTERS[:9], k=length)) for _ in range(count)})


def mistyped(word: str, chance: random.Random) -> str:
    letters = list(word)
    place = chance.randrange(1, len(letters) - 1)
    match chance.randrange(4):
        case 0:
            letters.pop(place)
        case 1:
            letters.insert(place, chance.choice(LETTERS))
        case 2:
            letters[place] = chance.choice(LETTERS)
        case _:
            letters[place], letters[place - 1] = letters[place - 1], letters[place]
    return "".join(letters)


@pytest.mark.parametrize("count", [50, 4000])
def test_all_words_that_are_near_are_among_those_given_in_their_order(count: int) -> None:
    chance = random.Random(3)
    words = words_of(count, 7, seed=count)
    bucket = Bucket(words)
    n_near = 0
    for _ in range(40):
        asked = mistyped(mistyped(chance.choice(words), chance), chance)
        given = bucket.near(asked, 2)
        near = [word for word in words if OSA.distance(word, asked) <= 2]
        n_near += len(near)
        assert [word for word in given if OSA.distance(word, asked) <= 2] == near
    assert n_near >= 30


def test_of_many_words_few_are_given() -> None:
    words = words_of(5000, 7, seed=1)
    assert len(Bucket(words).near(words[0][:-1] + "z", 1)) < len(words) / 10


def test_a_word_too_long_to_be_near_finds_nothing() -> None:
    assert not Bucket(words_of(3000, 6, seed=2)).near("aaaaaaaaaaaa", 1)
