from math import nan

import pytest

from loadtest.statistics.validity import bottleneck


@pytest.mark.parametrize(
    ("server", "client", "shared", "foreign", "reason"),
    [
        (0.97, 0.90, False, 0.05, ""),
        (1.0, 0.2, False, 0.0, ""),
        (0.96, 0.2, False, 0.0, "used less than 97% of its CPU"),
        (1.0, 0.91, False, 0.0, "wrk used more than 90% of a CPU"),
        (1.0, 0.2, False, 0.06, "shared its CPU with others"),
        (1.0, 0.2, True, 0.0, "shares its CPU with the load"),
        (nan, 0.2, False, 0.0, "used less than 97% of its CPU"),
        (1.0, nan, False, 0.0, "wrk used more than 90% of a CPU"),
    ],
)
def test_the_server_was_the_bottleneck_or_there_is_a_reason_why_not(server, client, shared, foreign, reason):
    assert bottleneck(server, client, shared, foreign) == reason


def test_a_foreign_load_explains_an_idle_server():
    assert bottleneck(0.5, 0.2, False, 0.5) == "shared its CPU with others"


def test_the_client_has_its_name_in_the_reason():
    assert bottleneck(1.0, 0.95, False, 0.0, client="pace") == "pace used more than 90% of a CPU"
