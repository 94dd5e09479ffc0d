"""Names that are nearly right: which ones somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that are the fewest slips away from `word`; none where all are far. Case does not count."""
    slips = {name: distance(word.lower(), name.lower()) for name in known}
    least = min(slips.values(), default=0)
    return [name for name, count in slips.items() if count == least <= _most_slips(word, name)]


def _most_slips(word: str, name: str) -> int:
    """A slip in three letters, counted on the shorter word: N is not a misspelt X."""
    return min(len(word), len(name)) // 3


def distance(one: str, other: str) -> int:
    """Letters to put in, leave out, replace or swap with their neighbour to make `other` of `one`."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        here = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(above[column] + 1, here[-1] + 1, above[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and (letter, one[row - 2]) == (other[column - 2], wanted):
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        before, above = above, here
    return above[-1]
