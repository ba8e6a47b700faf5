"""The main job in words: its answer, and a figure after the first round. Pure."""

from loadtest.document.document import Sentence
from loadtest.engine.run import Run
from loadtest.verbs.answer.sentences import answer
from loadtest.verbs.load.words import first_of


def words(run: Run) -> list[Sentence]:
    return answer(run)


def first(run: Run) -> str:
    return first_of(run.parts[0])
