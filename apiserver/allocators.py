"""Shell: gives Services their cluster IPs and node ports.

What is taken is read off the Services themselves, and what was just given out is remembered until its
Service is seen, so that there is no second record that could disagree. Two API servers may pick the same
address at the same moment: the chance is one in thousands and later repair is a controller's work.

After: k8s pkg/registry/core/service/{ipallocator,portallocator,storage}/
"""

from __future__ import annotations

import ipaddress
from random import Random

from apiserver.admission.chain import DELETE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.resources import SERVICES
from kube.base.clock import Clock

NODE_PORTS = range(30000, 32768)
# How long an address given out counts as taken although no Service with it is to be seen.
REMEMBERED_SECONDS = 30.0
ATTEMPTS = 4096


class ServiceAddresses:
    """An admission plug-in: fills in clusterIP, clusterIPs and nodePort."""

    def __init__(self, cache: WatchCache, network: str, random: Random, clock: Clock) -> None:
        self._cache, self._random, self._clock = cache, random, clock
        self._network = ipaddress.ip_network(network)
        self._given: dict[str | int, float] = {}

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not SERVICES or attributes.subresource:
            return
        # What an existing Service has is taken as long as it stands there, and free as soon as it does not.
        for value in _values(o if attributes.operation == DELETE else old or {}):
            if not attributes.dry_run:
                self._given.pop(value, None)
        if attributes.operation == DELETE:
            return
        await self._cache.consistent()
        before = dict(self._given)
        self._fill(attributes, o["spec"], old)
        if attributes.dry_run:
            self._given = before

    def _fill(self, attributes: Attributes, spec: Object, old: Object | None) -> None:
        if spec.get("type") != "ExternalName":
            self._cluster_ip(attributes, spec, old)
        if (
            spec.get("type") in ("NodePort", "LoadBalancer")
            and spec.get("allocateLoadBalancerNodePorts") is not False
        ):
            self._node_ports(attributes, spec, old)

    def _cluster_ip(self, attributes: Attributes, spec: Object, old: Object | None) -> None:
        before = meta.get(old or {}, "spec", "clusterIP", default="")
        addresses = spec.get("clusterIPs") or []
        wanted = spec.get("clusterIP") or (addresses[0] if addresses else "") or before
        if wanted and addresses and addresses[0] != wanted:
            text = "first value must match `clusterIP`"
            raise _invalid(attributes, FieldError.invalid("spec.clusterIPs[0]", addresses[0], text))
        if not wanted:
            wanted = self._free_address()
        elif wanted not in ("None", before):
            self._claim_address(attributes, wanted)
        spec["clusterIP"], spec["clusterIPs"] = wanted, addresses or [wanted]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _taken(self) -> set[str | int]:
        """Every address and node port some Service has, or was just promised."""
        now = self._clock.now().timestamp()
        self._given = {each: until for each, until in self._given.items() if until > now}
        taken: set[str | int] = set(self._given)
        for entry in self._cache.log(SERVICES).objects.values():
            taken.add(entry.fields["spec.clusterIP"])
            if entry.fields["spec.type"] in ("NodePort", "LoadBalancer"):
                ports = meta.get(entry.decode(), "spec", "ports", default=[])
                taken.update(port["nodePort"] for port in ports if port.get("nodePort"))
        return taken

    def _give(self, value: str | int) -> None:
        self._given[value] = self._clock.now().timestamp() + REMEMBERED_SECONDS

    def _free_address(self) -> str:
        taken = self._taken()
        size = self._network.num_addresses
        # The lower part is left to those who ask for an address by name.
        low = min(max(16, size // 16), 256) + 1 if size > 64 else 2
        for _ in range(ATTEMPTS):
            address = str(self._network[self._random.randint(low, size - 2)])
            if address not in taken:
                self._give(address)
                return address
        raise errors.internal("failed to allocate a serviceIP: range is full")

    def _claim_address(self, attributes: Attributes, wanted: str) -> None:
        path = "spec.clusterIPs"
        try:
            inside = ipaddress.ip_address(wanted) in self._network
        except ValueError:
            text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            raise _invalid(attributes, FieldError.invalid(f"{path}[0]", wanted, text)) from None
        if not inside:
            text = f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. "
            text += f"The range of valid IPs is {self._network}"
            raise _invalid(attributes, FieldError.invalid(path, [wanted], text))
        if wanted in self._taken():
            text = f"failed to allocate IP {wanted}: provided IP is already allocated"
            raise _invalid(attributes, FieldError.invalid(path, [wanted], text))
        self._give(wanted)

    def _node_ports(self, attributes: Attributes, spec: Object, old: Object | None) -> None:
        before = {each.get("nodePort") for each in meta.get(old or {}, "spec", "ports", default=[])}
        taken = self._taken() - before
        for index, port in enumerate(spec.get("ports") or []):
            path = f"spec.ports[{index}].nodePort"
            wanted = port.get("nodePort")
            if not wanted:
                free = [each for each in NODE_PORTS if each not in taken]
                if not free:
                    raise errors.internal("failed to allocate a nodePort: range is full")
                wanted = port["nodePort"] = self._random.choice(free)
            elif wanted not in NODE_PORTS:
                text = "provided port is not in the valid range. The range of valid ports is 30000-32767"
                raise _invalid(attributes, FieldError.invalid(path, wanted, text))
            elif wanted in taken:
                raise _invalid(
                    attributes, FieldError.invalid(path, wanted, "provided port is already allocated")
                )
            taken.add(wanted)
            self._give(wanted)


def _values(service: Object) -> list[str | int]:
    """The address and the node ports of a Service."""
    ports = meta.get(service, "spec", "ports", default=[])
    node_ports = [port["nodePort"] for port in ports if port.get("nodePort")]
    return [meta.get(service, "spec", "clusterIP", default=""), *node_ports]


def _invalid(attributes: Attributes, found: FieldError) -> errors.StatusError:
    return errors.invalid(SERVICES.gvk, attributes.name, [found])
