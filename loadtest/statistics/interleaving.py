"""Who is measured when. Pure."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


def order(items: Sequence[Item], rounds: int, seed: int) -> list[list[Item]]:
    """For each round all items, in an order that the seed decides.

    Latin squares of Williams' kind, one after another, each with its items and rows shuffled: in every len(items)
    rounds everybody has every place once, and over a square (two squares for an odd number) everybody follows
    everybody else once, so that no one always inherits the caches, or the throttled CPU, of the same neighbour.
    (E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments, 1949.)
    """
    random, found = Random(seed), list[list[Item]]()
    while items and len(found) < rounds:
        named = random.sample(items, len(items))
        for square in _squares(len(items)):
            found += [[named[i] for i in row] for row in random.sample(square, len(square))]
    return found[:rounds] or [[] for _ in range(rounds)]


def order_in_groups(groups: Sequence[Sequence[Item]], rounds: int, seed: int) -> list[list[Item]]:
    """The same for items that are compared only within their group, such as the contestants under one load: they stay
    together, because a machine that drifts differs less between neighbours. Groups change places as items do."""
    random = Random(seed)
    places = order(range(len(groups)), rounds, random.getrandbits(64))
    ordered = [order(group, rounds, random.getrandbits(64)) for group in groups]
    return [[item for place in places[number] for item in ordered[place][number]] for number in range(rounds)]


def _squares(size: int) -> list[list[list[int]]]:
    """Williams' square; an odd one needs its mirror image as well."""
    zigzag = [i // 2 if i % 2 == 0 else size - 1 - i // 2 for i in range(size)]
    square = [[(i + shift) % size for i in zigzag] for shift in range(size)]
    return [square, [row[::-1] for row in square]] if size % 2 else [square]
