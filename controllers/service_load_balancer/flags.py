"""Shell: the controller manager's flag of load balancers' addresses; in Kubernetes a cloud stands there."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import click

from controllers.service_load_balancer.addresses import Network, usable_count
from kube.base.run import StartupError

FLAG = "load-balancer-ip-range"
HELP = "The range of addresses for Services of type LoadBalancer; without it, they get none."


def balancer_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a click command the flag."""
    return click.option(f"--{FLAG}", help=HELP)(command)


def balancer_range(flags: dict[str, Any]) -> Network | None:
    """What it says; None if nobody gives out addresses."""
    said = flags[FLAG.replace("-", "_")]
    if not said:
        return None
    try:
        network = ip_network(said.strip(), strict=False)
    except ValueError as error:
        raise StartupError(f"--{FLAG} {said}: {error}: give one range, such as 10.9.0.0/24") from error
    if usable_count(network) < 1:
        text = "its first and its last address are not given out, and it has no other: give a larger range"
        raise StartupError(f"--{FLAG} {said}: {text}")
    return network
