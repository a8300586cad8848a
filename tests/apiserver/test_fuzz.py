"""Whatever is sent to the operations of our own OpenAPI documents is answered with an object or a Status.

One round over all operations in each run; by hand more, and others: FUZZ_ROUNDS=100 FUZZ_SEED=7.
"""

from __future__ import annotations

import os
import re
from random import Random
from typing import Any

import orjson
import pytest

from tests.support.api_server import Api
from tests.support.fuzz import Made, Requests

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

POD = {"containers": [{"name": "a", "image": "a", "ports": [{"containerPort": 80}], "env": [{"name": "a"}]}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
ONCE = {"metadata": {"labels": {"a": "b"}}, "spec": POD | {"restartPolicy": "Never"}}
SELECTED: dict[str, Any] = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
PATHS = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"resource": TARGET}}]}}
# What is there before each round, so that there is something to change.
FIRST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/api/v1/namespaces/default/configmaps", {"data": {"a": "b"}}),
    ("/api/v1/namespaces/default/secrets", {"data": {"a": "YQ=="}}),
    ("/api/v1/namespaces/default/serviceaccounts", {}),
    ("/api/v1/namespaces/default/pods", {"spec": POD}),
    ("/api/v1/namespaces/default/services", {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}),
    ("/api/v1/namespaces/default/replicationcontrollers", {"spec": {"template": TEMPLATE}}),
    ("/api/v1/namespaces/default/resourcequotas", {"spec": {"hard": {"pods": "9"}}}),
    ("/api/v1/namespaces/default/podtemplates", {"template": TEMPLATE}),
    ("/api/v1/namespaces/default/endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}),
    ("/api/v1/namespaces", {}),
    ("/api/v1/nodes", {}),
    ("/apis/apps/v1/namespaces/default/deployments", {"spec": SELECTED}),
    ("/apis/apps/v1/namespaces/default/replicasets", {"spec": SELECTED}),
    ("/apis/apps/v1/namespaces/default/statefulsets", {"spec": SELECTED | {"serviceName": "a"}}),
    ("/apis/apps/v1/namespaces/default/daemonsets", {"spec": SELECTED}),
    ("/apis/apps/v1/namespaces/default/controllerrevisions", {"revision": 1, "data": {}}),
    ("/apis/batch/v1/namespaces/default/jobs", {"spec": {"template": ONCE}}),
    (
        "/apis/batch/v1/namespaces/default/cronjobs",
        {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": ONCE}}}},
    ),
    ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"spec": {"minAvailable": 1}}),
    (
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
        {"spec": {"maxReplicas": 2, "scaleTargetRef": TARGET}},
    ),
    ("/apis/networking.k8s.io/v1/namespaces/default/ingresses", {"spec": {"rules": [PATHS]}}),
    ("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", {"spec": {"podSelector": {}}}),
    ("/apis/coordination.k8s.io/v1/namespaces/default/leases", {"spec": {}}),
    (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", {"value": 1}),
    ("/apis/storage.k8s.io/v1/storageclasses", {"provisioner": "a"}),
)


async def outcome(api: Api, made: Made) -> str | None:
    """What is wrong with the answer, if anything is."""
    headers = {"Accept": made.accept} if made.accept else {}
    if made.content_type:
        headers["Content-Type"] = made.content_type
    options: Any = {"skip_auto_headers": ("Content-Type", "Accept"), "allow_redirects": False}
    async with api.session.request(
        made.method, api.base + made.path, data=made.body, headers=headers, **options
    ) as answer:
        if answer.status in (101, 200) and made.watches:
            return None
        body, code = await answer.read(), answer.status
    if code < 400:
        return None
    if made.accept.startswith("application/yaml"):
        return None if b"kind: Status" in body else body.decode()
    try:
        status = orjson.loads(body)
    except ValueError:
        return f"{code}, not JSON: {body[:200]!r}"
    if status.get("kind") != "Status" or status.get("code") != code:
        return f"{code}, no Status: {body[:200]!r}"
    # A 500 that Kubernetes has too carries no reason.
    return status["message"] if status.get("reason") == "InternalError" else None


@pytest.mark.slow
async def test_nothing_that_fits_the_documents_more_or_less_breaks_the_server(api: Api) -> None:
    index = await api.ok("GET", "/openapi/v3")
    urls = [each["serverRelativeURL"] for path, each in index["paths"].items() if path != "version"]
    documents = [await api.ok("GET", url) for url in urls]
    found: dict[str, str] = {}
    for number in range(ROUNDS):
        for path, o in FIRST:
            assert (await api("POST", path, {"metadata": {"name": "a"}, **o})).code < 500, path
        for document in documents:
            for made in Requests(Random(SEED * 10007 + number), document).each():
                wrong = await outcome(api, made)
                if wrong is not None:
                    found.setdefault(re.sub(r"\d+", "N", wrong)[:300], f"{wrong[:400]}\n    {made}"[:1500])
    assert not found, "\n".join(found.values())
