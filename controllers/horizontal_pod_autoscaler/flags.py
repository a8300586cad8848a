"""Shell: the controller manager's flags of autoscaling, with Kubernetes' names and defaults.

After: k8s cmd/kube-controller-manager/app/options/hpacontroller.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from controllers.horizontal_pod_autoscaler.plan import Options
from controllers.horizontal_pod_autoscaler.samples import Patience
from kube.base.flags import DURATION

PREFIX = "horizontal-pod-autoscaler-"
FLAGS: dict[str, tuple[Any, str, str]] = {
    "sync-period": (DURATION, "15s", "How often autoscalers are looked at."),
    "downscale-stabilization": (DURATION, "5m", "Fewer replicas only when none wanted more for so long."),
    "tolerance": (click.FloatRange(min=0), "0.1", "How far use may be from its target, as a share."),
    "cpu-initialization-period": (DURATION, "5m", "How long a young pod's use of a processor may mislead."),
    "initial-readiness-delay": (DURATION, "30s", "Unready from its start for so long: never ready yet."),
}


def autoscaling_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a click command the flags."""
    for name, (kind, default, text) in reversed(FLAGS.items()):
        option = click.option(f"--{PREFIX}{name}", type=kind, default=default, show_default=True, help=text)
        command = option(command)
    return command


def options(flags: dict[str, Any]) -> Options:
    """What they say."""
    said = {name: flags[f"{PREFIX}{name}".replace("-", "_")] for name in FLAGS}
    patience = Patience(said["cpu-initialization-period"], said["initial-readiness-delay"])
    return Options(said["sync-period"], said["downscale-stabilization"], said["tolerance"], patience)
