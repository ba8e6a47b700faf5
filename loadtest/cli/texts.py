"""What the texts of options mean. Raises ValueError with the option and what was expected."""

from __future__ import annotations

import os
import re

from loadtest.system.cpu_sets import CpuSets, parse_pin, split


def one_budget(pin: str) -> CpuSets:
    return next(iter(budgets("1", pin).values()))


def budgets(cpus: str, pin: str) -> dict[int, CpuSets]:
    if pin and cpus != "1":
        raise ValueError(f"--cpus {cpus} and --pin {pin}: the pinned CPUs are the budget; give one of them")
    if pin:
        sets = parse_pin(pin, os.sched_getaffinity(0))
        return {len(sets.server): sets}
    return {budget: split(os.sched_getaffinity(0), budget) for budget in numbers("--cpus", cpus, 1, 4096)}


def numbers(option: str, text: str, least: int, most: int) -> tuple[int, ...]:
    """From "1,16,64", in that order."""
    if not re.fullmatch(r"\d{1,7}(,\d{1,7})*", text):
        raise ValueError(f"{option} {text}: expected whole numbers, such as 1,16,64")
    numbers = tuple(dict.fromkeys(map(int, text.split(","))))
    wrong = [number for number in numbers if not least <= number <= most]
    if wrong:
        raise ValueError(f"{option} {wrong[0]}: expected {least} to {most}")
    return numbers


def rates(text: str) -> tuple[float, ...]:
    return tuple(map(float, numbers("--rate", text, 1, 10_000_000)))


def seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,3})s?", text)
    if not found:
        raise ValueError(f"--duration {text}: wrk takes whole seconds, such as 2s")
    return int(found[1])
