"""What the clients ask for, as data."""

from dataclasses import dataclass

from loadtest.contestants.contestants import Contestant


@dataclass(frozen=True)
class Workload:
    """What every request asks for."""

    name: str
    path: str
    needs: str = ""  # of the machine or the server, for the list of workloads

    @property
    def is_file(self) -> bool:
        """Then our servers take a --root."""
        return self.path.startswith("/file/")


WORKLOADS = (
    Workload("plaintext", "/plaintext", "13 bytes, from memory"),
    Workload("json", "/json", "a small object, serialized"),
    Workload("bytes", "/bytes?n=16384", "16 KiB from memory"),
    Workload("file", "/file/16k", "16 KiB from a file, by sendfile"),
    Workload("cpu", "/cpu?units=100", "fixed work, some 30 us of it"),
    Workload("sleep", "/sleep?ms=10", "a delay: nothing to do meanwhile"),
)


def serves(contestant: Contestant, workload: Workload) -> bool:
    return not contestant.paths or workload.path in contestant.paths
