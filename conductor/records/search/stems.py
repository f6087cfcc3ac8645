"""Stems of English words, so that `fails`, `failed` and `failing` find each other.

The endings of plurals, past tenses and participles only: the first steps of Porter's procedure. Stored text
and queries go through the same, so that how a stem is spelt matters to nobody.
"""

import re
from functools import lru_cache

_ENGLISH = re.compile(r"[a-z]{3,}")
_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([^aeiouylsz])\1$")
_SHORT = re.compile(r"^[^aeiou]*[aeiouy][^aeiouwxy]$")


@lru_cache(4096)
def stem(word: str) -> str:
    """The stem of a folded word; what is no English word is returned as it is."""
    if not _ENGLISH.fullmatch(word):
        return word
    word = _singular(word)
    if word.endswith("eed"):
        return word[:-1] if _VOWEL.search(word[:-3]) else word
    for ending in ("ed", "ing"):
        if word.endswith(ending) and _VOWEL.search(word[: -len(ending)]):
            return _y(_restored(word[: -len(ending)]))
    return _y(word)


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("ies"):
        return word[:-2] if len(word) > 4 else word[:-1]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def _restored(word: str) -> str:
    if word.endswith(("at", "bl", "iz")) or _SHORT.match(word):
        return word + "e"
    return word[:-1] if _DOUBLED.search(word) else word


def _y(word: str) -> str:
    return word[:-1] + "i" if word.endswith("y") and _VOWEL.search(word[:-1]) else word
