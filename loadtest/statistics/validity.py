"""When not to trust a number. Pure."""

SERVER_SHARE = 0.97  # of its CPU budget, from which on the server is the bottleneck
WRK_SHARE = 0.90  # of a CPU, up to which wrk is not
DISTURBED = 0.05  # of a CPU, taken by others


def bottleneck(
    server_share: float, client_share: float, shared_cpu: bool, foreign: float | None, client: str = "wrk"
) -> str:
    """ "" when the server was: only then is throughput the server's. Otherwise why it was not.

    The shares are of the server's CPU budget and of the one CPU that a single-threaded client can use; `foreign` is
    what others took of the server's CPUs.
    """
    if shared_cpu:
        return "shares its CPU with the load"
    if foreign is not None and foreign > DISTURBED:
        return "shared its CPU with others"
    if not server_share >= SERVER_SHARE:  # also when it is not a number
        return f"used less than {SERVER_SHARE:.0%} of its CPU"
    if not client_share <= WRK_SHARE:
        return f"{client} used more than {WRK_SHARE:.0%} of a CPU"
    return ""
