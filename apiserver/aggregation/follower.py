"""Shell: looks after one APIService that others serve: can it be asked, and what does it serve?

    a change of the APIService, its Service or slices, or time --> objects are looked at
        --> GET /apis/<group>/<version>, whoever's certificate that is  --> the condition Available
        --> the same and the OpenAPI index, by the caBundle             --> the catalog of this server

Each has a loop of its own: one that does not answer keeps no other waiting. All API servers look, and one
writes: the condition is written only where it changes.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/controllers/status/remote/remote_available_controller.go
(sync); pkg/apiserver/handler_discovery.go there (fetchFreshDiscoveryForService)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import orjson

from apiserver.admission.chain import UPDATE, Attributes
from apiserver.aggregation.api_service import ApiService
from apiserver.aggregation.availability import PASSED, Verdict, failed, with_verdict
from apiserver.aggregation.catalog import Known, resources_of
from apiserver.aggregation.connections import BadAuthority, Connections
from apiserver.authentication.user import MASTERS, SELF
from apiserver.handlers.forward import Target, why_unreachable
from apiserver.registry.registry import Registry
from apiserver.storage.interface import StorageError
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.front_proxy import identity_headers
from kube.api.resources import API_SERVICES
from kube.base.backoff import Backoff
from kube.base.clock import Clock
from kube.base.logs import logger

log = logger(__name__)

REFRESH_SECONDS = 30.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.5, 5.0
ANSWER_SECONDS = 5.0
# So many addresses are asked; one good answer is enough.
ADDRESSES_MAX = 5
# As whom we ask.
AGGREGATOR, OPENAPI_READER = "system:kube-aggregator", "system:aggregator"

Tell = Callable[[str, Known | None], None]


class AskingFailed(Exception):
    """A server did not answer, or not well; the text says how."""


class Follower:
    """The loop of one. `woken`: look again; `settled`: it was looked at once."""

    def __init__(
        self,
        name: str,
        cache: WatchCache,
        registry: Registry,
        clock: Clock,
        connections: Connections,
        tell: Tell,
    ) -> None:
        self._name, self._cache, self._registry = name, cache, registry
        self._clock, self._connections, self._tell = clock, connections, tell
        self.woken, self.settled = asyncio.Event(), asyncio.Event()
        self._trouble = ""

    async def run(self) -> None:
        """Look again and again, sooner while something is wrong."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            self.woken.clear()
            is_good = await self._look()
            self.settled.set()
            if is_good:
                backoff.reset()
            try:
                async with asyncio.timeout(REFRESH_SECONDS if is_good else backoff.next()):
                    await self.woken.wait()
            except TimeoutError:
                continue
            backoff.reset()

    async def _look(self) -> bool:
        """Look once; True when all is well."""
        entry = self._cache.get(API_SERVICES, "", self._name)
        if entry is None:
            return True
        api_service = ApiService.of(entry.decode())
        verdict = self._connections.problem(api_service) or await self._ask(api_service)
        is_written = await self._write(verdict)
        known = await self._read(api_service) if verdict.is_available else None
        self._tell(self._name, known)
        return is_written and known is not None

    async def _write(self, verdict: Verdict) -> bool:
        """Make the condition say that, unless it does; False if that failed."""
        return await write(self._cache, self._registry, self._clock, self._name, verdict)

    async def _ask(self, api_service: ApiService) -> Verdict:
        """Ask for discovery, as many at once as there are addresses."""
        targets = self._connections.targets(api_service, checks=False)[:ADDRESSES_MAX]
        if not targets:
            assert api_service.service is not None, "others serve it"
            return failed(f'no endpoints available for service "{api_service.service[1]}"')
        asking = [asyncio.ensure_future(self._answers(each, api_service.path)) for each in targets]
        why = ""
        try:
            for each in asyncio.as_completed(asking):
                why = await each
                if not why:
                    return PASSED
            return failed(why)
        finally:
            for task in asking:
                task.cancel()

    async def _answers(self, target: Target, path: str) -> str:
        """Why it does not; nothing if it does."""
        try:
            await _document(target, path, AGGREGATOR, MASTERS)
        except AskingFailed as error:
            return f"failing or missing response from {target.url(path)}: {error}"
        return ""

    async def _read(self, api_service: ApiService) -> Known | None:
        """What it serves; None if it does not say."""
        try:
            target = self._connections.targets(api_service)[0]
            document = await _document(target, api_service.path, AGGREGATOR, MASTERS)
            resources = resources_of(document, *api_service.group_version)
            openapi = await _openapi(target, api_service.path)
        except (AskingFailed, BadAuthority, IndexError) as error:
            self._note(str(error))
        except (KeyError, TypeError, AttributeError) as error:
            self._note(f"its discovery is no APIResourceList: {error!r}")
        else:
            self._trouble = ""
            return Known(resources, True, openapi)
        return None

    def _note(self, why: str) -> None:
        """Tell once why it is not known what it serves."""
        if why != self._trouble:
            log.warning("cannot read what an APIService serves", name=self._name, error=why)
        self._trouble = why


async def write(cache: WatchCache, registry: Registry, clock: Clock, name: str, verdict: Verdict) -> bool:
    """Make an APIService's condition say that, unless it does; False if that failed."""
    entry = cache.get(API_SERVICES, "", name)
    found = entry.decode() if entry else None
    now = clock.now()
    if found is None or with_verdict(found, verdict, now) is found:
        return True
    asked = Attributes(UPDATE, API_SERVICES, "", name, SELF, subresource="status")
    try:
        await registry.update(asked, lambda old: with_verdict(old, verdict, now), meta.uid(found))
    except (StorageError, StatusError) as error:
        log.warning("cannot tell of an APIService, will retry", name=name, error=error)
        return False
    log.info(
        "an APIService's availability has changed", name=name, reason=verdict.reason, why=verdict.message
    )
    return True


async def _openapi(target: Target, path: str) -> str:
    """Where the OpenAPI v3 document of a group version is; nothing where there is none."""
    try:
        index = await _document(target, "/openapi/v3", OPENAPI_READER)
    except AskingFailed:
        return ""
    return str(meta.get(index, "paths", path.strip("/"), "serverRelativeURL", default=""))


async def _document(target: Target, path: str, user: str, *groups: str) -> meta.Object:
    """GET a document as somebody; raises AskingFailed."""
    url = target.url(path)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            async with target.session.get(
                url,
                headers=[("Accept", "application/json"), *identity_headers(user, groups)],
                allow_redirects=False,
                ssl=target.ssl,
                server_hostname=target.server_name,
            ) as answer:
                body = await answer.read()
    except TimeoutError as error:
        raise AskingFailed(f'Get "{url}": context deadline exceeded') from error
    except (aiohttp.ClientError, OSError) as error:
        raise AskingFailed(f'Get "{url}": {why_unreachable(target.host, error)}') from error
    if not 200 <= answer.status < 300:
        raise AskingFailed(f"bad status from {url}: {answer.status}")
    try:
        document: meta.Object = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Enough for an answer; who wants to read it finds nothing in it.
        return {}
    return document if isinstance(document, dict) else {}
