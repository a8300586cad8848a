"""Shell: what every controller is given: client, shared informers, clock, chance, and an Event source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeVar

from kube.api.resources import Resource
from kube.base.clock import Clock
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.client.workqueue import WorkQueue
from kube.client.workqueue_metrics import QueueMetrics
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.reconciler import Reconciler

Seen = TypeVar("Seen")


@dataclass(slots=True)
class Wiring:
    """Handed to each controller's `build`; remembers the recorders so that they can be started.

    client: as whom the controller calls the API; the informers are the manager's own.
    """

    client: Client
    informers: InformerFactory
    clock: Clock
    random: Random
    queues: QueueMetrics | None = None
    recorders: dict[str, EventRecorder] = field(default_factory=dict)

    def calling(self, client: Client) -> Wiring:
        """The same for a controller that calls as another."""
        return replace(self, client=client)

    def controller(
        self,
        component: str,
        queue: str,
        reconciler: Reconciler[Seen],
        children: Resource | None = None,
        expectations: Expectations | None = None,
    ) -> Controller[Seen]:
        """A controller whose Events come from `component`; `queue`: what metrics call its queue."""
        recorder = self.recorders.get(component) or EventRecorder(self.client, component, clock=self.clock)
        self.recorders[component] = recorder
        return Controller(
            component,
            WorkQueue(queue, self.queues),
            reconciler,
            self.client,
            recorder,
            self.clock,
            self.random,
            children,
            expectations,
        )

    def start_recorders(self, tasks: Tasks) -> None:
        for component, recorder in self.recorders.items():
            tasks.start(f"events of {component}", recorder.run)
