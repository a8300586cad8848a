"""What the audit log says of requests to the real application, by the policy's level."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from apiserver.admission.chain import Attributes
from apiserver.audit.options import AuditFlags, open_auditor
from apiserver.authentication.user import User, known
from kube.api.meta import Object
from kube.base.clock import SystemClock
from tests.apiserver.test_auth import grant
from tests.support.api_server import ADMIN, Api, serving

MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
PODS = "/api/v1/namespaces/default/pods"
HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
QUIET = "omitStages: [RequestReceived]\n"
METADATA = f"{HEAD}{QUIET}rules: [{{level: Metadata}}]"
WHOLE = f"{HEAD}{QUIET}rules: [{{level: RequestResponse}}]"
ALLOWED = {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""}


class Audited:
    """A server that audits into a file, and that file."""

    def __init__(self, api: Api, path: Path) -> None:
        self.api, self.path = api, path

    def events(self) -> list[Any]:
        """All events so far; a request that has been answered waited for its own."""
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]

    def last(self) -> Any:
        return self.events()[-1]

    def stages(self) -> list[tuple[str, str, int | None]]:
        """Verb, stage and code of each event."""
        return [
            (each["verb"], each["stage"], each.get("responseStatus", {}).get("code"))
            for each in self.events()
        ]


@asynccontextmanager
async def auditing(
    folder: Path, policy: str, user: User | None = ADMIN, **flags: Any
) -> AsyncIterator[Audited]:
    rules, path = folder / "policy.yaml", folder / "audit.log"
    rules.write_text(policy)
    chosen = {"audit_policy_file": str(rules), "audit_log_path": str(path)} | flags
    auditor = open_auditor(AuditFlags(**chosen), SystemClock())
    assert auditor is not None
    async with serving(user=user, auditor=auditor) as api:
        yield Audited(api, path)


def secret(name: str) -> Object:
    return {"kind": "Secret", "metadata": {"name": name}, "data": {"key": "aGlkZGVu"}}


async def test_metadata_says_who_did_what_and_shows_no_body(tmp_path: Path) -> None:
    async with auditing(tmp_path, METADATA) as audited:
        made = await audited.api("POST", f"{SECRETS}?dryRun=All", secret("a"), User_Agent="me/1")
        event = audited.last()
        received, at = (
            datetime.fromisoformat(event.pop(f"{when}Timestamp")) for when in ("requestReceived", "stage")
        )
        assert received <= at
        assert event == {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": made.headers["Audit-Id"],
            "stage": "ResponseComplete",
            "requestURI": f"{SECRETS}?dryRun=All",
            "verb": "create",
            "user": {"username": ADMIN.name, "groups": list(ADMIN.groups)},
            "sourceIPs": ["127.0.0.1"],
            "userAgent": "me/1",
            "objectRef": {"resource": "secrets", "namespace": "default", "name": "a", "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": 201},
            "annotations": ALLOWED,
        }
        await audited.api.ok("POST", SECRETS, secret("a"))
        await audited.api.ok("PUT", f"{SECRETS}/a", secret("a"))
        await audited.api.ok(
            "PATCH", f"{SECRETS}/a", {"data": {"key": "aGlkZGVu"}}, "application/merge-patch+json"
        )
        await audited.api.ok("GET", SECRETS)
        await audited.api.ok("DELETE", f"{SECRETS}/a")
        verbs = [each["verb"] for each in audited.events()]
        assert verbs == ["create", "create", "update", "patch", "list", "delete"]
        assert b"aGlkZGVu" not in audited.path.read_bytes()


async def test_the_most_that_is_told_is_both_bodies_as_they_went_over_the_wire(tmp_path: Path) -> None:
    async with auditing(tmp_path, WHOLE) as audited:
        api = audited.api
        made = await api.ok("POST", MAPS, {"metadata": {"generateName": "a-"}, "data": {"k": "v"}})
        event = audited.last()
        sent = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"generateName": "a-"},
            "data": {"k": "v"},
        }
        assert (event["requestObject"], event["responseObject"]) == (sent, made)
        assert "name" not in event["objectRef"]
        path, metadata = f"{MAPS}/{made['metadata']['name']}", made["metadata"]
        put = await api.ok("PUT", path, made | {"data": {"k": "w"}})
        event = audited.last()
        assert (event["requestObject"], event["responseObject"]) == (made | {"data": {"k": "w"}}, put)
        about = (metadata["name"], metadata["uid"], metadata["resourceVersion"])
        assert tuple(event["objectRef"][key] for key in ("name", "uid", "resourceVersion")) == about
        patch = [{"op": "replace", "path": "/data/k", "value": "x"}]
        await api.ok("PATCH", path, patch, "application/json-patch+json")
        assert audited.last()["requestObject"] == patch
        applied = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {metadata['name']}}}\ndata: {{l: m}}\n"
        await api.ok("PATCH", f"{path}?fieldManager=me", applied.encode(), "application/apply-patch+yaml")
        assert audited.last()["requestObject"]["data"] == {"l": "m"}
        odd = applied.replace("m}", f"{10**30}, 1: 2}}").encode()
        refused = await api("PATCH", f"{path}?fieldManager=me", odd, "application/apply-patch+yaml")
        assert (refused.code, str(10**30) in audited.last()["requestObject"]) == (400, True)
        shown = await api("GET", MAPS, Accept="application/yaml")
        assert shown.body.startswith(b"apiVersion")
        assert audited.last()["responseObject"]["kind"] == "ConfigMapList"
        deleted = await api.ok("DELETE", path, {"propagationPolicy": "Background"})
        event = audited.last()
        assert (event["requestObject"], event["responseObject"]) == (
            {"propagationPolicy": "Background"},
            deleted,
        )
        assert event["responseStatus"]["status"] == "Success"


async def test_a_rule_chooses_the_level_and_what_managers_wrote_may_be_left_out(tmp_path: Path) -> None:
    policy = f"""{HEAD}{QUIET}omitManagedFields: true
rules:
- {{level: None, resources: [{{resources: [secrets]}}]}}
- {{level: Request, verbs: [create]}}
- {{level: RequestResponse, resources: [{{}}]}}
"""
    async with auditing(tmp_path, policy) as audited:
        api = audited.api
        await api.ok("POST", SECRETS, secret("a"))
        await api.ok("GET", "/version")
        assert audited.events() == []
        made = await api.ok(
            "POST", f"{MAPS}?fieldManager=me", {"metadata": {"name": "a"}, "data": {"k": "v"}}
        )
        event = audited.last()
        assert (event["level"], event["requestObject"]["metadata"]) == ("Request", {"name": "a"})
        assert "responseObject" not in event
        assert made["metadata"].pop("managedFields")
        await api.ok("GET", f"{MAPS}/a")
        assert audited.last()["responseObject"] == made
        await api.ok("GET", MAPS)
        await api.ok("GET", MAPS, Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
        assert audited.last()["responseObject"]["kind"] == "Table"
        assert b"managedFields" not in audited.path.read_bytes()
        levels = 'apiserver_audit_level_total{level="%s"} %s'
        metrics = (await api("GET", "/metrics")).body.decode()
        assert levels % ("None", "3.0") in metrics
        assert levels % ("RequestResponse", "3.0") in metrics
        assert "apiserver_audit_event_total 4.0" in metrics


async def test_a_watch_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async with auditing(tmp_path, f"{HEAD}rules: [{{level: RequestResponse}}]") as audited:
        api = audited.api
        async with api.watch(f"{MAPS}?watch=1") as watched:
            begun = [("watch", "RequestReceived", None), ("watch", "ResponseStarted", 200)]
            assert audited.stages() == begun
            api.server.stopping.set()
            assert [each async for each in watched] == []
        assert audited.stages() == [*begun, ("watch", "ResponseComplete", 200)]
        assert len({each["auditID"] for each in audited.events()}) == 1
        assert "annotations" not in audited.events()[0]
        first = audited.events()[0]
        assert first["stageTimestamp"] == first["requestReceivedTimestamp"]
        await api.ok("GET", MAPS)
        assert audited.stages()[3:] == [("list", "RequestReceived", None), ("list", "ResponseComplete", 200)]


async def test_exec_and_logs_have_three_stages_also_where_they_are_refused(tmp_path: Path) -> None:
    async with auditing(tmp_path, f"{HEAD}rules: [{{level: Metadata}}]") as audited:
        api = audited.api
        assert (await api("GET", f"{PODS}/none/log?follow=true")).code == 404
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await api.session.ws_connect(f"{api.base}{PODS}/none/exec?command=ls")
        for at in (0, 3):
            stages = ["RequestReceived", "ResponseStarted", "ResponseComplete"]
            assert [each["stage"] for each in audited.events()[at : at + 3]] == stages
        event = audited.last()
        assert event["objectRef"]["subresource"] == "exec"
        assert event["responseStatus"] == {
            "metadata": {},
            "status": "Failure",
            "message": 'pods "none" not found',
            "reason": "NotFound",
            "details": {"name": "none", "kind": "pods"},
            "code": 404,
        }


async def test_a_watch_over_a_websocket_ends_with_it(tmp_path: Path) -> None:
    policy = f"{HEAD}rules: [{{level: Metadata, omitStages: [RequestReceived, ResponseStarted]}}]"
    async with auditing(tmp_path, policy) as audited:
        api = audited.api
        async with api.session.ws_connect(f"{api.base}{MAPS}?watch=1") as socket:
            api.server.stopping.set()
            assert [each async for each in socket] == []
        assert [each["stage"] for each in audited.events()] == ["ResponseComplete"]


async def test_whoever_acts_as_another_is_told_as_both(tmp_path: Path) -> None:
    async with auditing(tmp_path, METADATA) as audited:
        await grant(audited.api, "carol", ["list"], ["pods"])
        await audited.api.ok("GET", PODS, Impersonate_User="carol", Impersonate_Extra_Why="test")
        event = audited.last()
        assert event["user"]["username"] == ADMIN.name
        assert event["impersonatedUser"] == {
            "username": "carol",
            "groups": ["system:authenticated"],
            "extra": {"why": ["test"]},
        }
        reason = 'RBAC: allowed by RoleBinding "carol/default" of Role "carol" to User "carol"'
        assert event["annotations"] == ALLOWED | {"authorization.k8s.io/reason": reason}
        assert (await audited.api("GET", PODS, Impersonate_Group="x")).code == 500
        event = audited.last()
        assert ("impersonatedUser" in event, event["responseStatus"]["code"]) == (False, 500)


async def test_refusals_are_told_with_their_reason(tmp_path: Path) -> None:
    async with auditing(tmp_path, METADATA, user=known("bob", uid="7")) as audited:
        assert (await audited.api("GET", PODS)).code == 403
        event = audited.last()
        assert event["user"] == {"username": "bob", "uid": "7", "groups": ["system:authenticated"]}
        assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
        status = event["responseStatus"]
        assert (status["code"], status["reason"]) == (403, "Forbidden")
        assert status["message"].startswith('pods is forbidden: User "bob" cannot list resource')
        assert (await audited.api("GET", PODS, Impersonate_User="carol")).code == 403
        assert "impersonatedUser" not in audited.last()


async def test_a_refused_credential_is_told_once_and_of_nobody(tmp_path: Path) -> None:
    policy = f"{HEAD}rules: [{{level: None, userGroups: [system:authenticated]}}, {{level: Metadata}}]"
    async with auditing(tmp_path, policy) as audited:
        assert (await audited.api("GET", PODS)).code == 200
        refused = await audited.api("GET", PODS, Authorization="Bearer nonsense", Audit_ID="mine")
        assert (refused.code, refused.headers["Audit-Id"]) == (401, "mine")
        (event,) = audited.events()
        assert (event["stage"], event["user"], event["auditID"]) == ("ResponseStarted", {}, "mine")
        assert event["responseStatus"] == {
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }
        assert event["objectRef"] == {"resource": "pods", "namespace": "default", "apiVersion": "v1"}


class Noting:
    """A plug-in that tells what it thinks of an object, and breaks on one that is called `bug`."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        attributes.annotations["noting.example.com/verdict"] = "good"
        if o["metadata"].get("name") == "bug":
            raise RuntimeError("out of order")


async def test_admission_annotates_and_a_bug_is_a_panic(tmp_path: Path) -> None:
    async with auditing(tmp_path, f"{HEAD}rules: [{{level: Metadata}}]") as audited:
        plugins: Any = audited.api.server.registry.admission.mutating
        plugins.append(Noting())
        await audited.api.ok("POST", MAPS, {"metadata": {"name": "a"}})
        assert audited.last()["annotations"] == ALLOWED | {"noting.example.com/verdict": "good"}
        assert (await audited.api("POST", MAPS, {"metadata": {"name": "bug"}})).code == 500
        assert [each["stage"] for each in audited.events()[2:]] == ["RequestReceived", "Panic"]
        status = audited.last()["responseStatus"]
        assert (status["code"], status["message"]) == (500, "APIServer panic'd: out of order")


async def test_proxies_say_where_a_request_comes_from_and_a_long_agent_is_cut(tmp_path: Path) -> None:
    async with auditing(tmp_path, METADATA) as audited:
        told = {
            "X_Forwarded_For": "10.0.0.1, unknown, ::1",
            "X_Real_Ip": "10.0.0.2",
            "User_Agent": "x" * 2000,
        }
        await audited.api.ok("GET", "/version", **told)
        event = audited.last()
        assert event["sourceIPs"] == ["10.0.0.1", "::1", "10.0.0.2", "127.0.0.1"]
        assert event["userAgent"] == "x" * 1024 + "...TRUNCATED"
        assert ("objectRef" in event, event["verb"], event["requestURI"]) == (False, "get", "/version")


async def test_nothing_is_lost_when_the_server_ends(tmp_path: Path) -> None:
    policy = f"{HEAD}{QUIET}rules: [{{level: Metadata}}]"
    async with auditing(tmp_path, policy, audit_log_mode="batch") as audited:
        for _ in range(100):
            await audited.api.ok("GET", MAPS)
        watch = await audited.api.session.get(f"{audited.api.base}{MAPS}?watch=1")
        assert watch.status == 200
    stages = audited.stages()
    assert stages.count(("list", "ResponseComplete", 200)) == 100
    assert stages[-1] == ("watch", "ResponseComplete", 200)


async def test_a_full_disk_costs_the_events_and_in_strict_mode_the_requests(tmp_path: Path) -> None:
    policy = f"{HEAD}rules: [{{level: Metadata, resources: [{{}}]}}]"
    lost = 'apiserver_audit_error_total{plugin="log"} %s'
    async with auditing(tmp_path, policy, audit_log_path="/dev/full") as audited:
        await audited.api.ok("GET", MAPS)
        assert lost % "2.0" in (await audited.api("GET", "/metrics")).body.decode()
    async with auditing(
        tmp_path, policy, audit_log_path="/dev/full", audit_log_mode="blocking-strict"
    ) as audited:
        refused = await audited.api("GET", MAPS)
        assert (refused.code, refused.json["message"]) == (
            500,
            "Internal error occurred: failed to store audit event",
        )
        metrics = (await audited.api("GET", "/metrics")).body.decode()
        assert "apiserver_audit_requests_rejected_total 1.0" in metrics
        assert lost % "2.0" in metrics
