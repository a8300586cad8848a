"""Shell: the webhooks of one kind of configuration, kept in step with the watch cache.

Which of them a request may be for follows from a few words of it, and is looked up but once for the same
words: a request that no webhook is for costs a look into a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from apiserver.admission.chain import Attributes
from apiserver.admission.webhooks.hook import Hook, read
from apiserver.admission.webhooks.rules import Asked, is_exempt, is_in_namespace, named_as
from apiserver.authentication.user import SELF
from apiserver.storage.object_log import ObjectLog
from apiserver.storage.watch_cache import WatchCache
from kube.api.resources import RESOURCES, Resource

# A webhook, and the version of the resource in which its rules name it.
Named = tuple[Hook, Resource]


class Configurations:
    """All webhooks of a kind."""

    def __init__(self, cache: WatchCache, resource: Resource) -> None:
        self._cache, self._resource = cache, resource
        self._hooks: tuple[Hook, ...] = ()
        self._named: dict[tuple[object, ...], tuple[Named, ...]] = {}
        self._seen: object = None

    def named(self, attributes: Attributes) -> Sequence[Named]:
        """The webhooks whose rules name a request, in order; none for what this server does for itself.

        It keeps what the webhooks' own pods depend on: a broken webhook would take it down with it.
        """
        log = self._cache.log(self._resource)
        if not log.objects:
            return ()
        resource = attributes.requested or attributes.resource
        if attributes.user is SELF or is_exempt(resource):
            # Before anything is read: what cannot be read must be removable.
            return ()
        within = is_in_namespace(attributes.resource, attributes.namespace)
        words = (attributes.operation, resource.group, resource.version, resource.plural)
        key = (*words, attributes.subresource, within)
        hooks = self._current(log)
        found = self._named.get(key)
        if found is None:
            asked = Asked(attributes.operation, resource, attributes.subresource, within)
            found = self._named[key] = _named(hooks, asked)
        return found

    def _current(self, log: ObjectLog) -> tuple[Hook, ...]:
        now = (log, log.end_position)
        if now != self._seen:
            self._hooks = read(entry.decode() for entry in log.objects.values())
            self._named.clear()
            self._seen = now
        return self._hooks


def _named(hooks: Sequence[Hook], asked: Asked) -> tuple[Named, ...]:
    others = versions(asked.resource)
    found = ((hook, named_as(hook.rules, asked, others, exactly=hook.is_exact)) for hook in hooks)
    return tuple((hook, resource) for hook, resource in found if resource is not None)


@cache
def versions(resource: Resource) -> tuple[Resource, ...]:
    """All that show the same stored objects."""
    prefix = resource.storage_prefix()
    return tuple(each for each in RESOURCES if each.storage_prefix() == prefix)
