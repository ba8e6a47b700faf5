"""What a run of several verbs shows: chapter by chapter what each of them does. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loadtest.document.anchors import distinct
from loadtest.document.document import Section, Sentence
from loadtest.engine.measurement import VERBS
from loadtest.engine.run import Exit, Run
from loadtest.verbs.answer.sentences import answer
from loadtest.verbs.load.presets import YARDSTICK

# Of chapters that ask something else than their verb mostly does, by preset or measurement.
TITLES = {
    YARDSTICK: "How far are the models from production servers, and from servers without HTTP?",
    "sweep": "What is the highest rate at which an objective is met?",
}


def sections(run: Run) -> list[Section]:
    """With ids that are unique, though two chapters may be of one verb."""
    return [one for chapter in _renamed(run) for _, one in chapter]


def _renamed(run: Run) -> list[list[tuple[str, Section]]]:
    """Of each chapter that is measured its sections, with the ids that they have in the chapter alone."""
    chapters = [(chapter, list(VERBS[chapter.verb].sections(chapter))) for chapter in measured(run)]
    everything = [section for _, theirs in chapters for section in theirs]
    ids = iter(distinct(section.id for section in everything if section.id))
    plots = iter(distinct(plot.id for section in everything for plot in section.plots))

    def unique(chapter: Run, one: Section) -> Section:
        named = [replace(plot, id=next(plots)) for plot in one.plots]
        return replace(one, id=one.id and next(ids), plots=named, chapter=title(chapter))

    return [[(one.id, unique(chapter, one)) for one in theirs] for chapter, theirs in chapters]


def measured(run: Run) -> list[Run]:
    """The chapters that have something to show: an interrupted run lacks the last ones."""
    return [one for one in run.chapters if one.results]


def title(chapter: Run) -> str:
    part = chapter.parts[0]
    special = TITLES.get(part.measurement) or TITLES.get(getattr(part.settings, "preset", ""))
    return special or VERBS[chapter.verb].title or chapter.verb


def head(run: Run) -> list[str]:
    """How each was asked, in a paragraph."""
    told = {title(one): " ".join(VERBS[one.verb].head(one)) for one in measured(run)}
    return [f"{name.rstrip('?')}: {text}" for name, text in told.items() if text]


def words(run: Run) -> list[Sentence]:
    """One answer for all; where its rules have nothing to say, what the verbs say of their chapters."""
    renamed = _renamed(run)
    there = [one.id for chapter in renamed for _, one in chapter]
    names = [{name: one.id for name, one in chapter} for chapter in renamed]
    each = [
        _led(sentence, theirs)
        for one, theirs in zip(measured(run), names, strict=True)
        for sentence in VERBS[one.verb].words(one)
    ]
    told = answer(run, names) or each
    return [linked(one, there) for one in told]


def _led(sentence: Sentence, names: Mapping[str, str]) -> Sentence:
    """To the sections of its own chapter."""
    clauses = [replace(one, section=names.get(one.section, one.section)) for one in sentence.clauses]
    return Sentence(tuple(clauses))


def linked(sentence: Sentence, there: Sequence[str]) -> Sentence:
    """To sections that are there: of several loads, "latency-1000" and "latency-5000", the first is "latency"."""

    def target(name: str) -> str:
        alike = [one for one in there if one.startswith(f"{name}-")]
        return name if name in there or not name else next(iter(alike), "")

    return Sentence(tuple(replace(one, section=target(one.section)) for one in sentence.clauses))


def first(run: Run) -> str:
    """Of the chapter that is measured first."""
    chapter = run.chapters[0]
    return VERBS[chapter.verb].first(chapter)


def status(run: Run) -> Exit:
    """The gravest of its chapters: a failure, then a missed gate, then an invalid cell."""
    if run.failures:
        return Exit.failed
    found = {VERBS[one.verb].status(one) for one in measured(run)}
    return next((one for one in (Exit.failed, Exit.gate, Exit.invalid) if one in found), Exit.ok)
