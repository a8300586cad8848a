"""The Pod Security Standards at the door: who is refused, warned, noted or exempt, in Kubernetes' words."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.admission.chain import CREATE, Attributes
from apiserver.main import DEFAULTS
from kube.api.resources import DEPLOYMENTS, PODS
from kube.base.startup import StartupError
from tests.support.api_server import ADMIN, Answer, Api, serving

SPACE = "/api/v1/namespaces/default"
MERGE = "application/merge-patch+json"
LABEL = "pod-security.kubernetes.io/"
WHY = (
    "allowPrivilegeEscalation != false "
    '(container "c" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to '
    '"RuntimeDefault" or "Localhost")'
)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


async def label(api: Api, **labels: str | None) -> list[str]:
    """Label the namespace; the warnings."""
    said = {LABEL + key.replace("_", "-"): value for key, value in labels.items()}
    answer = await api("PATCH", SPACE, {"metadata": {"labels": said}}, MERGE)
    assert answer.code == 200, answer.body
    await api.server.cache.consistent()
    return warnings(answer)


def warnings(answer: Answer) -> list[str]:
    quoted = [re.fullmatch('299 - "(.*)"', each) for each in answer.headers.getall("Warning", [])]
    return [re.sub(r"\\(.)", r"\1", each[1]) for each in quoted if each is not None]


def container(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", **more}


def pod(name: str = "p", *containers: dict[str, Any], **spec: Any) -> Any:
    return {"metadata": {"name": name}, "spec": {"containers": containers or [container()], **spec}}


def good(name: str) -> Any:
    inner = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    outer = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return pod(name, container(securityContext=inner), securityContext=outer)


async def test_what_is_enforced_is_refused(api: Api) -> None:
    await label(api, enforce="restricted")
    answer = await api("POST", f"{SPACE}/pods", pod())
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == f'pods "p" is forbidden: violates PodSecurity "restricted:latest": {WHY}'
    assert answer.json["details"] == {"name": "p", "kind": "pods"}
    assert warnings(answer) == []
    assert warnings(await api("POST", f"{SPACE}/pods", good("fine"))) == []
    await api.ok("GET", f"{SPACE}/pods/fine")


async def test_a_version_is_judged_as_it_was(api: Api) -> None:
    await label(api, enforce="restricted", enforce_version="v1.7")
    answer = await api("POST", f"{SPACE}/pods", pod())
    assert answer.json["message"] == (
        'pods "p" is forbidden: violates PodSecurity "restricted:v1.7": runAsNonRoot != true '
        '(pod or container "c" must set securityContext.runAsNonRoot=true)'
    )


async def test_a_warning_comes_beside_the_answer(api: Api) -> None:
    await label(api, enforce="baseline", warn="restricted")
    answer = await api("POST", f"{SPACE}/pods", pod())
    assert answer.code == 201
    assert warnings(answer) == [f'would violate PodSecurity "restricted:latest": {WHY}']


TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()], "hostPID": True}}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
JOB = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}
CONTROLLERS = {
    "/api/v1/namespaces/default/podtemplates": {"template": TEMPLATE},
    "/api/v1/namespaces/default/replicationcontrollers": {"spec": {"template": TEMPLATE}},
    "/apis/apps/v1/namespaces/default/replicasets": {"spec": SELECTED},
    "/apis/apps/v1/namespaces/default/deployments": {"spec": SELECTED},
    "/apis/apps/v1/namespaces/default/statefulsets": {"spec": {**SELECTED, "serviceName": "s"}},
    "/apis/apps/v1/namespaces/default/daemonsets": {"spec": SELECTED},
    "/apis/batch/v1/namespaces/default/jobs": {"spec": JOB},
    "/apis/batch/v1/namespaces/default/cronjobs": {
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}
    },
}


async def test_what_would_make_pods_is_warned_and_never_refused(api: Api) -> None:
    await label(api, enforce="baseline")
    for path, o in CONTROLLERS.items():
        answer = await api("POST", path, {"metadata": {"name": "x"}, **o})
        assert answer.code == 201, answer.body
        told = ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']
        assert (path, warnings(answer)) == (path, told)
    scaled = await api("PATCH", f"{[*CONTROLLERS][3]}/x/scale", {"spec": {"replicas": 3}}, MERGE)
    assert (scaled.code, warnings(scaled)) == (200, [])


async def test_only_changes_that_matter_are_judged_again(api: Api) -> None:
    await api.ok("POST", f"{SPACE}/pods", pod())
    await label(api, enforce="restricted")
    path = f"{SPACE}/pods/p"
    await api.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    await api.ok("PATCH", f"{path}/status", {"status": {"phase": "Running"}}, MERGE)
    image = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    refused = await api("PATCH", path, image, "application/strategic-merge-patch+json")
    assert refused.code == 403, refused.body
    assert refused.json["message"].startswith(
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": allow'
    )


async def test_a_container_added_later_is_judged(api: Api) -> None:
    await label(api, enforce="baseline")
    await api.ok("POST", f"{SPACE}/pods", pod())

    async def add(name: str, **more: Any) -> Answer:
        added = {"spec": {"ephemeralContainers": [container(name, **more)]}}
        path = f"{SPACE}/pods/p/ephemeralcontainers"
        return await api("PATCH", path, added, "application/strategic-merge-patch+json")

    refused = await add("e", securityContext={"privileged": True})
    assert refused.json["message"] == (
        'pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged '
        '(container "e" must not set securityContext.privileged=true)'
    )
    assert (await add("e")).code == 200


async def test_labels_that_cannot_be_read_are_refused(api: Api) -> None:
    bad = {"metadata": {"labels": {f"{LABEL}enforce": "strict", f"{LABEL}warn-version": "1.30"}}}
    texts = [
        f'metadata.labels[{LABEL}enforce]: Invalid value: "strict": '
        "must be one of privileged, baseline, restricted",
        f'metadata.labels[{LABEL}warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"',
    ]
    answer = await api("PATCH", SPACE, bad, MERGE)
    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert answer.json["message"] == f'Namespace "default" is invalid: [{", ".join(texts)}]'
    fields = [each["field"] for each in answer.json["details"]["causes"]]
    assert fields == [f"metadata.labels[{LABEL}enforce]", f"metadata.labels[{LABEL}warn-version]"]
    bad["metadata"] |= {"name": "new"}
    assert (await api("POST", "/api/v1/namespaces", bad)).code == 422


async def test_the_pods_that_are_there_are_named_when_more_is_enforced(api: Api) -> None:
    for name in ("b", "a"):
        await api.ok("POST", f"{SPACE}/pods", pod(name))
    await api.ok("POST", f"{SPACE}/pods", pod("host", hostNetwork=True))
    await api.ok("POST", f"{SPACE}/pods", good("good"))
    await api.server.cache.consistent()
    reasons = (
        "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
    )
    told = [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "restricted:latest"',
        f"a (and 1 other pod): {reasons}",
        f"host: host namespaces, {reasons}",
    ]
    assert await label(api, enforce="restricted") == told
    assert await label(api, warn="baseline") == []
    assert await label(api, enforce="baseline") == []
    assert await label(api, enforce_version="v1.20") == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:v1.20"',
        "host: host namespaces",
    ]
    assert await label(api, enforce="privileged") == []


async def test_the_audit_log_is_told(api: Api) -> None:
    async def notes(resource: Any, o: Any) -> dict[str, str]:
        asked = Attributes(CREATE, resource, "default", "", ADMIN, dry_run=True)
        o["metadata"]["namespace"] = "default"
        await api.server.registry.create(asked, o)
        return {key.removeprefix(LABEL): value for key, value in asked.annotations.items()}

    assert await notes(PODS, pod()) == {"enforce-policy": "privileged:latest"}
    await label(api, audit="restricted", enforce="baseline")
    told = {"audit-violations": f'would violate PodSecurity "restricted:latest": {WHY}'}
    assert await notes(PODS, pod()) == {"enforce-policy": "baseline:latest", **told}
    made = {"metadata": {"name": "x"}, "spec": {**SELECTED, "template": {**TEMPLATE, "spec": pod()["spec"]}}}
    assert await notes(DEPLOYMENTS, made) == told


CONFIGURATION = {
    "apiVersion": "pod-security.admission.config.k8s.io/v1",
    "kind": "PodSecurityConfiguration",
    "defaults": {"enforce": "baseline", "enforce-version": "v1.30"},
    "exemptions": {
        "usernames": ["admin"],
        "namespaces": ["kube-system"],
        "runtimeClasses": ["kata"],
    },
}
HEAD = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration"}


def written(folder: Path, *plugins: Any, **other: Any) -> Any:
    file = folder / "admission.yaml"
    file.write_text(yaml.safe_dump({**HEAD, "plugins": list(plugins), **other}))
    return replace(DEFAULTS, admission_control_config_file=str(file))


async def test_defaults_and_exemptions_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pod-security.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    flags = written(tmp_path, {"name": "PodSecurity", "path": "pod-security.yaml"})
    async with serving(flags=flags) as api:
        refused = await api("POST", f"{SPACE}/pods", pod(hostPID=True))
        assert refused.json["message"] == (
            'pods "p" is forbidden: violates PodSecurity "baseline:v1.30": host namespaces (hostPID=true)'
        )
        kata = {"metadata": {"name": "kata"}, "handler": "kata"}
        await api.ok("POST", "/apis/node.k8s.io/v1/runtimeclasses", kata)
        await api.ok("POST", f"{SPACE}/pods", pod("kata", hostPID=True, runtimeClassName="kata"))
        account = {"metadata": {"name": "default"}}
        await api.ok("POST", "/api/v1/namespaces/kube-system/serviceaccounts", account)
        await api.ok("POST", "/api/v1/namespaces/kube-system/pods", pod(hostPID=True))
        labels = {"metadata": {"labels": {f"{LABEL}enforce": "restricted", f"{LABEL}audit-version": "v1.1"}}}
        answer = await api("PATCH", "/api/v1/namespaces/kube-system", labels, MERGE)
        assert warnings(answer) == [
            'namespace "kube-system" is exempt from Pod Security, and the policy '
            "(enforce=restricted:v1.30) will be ignored"
        ]
        exempt = replace(ADMIN, name="admin")
        asked = Attributes(CREATE, PODS, "default", "", exempt, dry_run=True)
        o = pod("mine", hostPID=True)
        o["metadata"]["namespace"] = "default"
        await api.server.registry.create(asked, o)
        assert asked.annotations == {f"{LABEL}exempt": "user"}


@pytest.mark.parametrize(
    ("plugins", "other", "complaint"),
    [
        (
            [],
            {"kind": "Admission"},
            "must have kind AdmissionConfiguration, apiVersion apiserver.config.k8s.io/v1",
        ),
        ([], {"plugin": []}, "plugin: no such field; there are apiVersion, kind, plugins"),
        (["PodSecurity"], {}, "plugins[0]: must be an object"),
        (
            [{"name": "PodSecuritee"}],
            {},
            'plugins[0].name: Unsupported value: "PodSecuritee": supported values: "PodSecurity"',
        ),
        ([{"name": "PodSecurity"}] * 2, {}, 'plugins[1].name: Duplicate value: "PodSecurity"'),
        ([{"name": "PodSecurity", "path": "gone"}], {}, "gone: No such file or directory"),
        (
            [{"name": "PodSecurity", "path": "a", "configuration": {}}],
            {},
            "plugins[0]: path and configuration exclude each other",
        ),
        (
            [{"name": "PodSecurity", "configuration": []}],
            {},
            "plugins[0].configuration: must be an object",
        ),
        (
            [{"name": "PodSecurity", "configuration": {**CONFIGURATION, "defaults": {"warn": "all"}}}],
            {},
            'plugins[0].configuration.defaults.warn: Invalid value: "all": must be one of privileged, '
            "baseline, restricted",
        ),
    ],
)
async def test_a_wrong_file_is_named(tmp_path: Path, plugins: Any, other: Any, complaint: str) -> None:
    flags = written(tmp_path, *plugins, **other)
    with pytest.raises(StartupError, match=re.escape(complaint)) as refused:
        async with serving(flags=flags):
            pass
    assert f"--admission-control-config-file {tmp_path}" in str(refused.value)
