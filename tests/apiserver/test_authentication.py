"""Who a caller is: by which token, certificate or headers; and what makes him nobody."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver import app
from apiserver.authentication import bootstrap_tokens
from apiserver.authentication.authenticator import Authenticator
from apiserver.authentication.peers import Peers
from apiserver.authentication.request_header import RequestHeader
from apiserver.authentication.static_tokens import parse
from apiserver.authentication.tokens import CLAIM, load_public
from apiserver.authentication.user import known
from apiserver.http_protocol import HttpServer, bind
from apiserver.main import Flags
from apiserver.storage.interface import Changes, Page, Stored
from kube.api.meta import Object
from kube.base.run import StartupError
from tests.support.api_server import Api, serving
from tests.support.certificates import Authority, make_authority
from tests.support.memory_storage import MemoryStorage

SPACE = "/api/v1/namespaces/default"
ACCOUNT = f"{SPACE}/serviceaccounts/default"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TOKEN_REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


async def who(api: Api, **headers: str) -> Any:
    """The name of who asks; 401 where he is nobody."""
    answer = await api("POST", REVIEW, {}, **headers)
    return answer.json["status"]["userInfo"]["username"] if answer.code == 201 else answer.code


async def token(api: Api, account: str = ACCOUNT, **spec: Any) -> str:
    made = await api.ok("POST", f"{account}/token", {"spec": spec})
    return str(made["status"]["token"])


def test_static_tokens_are_lines() -> None:
    known_tokens = parse(['t1,alice,uid-1,"dev, ops"', "", "t2,bob,uid-2"])
    assert known_tokens.authenticate("t1") == known("alice", ("dev", "ops"), "uid-1")
    assert known_tokens.authenticate("t2") == known("bob", (), "uid-2")
    assert known_tokens.authenticate("t") is None


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["t,alice"], 'line 1: token,user,uid are needed, and "group1,group2" may follow'),
        (["t,alice,1", ",bob,2"], "line 2: the token is empty"),
        (["t,,1"], "line 1: the user is empty"),
        (["t,alice,1", "t,bob,2"], "line 2: a token that stands further up, too"),
    ],
)
def test_a_line_that_is_no_token_is_named(lines: list[str], why: str) -> None:
    with pytest.raises(ValueError, match="line") as refused:
        parse(lines)
    assert str(refused.value) == why


async def test_a_static_token_is_its_user(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text("sesame,alice,u1,system:masters\n")
    async with serving(user=None, flags=Flags(token_auth_file=str(path))) as api:
        assert await who(api, Authorization="Bearer sesame") == "alice"
        assert await who(api, Authorization="Bearer sesam") == 401
        seen = await api.ok(
            "POST", TOKEN_REVIEW, {"spec": {"token": "sesame"}}, Authorization="Bearer sesame"
        )
        assert seen["status"]["user"]["groups"] == ["system:masters", "system:authenticated"]
    with pytest.raises(StartupError, match=r"--token-auth-file .*: No such file or directory"):
        async with serving(flags=Flags(token_auth_file=str(tmp_path / "none"))):
            pass


def bootstrap_secret(**data: str) -> Object:
    whole = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **{key.replace("_", "-"): value for key, value in data.items()},
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in whole.items()}
    metadata = {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    return {"metadata": metadata, "type": bootstrap_tokens.TYPE, "data": encoded}


@pytest.mark.parametrize(
    ("data", "groups"),
    [
        ({}, ("system:bootstrappers",)),
        ({"expiration": "2030-01-01T00:00:01Z"}, ("system:bootstrappers",)),
        ({"auth_extra_groups": "system:bootstrappers:x"}, ("system:bootstrappers", "system:bootstrappers:x")),
        ({"expiration": "2030-01-01T00:00:00Z"}, None),
        ({"expiration": "tomorrow"}, None),
        ({"token_secret": "0123456789abcdee"}, None),
        ({"token_id": "abcdee"}, None),
        ({"usage_bootstrap_authentication": "yes"}, None),
        ({"auth_extra_groups": "system:masters"}, None),
    ],
)
def test_a_bootstrap_token_is_what_its_secret_says(data: Any, groups: Any) -> None:
    found = {("kube-system", "bootstrap-token-abcdef"): bootstrap_secret(**data)}
    user = bootstrap_tokens.authenticate(
        "abcdef.0123456789abcdef", lambda space, name: found.get((space, name)), NOW
    )
    assert user == (known("system:bootstrap:abcdef", groups) if groups else None)
    for other in ("abcdee.0123456789abcdef", "abcdef.0123456789abcde", "abcdef", "ABCDEF.0123456789abcdef"):
        assert bootstrap_tokens.authenticate(other, lambda s, n: found.get((s, n)), NOW) is None


async def test_bootstrap_tokens_are_taken_where_that_is_allowed() -> None:
    bearer = "Bearer abcdef.0123456789abcdef"
    async with serving(flags=Flags(enable_bootstrap_token_auth=True)) as api:
        assert await who(api, Authorization=bearer) == 401
        await api.ok("POST", "/api/v1/namespaces/kube-system/secrets", bootstrap_secret())
        await api.server.cache.consistent()
        assert await who(api, Authorization=bearer) == "system:bootstrap:abcdef"
        async with serving(api.server.storage) as other:
            assert await who(other, Authorization=bearer) == 401


async def test_who_shows_nothing_is_anonymous_or_nobody() -> None:
    async with serving(user=None) as api:
        assert (await api("GET", "/version")).code == 200
    async with serving(user=None, flags=Flags(anonymous_auth=False)) as api:
        refused = await api("GET", "/version")
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        told = {"message": "Unauthorized", "reason": "Unauthorized", "code": 401}
        assert (refused.code, refused.json) == (401, status | told)


async def test_a_token_dies_with_what_it_is_bound_to(api: Api) -> None:
    await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}
    for kind, plural, body in (
        ("Pod", "pods", {"spec": spec}),
        ("Secret", "secrets", {}),
    ):
        path = f"{SPACE}/{plural}"
        made = await api.ok("POST", path, {"metadata": {"name": "o"}, **body})
        bound = {"kind": kind, "apiVersion": "v1", "name": "o", "uid": made["metadata"]["uid"]}
        bearer = f"Bearer {await token(api, boundObjectRef=bound)}"
        assert await who(api, Authorization=bearer) == "system:serviceaccount:default:default"
        await api.ok("DELETE", f"{path}/o")
        await api.server.cache.consistent()
        assert await who(api, Authorization=bearer) == 401
        await api.ok("POST", path, {"metadata": {"name": "o"}, **body})
        await api.server.cache.consistent()
        assert await who(api, Authorization=bearer) == 401, "another one of that name"


class Late(MemoryStorage):
    """Another server's view of a store: it hears of changes only once it has asked how far the store is."""

    def __init__(self, inner: MemoryStorage) -> None:
        super().__init__()
        self.inner, self.asked = inner, asyncio.Event()
        self.asked.set()

    async def get(self, key: str) -> Stored | None:
        return await self.inner.get(key)

    async def list(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        return await self.inner.list(prefix, start, limit, revision)

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        return await self.inner.create(key, value, ttl_seconds)

    async def update(self, key: str, value: bytes, expected_revision: int, ttl_seconds: int = 0) -> int:
        return await self.inner.update(key, value, expected_revision, ttl_seconds)

    async def current_revision(self) -> int:
        self.asked.set()
        return await self.inner.current_revision()

    async def watch(self, start_revision: int) -> AsyncIterator[Changes]:
        async for changes in self.inner.watch(start_revision):
            await self.asked.wait()
            yield changes


async def test_a_server_that_is_behind_catches_up_before_it_knows_nobody(tmp_path: Path) -> None:
    """The account was made at another server a moment ago."""
    storage = MemoryStorage()
    async with serving(storage) as api:
        (tmp_path / "key.pub").write_bytes(_pem(api.server.tokens._keys.private))
        late, flags = Late(storage), Flags(service_account_key_file=(str(tmp_path / "key.pub"),))
        async with serving(late, flags=flags) as other:
            late.asked.clear()
            await api.ok("POST", f"{SPACE}/serviceaccounts", {"metadata": {"name": "robot"}})
            bearer = f"Bearer {await token(api, f'{SPACE}/serviceaccounts/robot')}"
            assert not late.asked.is_set()
            assert await who(other, Authorization=bearer) == "system:serviceaccount:default:robot"


async def test_a_pods_token_tells_its_node(api: Api) -> None:
    node = await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    await api.ok("POST", f"{SPACE}/pods", {"metadata": {"name": "p"}, "spec": spec})
    bearer = f"Bearer {await token(api, boundObjectRef={'kind': 'Pod', 'apiVersion': 'v1', 'name': 'p'})}"
    review = await api.ok("POST", REVIEW, {}, Authorization=bearer)
    extra = review["status"]["userInfo"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    assert extra["authentication.kubernetes.io/node-uid"] == [node["metadata"]["uid"]]


async def test_a_token_is_for_whom_it_says(api: Api) -> None:
    elsewhere = await token(api, audiences=["vault"])
    assert await who(api, Authorization=f"Bearer {elsewhere}") == 401
    for audiences, known_there in ((["vault"], True), (["other"], False), ([], False)):
        review = {"spec": {"token": elsewhere, "audiences": audiences}}
        answer = (await api.ok("POST", TOKEN_REVIEW, review))["status"]
        assert (audiences, answer.get("authenticated", False)) == (audiences, known_there)
    async with serving(flags=Flags(api_audiences="kube, vault")) as other:
        made = await token(other, audiences=["vault"])
        assert await who(other, Authorization=f"Bearer {made}") == "system:serviceaccount:default:default"
        claims = jwt.decode(await token(other), options={"verify_signature": False})
        assert claims["aud"] == ["kube", "vault"]


async def test_forged_tokens_are_nobodys(api: Api) -> None:
    """Each says what a good one says."""
    good = await token(api)
    claims = jwt.decode(good, options={"verify_signature": False})
    tokens = api.server.tokens
    public = tokens._keys.public.key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header, payload, signature = good.split(".")
    kid = {"kid": tokens._keys.public.id}
    claims_of_hs = base64.urlsafe_b64encode(orjson.dumps({"alg": "HS256", "typ": "JWT", **kid})).rstrip(b"=")
    hmac_input = claims_of_hs + b"." + payload.encode()
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    by_public_key = hmac_input + b"." + base64.urlsafe_b64encode(hmac.sign(hmac_input, public)).rstrip(b"=")
    other_key = ec.generate_private_key(ec.SECP256R1())
    other_claims = base64.urlsafe_b64encode(orjson.dumps(claims | {"sub": "x"})).decode().rstrip("=")

    def signed(key: Any = tokens._keys.private, **changed: Any) -> str:
        return jwt.encode(claims | changed, key, "ES256", kid)

    assert await who(api, Authorization=f"Bearer {signed()}") == "system:serviceaccount:default:default"
    unbound = {"namespace": "default"}
    for forged in (
        jwt.encode(claims, None, "none", kid),
        by_public_key.decode(),
        signed(other_key),
        f"{header}.{payload}.{'A' * len(signature)}",
        f"{header}.{other_claims}.{signature}",
        signed(exp=int(datetime.now(UTC).timestamp()) - 1),  # noqa: TID251 -- tokens end by the real clock
        signed(nbf=int((datetime.now(UTC) + timedelta(hours=1)).timestamp())),  # noqa: TID251
        signed(iss="https://elsewhere"),
        signed(aud=["elsewhere"]),
        signed(**{CLAIM: unbound}),
        signed(**{CLAIM: claims[CLAIM] | {"serviceaccount": {"name": "default", "uid": "another"}}}),
        "a.b.c",
        "." * 1000,
        "é",
    ):
        assert await who(api, Authorization=f"Bearer {forged}") == 401, forged


def _pem(key: Any) -> bytes:
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


async def test_the_signing_key_is_changed_without_a_break(tmp_path: Path) -> None:
    """The old key's tokens are good as long as its public half is listed."""
    async with serving() as before:
        old = await token(before)
        private = before.server.tokens._keys.private
        (tmp_path / "old.pub").write_bytes(_pem(private))
        flags = Flags(service_account_key_file=(str(tmp_path / "old.pub"),))
        async with serving(before.server.storage, flags=flags) as after:
            name = "system:serviceaccount:default:default"
            assert await who(after, Authorization=f"Bearer {old}") == name
            new = await token(after)
            assert await who(after, Authorization=f"Bearer {new}") == name
            assert await who(before, Authorization=f"Bearer {new}") == 401
            keys = (await after.ok("GET", "/openid/v1/jwks"))["keys"]
            ids = [jwt.get_unverified_header(each)["kid"] for each in (new, old)]
            assert [each["kid"] for each in keys] == ids
            fits = jwt.PyJWK(keys[1])
            assert jwt.decode(old, fits.key, ["ES256"], audience=after.server.tokens.issuer)["sub"] == name


def test_public_keys_of_both_kinds_stand_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    both = (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048))
    path.write_bytes(b"\n".join(map(_pem, both)))
    assert [each.algorithm for each in load_public(str(path))] == ["ES256", "RS256"]
    path.write_text("nothing")
    with pytest.raises(StartupError, match="there is no PEM key in it"):
        load_public(str(path))


async def test_where_others_find_keys_can_be_told() -> None:
    async with serving(flags=Flags(service_account_jwks_uri="https://keys.example.com/jwks")) as api:
        told = await api.ok("GET", "/.well-known/openid-configuration")
        assert told["jwks_uri"] == "https://keys.example.com/jwks"


@dataclass
class Front:
    """A server behind TLS that believes proxies, and both authorities."""

    url: str
    clients: Authority
    proxies: Authority

    async def who(self, pair: tuple[str, str] | None, **headers: str) -> Any:
        context = ssl.create_default_context(cafile=self.clients.ca)
        if pair is not None:
            context.load_cert_chain(*pair)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + REVIEW, ssl=context, headers=sent, json={}) as answer,
        ):
            said = await answer.json()
            return said["status"]["userInfo"] if answer.status == 201 else answer.status


@asynccontextmanager
async def front(tmp_path: Path, *allowed: str) -> AsyncIterator[Front]:
    clients, proxies = (make_authority(tmp_path / name, name) for name in ("clients", "proxies"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*clients.pair("kube-apiserver"))
    for each in (clients, proxies):
        context.load_verify_locations(each.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with serving() as api:
        known_by = api.server.authenticator
        believing = replace(known_by, request_header=RequestHeader(proxies.ca, allowed))
        assert isinstance(believing, Authenticator)
        api.server.authenticator = believing
        http = HttpServer(app.Application(api.server), context, Peers(clients.ca, proxies.ca))
        listener = bind("127.0.0.1", 0, "--secure-port")
        await http.listen(listener)
        try:
            yield Front(f"https://127.0.0.1:{listener.getsockname()[1]}", clients, proxies)
        finally:
            await http.stop()


async def test_a_proxy_says_for_whom_it_asks(tmp_path: Path) -> None:
    said = {
        "X_Remote_User": "alice",
        "X_Remote_Group": "system:masters",
        "X_Remote_Uid": "u1",
        "X_Remote_Extra_Acme.com%2fproject": "p",
    }
    async with front(tmp_path, "front-proxy") as server:
        proxy, client = server.proxies.pair("front-proxy"), server.clients.pair("carol", "system:masters")
        assert await server.who(proxy, **said) == {
            "username": "alice",
            "uid": "u1",
            "groups": ["system:masters", "system:authenticated"],
            "extra": {"acme.com/project": ["p"]},
        }
        # Its certificate alone is no user, and no client's lets one be another.
        assert (await server.who(client, **said))["username"] == "carol"
        assert await server.who(None, **said) == 403
        assert await server.who(proxy) == 403
        assert await server.who(server.proxies.pair("stranger"), **said) == 403
        # Of that name, but signed by the clients' authority.
        assert (await server.who(server.clients.pair("front-proxy"), **said))["username"] == "front-proxy"


async def test_without_names_each_proxy_of_the_authority_is_believed(tmp_path: Path) -> None:
    async with front(tmp_path) as server:
        asked = await server.who(
            server.proxies.pair("any"), X_Remote_User="alice", X_Remote_Group="system:masters"
        )
        assert asked["username"] == "alice"


async def test_a_certificate_of_another_authority_ends_in_the_handshake(tmp_path: Path) -> None:
    async with front(tmp_path) as server:
        stranger = make_authority(tmp_path / "strangers").pair("carol", "system:masters")
        with pytest.raises(aiohttp.ClientError):
            await server.who(stranger)
        assert (await server.who(server.clients.pair("carol", "system:masters")))["username"] == "carol"
