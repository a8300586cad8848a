"""Core: the one table of plug-ins, in the order filters run, with the weight of each score."""

from __future__ import annotations

from scheduler.framework.framework import Entry
from scheduler.framework.volumes import Volumes
from scheduler.plugins.balanced_allocation import BalancedAllocation
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.pod_topology_spread import PodTopologySpread
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.volume_binding import VolumeBinding


def plugins(volumes: Volumes) -> tuple[Entry, ...]:
    """The plug-ins, of which one looks up claims and volumes."""
    return (
        Entry(SchedulingGates()),
        Entry(NodeUnschedulable()),
        Entry(NodeName()),
        Entry(TaintToleration(), weight=3),
        Entry(NodeAffinity(), weight=2),
        Entry(NodePorts()),
        Entry(NodeResourcesFit()),
        Entry(VolumeBinding(volumes)),
        Entry(PodTopologySpread(), weight=2),
        Entry(InterPodAffinity(), weight=2),
        Entry(BalancedAllocation()),
    )
