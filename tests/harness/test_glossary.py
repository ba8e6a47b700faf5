from __future__ import annotations

import pytest

from loadtest.page.glossary import TERMS, Term, words_of

FORMS = [(term, form) for term in TERMS for form in term.forms or (term.name,)]


def names(text: str) -> list[str]:
    return [name for name, _ in words_of([text])]


@pytest.mark.parametrize(("term", "form"), FORMS, ids=lambda one: one.name if isinstance(one, Term) else one)
def test_every_form_of_a_term_is_found_wherever_it_stands(term, form):
    for text in (form, f"So: {form}.", f"({form})", f"{form}, and", f"first\n{form}\nlast", form[0].upper() + form[1:]):
        assert term.name in names(text), text


@pytest.mark.parametrize(("term", "form"), FORMS, ids=lambda one: one.name if isinstance(one, Term) else one)
def test_no_term_is_found_inside_another_word(term, form):
    for text in (f"x{form}", f"{form}x", f"{form}_", f"x-{form}", f"{form}-x", f"/{form}"):
        assert not term.pattern.search(text), text


def test_a_term_may_be_broken_over_two_lines():
    assert names("each system\n  call of it") == ["system call"]


def test_an_abbreviation_in_small_letters_is_no_hit():
    assert names("rss and pss of moss") == []


def test_an_involuntary_switch_is_not_taken_for_a_voluntary_one():
    assert names("involuntary") == ["involuntary switch"]


def test_words_stand_once_and_in_alphabetical_order():
    assert names("worker, a worker, epoll; AddressSanitizer and PSS, ballast") == [
        "AddressSanitizer",
        "ballast",
        "epoll",
        "PSS",
        "worker",
    ]


def test_a_text_without_terms_has_no_glossary():
    assert words_of([]) == words_of(["It rained in the afternoon."]) == []


def test_meanings_are_short_sentences_and_names_are_unique():
    assert len({term.name for term in TERMS}) == len(TERMS)
    for term in TERMS:
        assert term.meaning[0].isupper() and term.meaning[-1] in ".)", term.name
        assert len(term.meaning) <= 240, term.name
