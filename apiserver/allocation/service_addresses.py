"""Shell: an admission plug-in that gives Services their cluster IPs and node ports.

    admit    claims what the Service shall have and does not yet: two Services never get the same
    settle   once its write has happened, or has not: gives back what the Service does not have

After: k8s pkg/registry/core/service/storage/{alloc,storage}.go
"""

from __future__ import annotations

import functools
import ipaddress

from apiserver.admission.chain import DELETE, Attributes
from apiserver.allocation.cluster_ips import ClusterIPs
from apiserver.allocation.node_ports import RANGE, NodePorts, Ports
from apiserver.allocation.values import node_ports_of, values
from apiserver.registry.service import has_cluster_ip, has_node_ports, keep
from apiserver.registry.service_rules import needs_health_check
from apiserver.storage.interface import StorageError
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta
from kube.api.errors import FieldError, StatusError
from kube.api.meta import Object
from kube.api.resources import SERVICES
from kube.base.logs import logger

log = logger(__name__)


class ServiceAddresses:
    """The plug-in."""

    def __init__(self, cache: WatchCache, cluster_ips: ClusterIPs, node_ports: NodePorts) -> None:
        self._cache, self._cluster_ips, self._node_ports = cache, cluster_ips, node_ports

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not SERVICES or attributes.subresource:
            return
        before = values(o if attributes.operation == DELETE else old or {})
        claimed: set[str | int] = set()
        if attributes.operation != DELETE and old is not None and old.get("spec") == o.get("spec"):
            return
        if not attributes.dry_run:
            settle = functools.partial(self._settle, o, before, claimed)
            attributes.afterwards.append(settle)
        if attributes.operation != DELETE:
            await self._fill_in(attributes, o, old or {}, claimed)

    async def _fill_in(self, attributes: Attributes, o: Object, old: Object, claimed: set[str | int]) -> None:
        spec = o["spec"]
        keep(spec, old.get("spec") or {})
        if has_cluster_ip(spec):
            await self._cluster_ip(attributes, o, old, claimed)
        if has_node_ports(spec):
            await self._fill_in_node_ports(attributes, spec, old, claimed)
        if needs_health_check(spec):
            await self._health_check_port(attributes, spec, old, claimed)

    async def _settle(self, o: Object, before: set[str | int], claimed: set[str | int], stored: bool) -> None:
        """Give back what the Service had, or was to have, and has not now; repair does it if this fails."""
        try:
            await self._cache.consistent()
            entry = self._cache.get(SERVICES, meta.namespace(o), meta.name(o))
            has = values(entry.decode()) if entry else set()
            spare = (claimed | before if stored else claimed) - has
            for address in (value for value in spare if isinstance(value, str)):
                await self._cluster_ips.release(address, o)
            if ports := [value for value in spare if isinstance(value, int)]:
                await self._node_ports.release(ports)
        except (StorageError, StatusError) as error:
            log.warning("addresses are given back later", service=meta.name(o), error=error)

    async def _cluster_ip(
        self, attributes: Attributes, o: Object, old: Object, claimed: set[str | int]
    ) -> None:
        spec, before = o["spec"], meta.get(old, "spec", "clusterIP", default="")
        addresses, wanted = spec.get("clusterIPs") or [], spec.get("clusterIP") or ""
        if (addresses and addresses[0] != wanted) or (before and wanted != before):
            # Validation refuses what does not agree, and a new address for an old one.
            return
        if not wanted:
            wanted = await self._any_address(attributes, o)
            claimed.add(wanted)
        elif wanted not in ("None", before):
            await self._this_address(attributes, o, wanted)
            claimed.add(wanted)
        spec["clusterIP"], spec["clusterIPs"] = wanted, addresses or [wanted]
        # Nobody knows of which family the endpoints will be that a client makes himself.
        any_family = wanted == "None" and not spec.get("selector")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if any_family else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if any_family else "SingleStack")

    async def _any_address(self, attributes: Attributes, o: Object) -> str:
        if attributes.dry_run:
            return self._cluster_ips.any_free()
        return await self._cluster_ips.claim_any(o)

    async def _this_address(self, attributes: Attributes, o: Object, wanted: str) -> None:
        path, network = "spec.clusterIPs", self._cluster_ips.network
        try:
            inside = ipaddress.ip_address(wanted) in network
        except ValueError:
            text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            raise _invalid(attributes, FieldError.invalid(f"{path}[0]", wanted, text)) from None
        if not inside:
            text = f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. "
            text += f"The range of valid IPs is {network}"
            raise _invalid(attributes, FieldError.invalid(path, [wanted], text))
        if attributes.dry_run:
            await self._cache.consistent()
            free = self._cluster_ips.parent_of(wanted) is None
        else:
            free = await self._cluster_ips.claim(wanted, o)
        if not free:
            text = f"failed to allocate IP {wanted}: provided IP is already allocated"
            raise _invalid(attributes, FieldError.invalid(path, [wanted], text))

    async def _fill_in_node_ports(
        self, attributes: Attributes, spec: Object, old: Object, claimed: set[str | int]
    ) -> None:
        """A port for each that has none; of ports that differ in their protocol alone, one for all."""
        before = node_ports_of(old)
        same: dict[int, int] = {}
        for index, port in enumerate(spec.get("ports") or []):
            wanted = port.get("nodePort") or same.get(port.get("port"))
            if not wanted:
                wanted = await self._any_port(attributes, before)
            elif wanted not in before | claimed:
                await self._this_port(attributes, f"spec.ports[{index}].nodePort", wanted)
            if wanted not in before:
                claimed.add(wanted)
            port["nodePort"] = same[port.get("port")] = wanted

    async def _any_port(self, attributes: Attributes, before: Ports) -> int:
        if attributes.dry_run:
            return self._node_ports.any_free(await self._node_ports.taken() | before)
        return await self._node_ports.claim_any()

    async def _health_check_port(
        self, attributes: Attributes, spec: Object, old: Object, claimed: set[str | int]
    ) -> None:
        """Where a load balancer asks a node whether it has pods."""
        before = node_ports_of(old)
        wanted = spec.get("healthCheckNodePort")
        if not wanted:
            wanted = spec["healthCheckNodePort"] = await self._any_port(attributes, before)
        elif wanted not in before:
            await self._this_port(attributes, "spec.healthCheckNodePort", wanted)
        if wanted not in before:
            claimed.add(wanted)

    async def _this_port(self, attributes: Attributes, path: str, wanted: int) -> None:
        if wanted not in RANGE:
            text = f"provided port is not in the valid range. The range of valid ports is {RANGE_TEXT}"
            raise _invalid(attributes, FieldError.invalid(path, wanted, text))
        if attributes.dry_run:
            free = wanted not in await self._node_ports.taken()
        else:
            free = await self._node_ports.claim(wanted)
        if not free:
            raise _invalid(attributes, FieldError.invalid(path, wanted, "provided port is already allocated"))


RANGE_TEXT = f"{RANGE.start}-{RANGE.stop - 1}"


def _invalid(attributes: Attributes, found: FieldError) -> StatusError:
    return errors.invalid(SERVICES.gvk, attributes.name, [found])
