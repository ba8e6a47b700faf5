from math import nan

from loadtest.statistics.validity import closed_loop, open_loop


def check(rate=10_000.0, mean_latency=0.0016, longest=0.005, client_share=0.1):
    """Of 16 connections for one second."""
    return closed_loop(16, rate, mean_latency, duration=1.0, longest=longest, client_share=client_share)


def test_rate_times_latency_is_the_number_of_connections():
    assert check() == ""


def test_connections_that_nobody_serves_are_missed():
    assert check(mean_latency=0.0008) == (  # 8 of 16
        "throughput x mean latency is 8.0 requests under way, not 14.1 to 16.2 (Little's law): "
        "connections were not served, or the client did not ask again at once"
    )


def test_synthetic_samples_make_more_requests_than_there_are_connections():
    assert check(mean_latency=0.0040) == (
        "throughput x mean latency is 40.0 requests under way, not 14.1 to 16.2 (Little's law): "
        "the latencies are not those of the requests that were counted"
    )


def test_a_busy_client_may_be_late_to_ask_again():
    assert "not served" in check(mean_latency=0.0010, client_share=0.1)
    assert check(mean_latency=0.0010, client_share=0.4) == ""


def test_long_answers_may_be_cut_at_both_ends():
    assert "not served" in check(mean_latency=0.0010, longest=0.05)
    assert check(mean_latency=0.0010, longest=0.2) == ""


def test_nothing_excuses_more_requests_than_connections():
    assert "not those of the requests" in check(mean_latency=0.0017, longest=0.5, client_share=0.9)


def test_what_is_not_a_number_is_not_bearable():
    assert check(mean_latency=nan) != ""


# --- open loop


def scheduled(mean_service=0.002, mean_latency=0.003):
    return open_loop(4, 1000.0, mean_service, mean_latency, duration=10.0, longest=0.1)


def test_a_schedule_has_fewer_requests_under_way_than_connections():
    assert scheduled() == ""  # 2 of 4


def test_more_requests_under_way_than_connections_are_impossible():
    law = scheduled(mean_service=0.0045, mean_latency=0.0045)
    assert law.startswith("throughput x mean latency is 4.5 requests under way, not 0.0 to 4.1")


def test_connections_that_are_busy_all_the_time_are_possible():
    assert scheduled(mean_service=0.004, mean_latency=0.9) == ""


def test_no_request_is_answered_faster_from_when_it_was_due_than_from_its_send():
    law = scheduled(mean_service=0.002, mean_latency=0.001)
    assert law == "requests took 0.002000 s from the send, but 0.001000 s from when they were due"
