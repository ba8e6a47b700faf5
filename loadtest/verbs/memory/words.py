"""What memory was measured, in words: sentences that follow from the figures by rules. Pure."""

from loadtest.document.document import Sentence, said
from loadtest.document.figures import mebibytes, ratio
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.statistics.stats import Estimate
from loadtest.verbs.memory.sizes import ANONYMOUS, by_contestant, price, shared


def words(run: Run) -> list[Sentence]:
    made = {"idle": connections, "sharing": shared_pages}
    return [sentence for part in run.parts for sentence in made[part.measurement](part)]


def first(run: Run) -> str:
    """After the first round."""
    return next((str(sentence) for sentence in connections(run.parts[0])), "").rstrip(".")


def connections(part: Part) -> list[Sentence]:
    """By heap and stack, without the noise of libraries that others map, too; of those whose levels lie on a line."""
    prices = {name: price(results, ANONYMOUS) for name, results in by_contestant(part).items()}
    found: dict[str, Estimate] = {name: one.each for name, one in prices.items() if one.each and not one.bent}
    if not found:
        return []
    ordered = sorted(found, key=lambda name: found[name].median)
    least, most = ordered[0], ordered[-1]
    sentence = f"An idle connection costs {ratio(found[least])} KiB of heap and stack in {least}"
    if most != least:
        sentence += f", the least, and {ratio(found[most])} KiB in {most}, the most"
    rounds = len({result.step.round for result in part.results})
    few = f" (indicative: {rounds} of the {LEAST_ROUNDS} rounds that an interval takes)"
    return [said(f"{sentence}; kernel memory comes on top{few if rounds < LEAST_ROUNDS else ''}.", "memory-price")]


def shared_pages(part: Part) -> list[Sentence]:
    """What the workers of one parent still share after their last requests."""
    found = []
    for result in part.results:
        last = result.points[-1]
        both = shared(last.memory)
        if both is not None and last.memory.processes > 1:
            told = (
                f"After {last.requests:,} requests of each worker, the {last.memory.processes} processes of "
                f"{result.step.contestant} share {mebibytes(both)} of {mebibytes(last.memory.pss)} MiB."
            )
            found.append(said(told, "memory-sharing"))
    return found
