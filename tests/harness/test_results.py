import samples

from loadtest.clients.outcomes import Outcome
from loadtest.system.records import from_json
from loadtest.verbs.tour import results
from loadtest.verbs.tour.results import Survivors


def test_shares_are_of_the_budget():
    run = samples.load_run(rate=2000, server_cpu_seconds=0.5)
    assert run.cpu_per_request == 0.00025
    assert (run.server_share(cpus=1), run.server_share(cpus=2)) == (0.5, 0.25)


def test_newcomers_who_were_not_served_were_asked():
    seen = results.Newcomers({Outcome.ok: 3, Outcome.refused: 1, Outcome.timed_out: 2}, [0.1] * 3)
    assert (seen.served, seen.asked) == (3, 6)


def test_a_living_server_has_no_status():
    assert from_json(Survivors, {**vars(Survivors(1, 1, 0, 8, 8, None))}).server_status is None
