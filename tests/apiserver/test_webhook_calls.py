"""Calls of webhooks that fail: what the client is told, what goes on without them; connections."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.apiserver.webhooks import MAPS, SPACE, Hooked, config_map
from tests.support.api_server import Answer
from tests.support.certificates import make_authority
from tests.support.wait import until_async
from tests.support.webhook_server import Respond, answering, rule, webhook

REVIEW = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}


async def refused(hooked: Hooked) -> str:
    """What is said of a call that failed, after the words that are the same for all."""
    answer = await hooked.api("POST", MAPS, config_map())
    assert (answer.code, answer.json["reason"]) == (500, "InternalError"), answer.body
    message: str = answer.json["message"]
    assert answer.json["details"]["causes"] == [
        {"message": message.removeprefix("Internal error occurred: ")}
    ]
    begin = 'Internal error occurred: failed calling webhook "a.b.c": '
    assert message.startswith(begin), message
    return message.removeprefix(begin)


def whole(**response: Any) -> Any:
    """An answer with a review that is right, but for what is said."""
    review = {**REVIEW, **response.pop("review", {})}

    def respond(request: dict[str, Any]) -> web.Response:
        return web.json_response({**review, "response": {"uid": request["uid"], "allowed": True, **response}})

    return respond


NO_ANSWERS: list[tuple[Respond, str]] = [
    (
        lambda _: web.Response(status=404),
        "failed to call webhook: the server could not find the requested resource",
    ),
    (
        lambda _: web.Response(status=500, text="oh dear"),
        'failed to call webhook: an error on the server ("oh dear") '
        "has prevented the request from succeeding",
    ),
    (
        lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}),
        "failed to call webhook: the server responded with the status code 302 "
        "but did not return more information",
    ),
    (
        lambda _: web.Response(text="<html>"),
        "failed to call webhook: couldn't get version/kind; json parse error: "
        "invalid character '<' looking for beginning of value",
    ),
    (lambda _: web.json_response([]), "failed to call webhook: the answer is no AdmissionReview"),
    (
        lambda _: web.json_response({"response": {"allowed": "yes"}}),
        "failed to call webhook: the answer is no AdmissionReview",
    ),
    (
        lambda _: web.Response(body=bytes(3 * 1024 * 1024 + 1)),
        "failed to call webhook: the answer is larger than 3145728 bytes",
    ),
    (
        lambda _: web.json_response(REVIEW),
        "received invalid webhook response: webhook response was absent",
    ),
    (
        whole(review={"apiVersion": "admission.k8s.io/v2"}),
        "received invalid webhook response: expected webhook response of "
        "admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v2, Kind=AdmissionReview",
    ),
    (
        whole(review={"kind": "", "apiVersion": ""}),
        "received invalid webhook response: expected webhook response of "
        "admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=",
    ),
    (
        whole(patch="W10="),
        "received invalid webhook response: webhook returned response.patch but not response.patchType",
    ),
    (
        whole(patchType="JSONPatch"),
        "received invalid webhook response: webhook returned response.patchType but not response.patch",
    ),
    (whole(patch="W10=", patchType="Magic"), 'unsupported patch type "Magic"'),
    (
        whole(patch="e30=", patchType="JSONPatch"),
        "received undecodable patch in webhook response: it is no list of operations",
    ),
]


async def test_an_answer_that_is_none(hooked: Hooked) -> None:
    await hooked.mutating("c", webhook("a.b.c", hooked.server.at("/")))
    for respond, said in NO_ANSWERS:
        hooked.server.paths["/"] = respond
        assert await refused(hooked) == said


async def test_an_answer_to_another_question(hooked: Hooked) -> None:
    client = hooked.server.at("/", lambda _: {"uid": "another", "allowed": True})
    await hooked.validating("c", webhook("a.b.c", client))
    said = await refused(hooked)
    uid = hooked.server.asked[0][1]["uid"]
    assert said == f'received invalid webhook response: expected response.uid="{uid}", got "another"'


async def test_a_validating_webhook_has_no_patch(hooked: Hooked) -> None:
    client = hooked.server.at("/", whole(patch="W10=", patchType="JSONPatch"))
    await hooked.validating("c", webhook("a.b.c", client))
    assert await refused(hooked) == (
        "received invalid webhook response: validating webhook may not return response.patch"
    )


async def test_the_older_review_is_spoken_to_who_prefers_it(hooked: Hooked) -> None:
    """Its answers need neither uid nor kind, nor a type of the patch."""
    patch = "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2RhdGEiLCJ2YWx1ZSI6eyJiIjoiMiJ9fV0="
    client = hooked.server.at(
        "/", lambda _: web.json_response({"response": {"allowed": True, "patch": patch}})
    )
    await hooked.mutating("c", webhook("a.b.c", client, admissionReviewVersions=["v2", "v1beta1", "v1"]))
    assert (await hooked.api.ok("POST", MAPS, config_map()))["data"] == {"b": "2"}


def no_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_nobody_is_there(hooked: Hooked) -> None:
    address = f"127.0.0.1:{no_port()}"
    client = {"url": f"https://{address}/x/", "caBundle": hooked.server.bundle}
    await hooked.validating("c", webhook("a.b.c", client, timeoutSeconds=7))
    assert await refused(hooked) == (
        f'failed to call webhook: Post "https://{address}/x?timeout=7s": '
        f"dial tcp {address}: connect: connection refused"
    )


async def test_an_authority_that_is_not_trusted(hooked: Hooked, tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with answering(authority, authority.pair("webhook")) as other:
        client = {**other.at("/"), "caBundle": hooked.server.bundle}
        await hooked.validating("c", webhook("a.b.c", client))
        assert (await refused(hooked)).endswith(
            ": tls: failed to verify certificate: x509: certificate signed by unknown authority"
        )


async def test_a_bundle_that_is_none(hooked: Hooked) -> None:
    client = {**hooked.server.at("/"), "caBundle": "bm9uZQ=="}
    await hooked.validating("c", webhook("a.b.c", client))
    assert await refused(hooked) == (
        "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block"
    )


async def test_an_answer_that_takes_too_long(hooked: Hooked) -> None:
    client = hooked.server.at("/", lambda _: None)
    await hooked.mutating("c", webhook("a.b.c", client, timeoutSeconds=1))
    assert await refused(hooked) == (
        f'failed to call webhook: Post "{client["url"]}?timeout=1s": context deadline exceeded'
    )


async def test_who_does_not_answer_may_be_gone_on_without(hooked: Hooked) -> None:
    dead = {"url": f"https://127.0.0.1:{no_port()}", "caBundle": hooked.server.bundle}
    hook = webhook("a.b.c", dead, failurePolicy="Ignore")
    await hooked.mutating("c", hook, webhook("b.b.c", hooked.server.at("/1")))
    await hooked.validating("c", webhook("b.b.c", hooked.server.at("/2")), hook)
    assert await hooked.audited() == {
        "failed-open.mutation.webhook.admission.k8s.io/round_0_index_0": "a.b.c",
        "mutation.webhook.admission.k8s.io/round_0_index_0": (
            '{"configuration":"c","webhook":"a.b.c","mutated":false}'
        ),
        "mutation.webhook.admission.k8s.io/round_0_index_1": (
            '{"configuration":"c","webhook":"b.b.c","mutated":false}'
        ),
        "failed-open.validating.webhook.admission.k8s.io/round_0_index_1": "a.b.c",
    }
    assert [path for path, _ in hooked.server.asked] == ["/1", "/2"]
    assert (await hooked.api("GET", f"{MAPS}/m")).code == 200
    figures = (await hooked.api("GET", "/metrics")).body.decode()
    for line in (
        'apiserver_admission_webhook_fail_open_count{name="a.b.c",type="admit"} 1.0',
        'apiserver_admission_webhook_fail_open_count{name="a.b.c",type="validating"} 1.0',
        'apiserver_admission_webhook_request_total{code="200",name="b.b.c",operation="CREATE",'
        'rejected="false",type="admit"} 1.0',
        'apiserver_admission_webhook_admission_duration_seconds_count{name="b.b.c",operation="CREATE",'
        'rejected="false",type="validating"} 1.0',
    ):
        assert line in figures


async def test_refusals_are_counted_by_their_cause(hooked: Hooked) -> None:
    await hooked.validating(
        "c",
        webhook("a.b.c", hooked.server.at("/1", lambda _: {"allowed": False, "status": {"code": 999}})),
        webhook("b.b.c", hooked.server.at("/2", lambda _: web.Response(status=503))),
    )
    assert (await hooked.api("POST", MAPS, config_map())).code == 599
    figures = (await hooked.api("GET", "/metrics")).body.decode()
    count = "apiserver_admission_webhook_rejection_count"
    for line in (
        f'{count}{{error_type="no_error",name="a.b.c",operation="CREATE",rejection_code="599",'
        'type="validating"} 1.0',
        f'{count}{{error_type="calling_webhook_error",name="b.b.c",operation="CREATE",rejection_code="503",'
        'type="validating"} 1.0',
    ):
        assert line in figures


async def test_a_connection_is_kept_for_the_next_call(hooked: Hooked) -> None:
    await hooked.mutating("c", webhook("a.b.c", hooked.server.at("/1")))
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/2")))
    for name in ("m", "n"):
        await hooked.api.ok("POST", MAPS, config_map(name))
    assert (len(hooked.server.asked), len(hooked.server.connections)) == (4, 1)


async def service(hooked: Hooked, *ready: bool) -> None:
    """A Service `hooks` with two ports, and endpoints where the server listens."""
    ports = [{"name": "web", "port": 80}, {"name": "hooks", "port": 443, "targetPort": 8443}]
    await hooked.api.ok(
        "POST", f"{SPACE}/services", {"metadata": {"name": "hooks"}, "spec": {"ports": ports}}
    )
    place = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    slices = {
        "metadata": {"name": "hooks-1", "labels": {"kubernetes.io/service-name": "hooks"}},
        "addressType": "IPv4",
        "ports": [{"name": "web", "port": 1}, {"name": "hooks", "port": hooked.server.port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": each}} for each in ready],
    }
    await hooked.api.ok("POST", place, slices)


async def test_a_webhook_behind_a_service_is_called_at_a_pod_under_the_services_name(hooked: Hooked) -> None:
    hooked.server.at("/mutate")
    reference = {"namespace": "default", "name": "hooks", "path": "/mutate"}
    client = {"service": reference, "caBundle": hooked.server.bundle}
    await hooked.validating("c", webhook("a.b.c", client))
    url = 'failed to call webhook: Post "https://hooks.default.svc:443/mutate?timeout=10s": '
    assert await refused(hooked) == f'{url}service "hooks" not found'
    await service(hooked, False, True)

    async def is_answered() -> Answer | None:
        answer = await hooked.api("POST", MAPS, config_map())
        return answer if answer.code == 201 else None

    await until_async("the Service is known", is_answered)
    assert [path for path, _ in hooked.server.asked] == ["/mutate"]


async def test_a_service_without_the_port_or_without_pods(hooked: Hooked) -> None:
    await service(hooked, False)
    await hooked.api.server.cache.consistent()
    reference = {"namespace": "default", "name": "hooks", "port": 443}
    client = {"service": reference, "caBundle": hooked.server.bundle}
    await hooked.validating("c", webhook("a.b.c", client))
    begin = "failed to call webhook: Post "
    assert await refused(hooked) == (
        f'{begin}"https://hooks.default.svc:443/?timeout=10s": no endpoints available for service "hooks"'
    )
    await hooked.api.ok("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/c")
    client = {**client, "service": {**reference, "port": 444}}
    await hooked.validating("d", webhook("a.b.c", client, rule("configmaps")))
    assert await refused(hooked) == (
        f'{begin}"https://hooks.default.svc:444/?timeout=10s": no service port 444 found for service "hooks"'
    )
