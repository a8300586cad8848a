"""Shell: the way to the servers behind APIServices: which address, by whose certificate it is known, and what
we show it.

    APIService -> Service, EndpointSlices (in the cache) -> an address
               -> caBundle -> a TLS context, which shows --proxy-client-cert-file

One context for each caBundle: a connection is used again for all APIServices of one server.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/apiserver/resolvers.go;
pkg/controllers/status/remote/remote_available_controller.go there, BuildTransportConfig
"""

from __future__ import annotations

import base64
import binascii
import ssl
from random import Random

import aiohttp

from apiserver.aggregation import availability
from apiserver.aggregation.api_service import ApiService
from apiserver.aggregation.availability import Verdict
from apiserver.handlers.forward import Target
from apiserver.service_endpoints import service_of, slices_of
from apiserver.storage.watch_cache import WatchCache
from kube.api.meta import Object
from kube.base import low_ports, tls

CONNECT_SECONDS = 5.0
# Contexts that are kept; then the oldest goes.
CONTEXTS_MAX = 32


class BadAuthority(Exception):
    """The caBundle of an APIService is none."""


class Connections:
    """Finds and reaches them. `certificate` and `key`: what we show, if anything."""

    def __init__(self, cache: WatchCache, chance: Random, certificate: str, key: str) -> None:
        self._cache, self._chance = cache, chance
        self._certificate, self._key = certificate, key
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None
        # What cannot be shown is told when the process starts.
        self._context(None)

    async def close(self) -> None:
        """Close what is open; it opens again when it is asked for."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def problem(self, api_service: ApiService) -> Verdict | None:
        """What the Service and its endpoints lack."""
        return availability.problem(api_service, self._service(api_service), self._slices(api_service))

    def targets(self, api_service: ApiService, *, checks: bool = True) -> list[Target]:
        """All that may be asked, by chance's order; none where nobody can.

        BadAuthority, if certificates are to be checked and that is not possible.
        """
        found = availability.addresses(api_service, self._service(api_service), self._slices(api_service))
        context = self._context(api_service.ca_bundle if checks and not api_service.is_unchecked else None)
        hosts = [f"{f'[{ip}]' if ':' in ip else ip}:{low_ports.bindable(port)}" for ip, port in found]
        self._chance.shuffle(hosts)
        name = api_service.server_name
        return [Target(self._opened(), "https", host, context, name) for host in hosts]

    def _service(self, api_service: ApiService) -> Object | None:
        assert api_service.service is not None, "asked of those of others alone"
        return service_of(self._cache, *api_service.service)

    def _slices(self, api_service: ApiService) -> list[Object]:
        assert api_service.service is not None, "asked of those of others alone"
        return slices_of(self._cache, *api_service.service)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS)
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        return self._session

    def _context(self, ca_bundle: str | None) -> ssl.SSLContext:
        """Certificates are checked by a bundle, by the system's authorities (empty) or not at all (None)."""
        key = "none" if ca_bundle is None else f"by {ca_bundle}"
        if key not in self._contexts:
            while len(self._contexts) >= CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[key] = self._new_context(ca_bundle)
        return self._contexts[key]

    def _new_context(self, ca_bundle: str | None) -> ssl.SSLContext:
        shown = (self._certificate or None, self._key or None)
        if ca_bundle == "":
            return tls.client_context(None, *shown)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_bundle is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        else:
            try:
                context.load_verify_locations(
                    cadata=base64.b64decode(ca_bundle, validate=True).decode("ascii")
                )
            except (ssl.SSLError, ValueError, binascii.Error) as error:
                raise BadAuthority(f"unable to load root certificates: {error}") from error
        tls.show_certificate(context, *shown)
        return context
