"""Who says he is somebody: forged headers, tokens of other times, keys and audiences, other authorities."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kube.base import tls
from kube.base.clock import SystemClock
from tests.support.certificates import make_authority
from tests.support.hostile import HOST, Target

pytestmark = pytest.mark.slow

ISSUER = "https://kubernetes.default.svc.cluster.local"
SECRETS = "/api/v1/secrets"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def claims(target: Target, **changes: Any) -> dict[str, Any]:
    """Of a token that would be good."""
    now = SystemClock().now()
    account = {"name": "default", "uid": target.ask("GET", ACCOUNT)[1]["metadata"]["uid"]}
    good = {
        "iss": ISSUER,
        "sub": "system:serviceaccount:default:default",
        "aud": [ISSUER],
        "exp": int((now + timedelta(hours=1)).timestamp()),
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "kubernetes.io": {"namespace": "default", "serviceaccount": account},
    }
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


def own_key(target: Target) -> Any:
    return load_pem_private_key((target.folder / "sa.key").read_bytes(), None)


def signed(target: Target, **changes: Any) -> str:
    return jwt.encode(claims(target, **changes), own_key(target), algorithm="ES256")


def shown(target: Target, token: str) -> int:
    """The code for who shows a token, without a certificate."""
    return target.ask("GET", SECRETS, headers={"Authorization": f"Bearer {token}"}, context=target.nobody)[0]


def test_a_good_token_is_known(target: Target) -> None:
    """So that what follows is refused for what is wrong with it."""
    assert shown(target, signed(target)) == 403


CHANGES: dict[str, dict[str, Any]] = {
    "expired": {"exp": 1_000_000_000},
    "not yet valid": {"nbf": 32_503_680_000},
    "without an end": {"exp": "never"},
    "for another audience": {"aud": ["https://example.com"]},
    "for nobody": {"aud": []},
    "without an audience": {"aud": None},
    "of another issuer": {"iss": "https://example.com"},
    "of the lasting kind, without its Secret": {"iss": "kubernetes/serviceaccount"},
    "of an account that was another": {
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "default", "uid": "1"}}
    },
    "of an account that is not there": {
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "a", "uid": "1"}}
    },
    "of no account": {"kubernetes.io": {}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_token_that_is_not_valid_here_is_refused(target: Target, name: str) -> None:
    assert shown(target, signed(target, **CHANGES[name])) == 401


def part(data: Any) -> str:
    written = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def test_a_token_is_signed_by_us_alone(target: Target) -> None:
    body = claims(target)
    other = ec.generate_private_key(ec.SECP256R1())
    assert shown(target, jwt.encode(body, other, algorithm="ES256")) == 401
    assert shown(target, jwt.encode(body, None, algorithm="none")) == 401
    public = target.ask("GET", "/openid/v1/jwks")[1]["keys"][0]
    assert shown(target, jwt.encode(body, public["x"] + "a" * 32, algorithm="HS256")) == 401
    good = signed(target)
    head, content, signature = good.split(".")
    assert shown(target, f"{head}.{content}.") == 401
    assert shown(target, f"{head}.{part(body | {'sub': 'system:admin'})}.{signature}") == 401
    theirs = part({"alg": "ES256", "jwk": public, "kid": "../../sa.key", "x5u": "https://example.com"})
    assert shown(target, f"{theirs}.{content}.{signature}") == 401


GARBAGE: dict[str, str] = {
    "dots": "." * 900_000,
    "one word": "a" * 900_000,
    "letters": "\xff\xfe.\xff.\xff",
    "a deep head": part(b"[" * 100_000) + ".e30.aa",
    "a head of many digits": part(b'{"alg":%b}' % (b"1" * 10_000)) + ".e30.aa",
    "a list of algorithms": part({"alg": ["ES256"]}) + ".e30.aa",
    "a head that asks for more": part({"alg": "ES256", "crit": ["b64"], "b64": False}) + ".e30.aa",
    "deep claims": part({"alg": "ES256"}) + "." + part(b"[" * 100_000) + ".aa",
    "no base64": "!.!.!",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_token_is_refused(target: Target, name: str) -> None:
    """Even beside a good certificate: whoever shows one means it."""
    headers = {"Authorization": f"Bearer {GARBAGE[name]}"}
    assert target.ask("GET", SECRETS, headers=headers)[0] == 401
    review = {"spec": {"token": GARBAGE[name]}}
    code, answer = target.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert code == 201
    assert not answer["status"].get("authenticated")


FORGED: dict[str, dict[str, str]] = {
    "a front proxy": {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"},
    "a front proxy, underlined": {"X_Remote_User": "admin", "X_Remote_Group": "system:masters"},
    "this machine": {"X-Forwarded-For": HOST, "X-Real-IP": HOST, "Forwarded": f"for={HOST}"},
    "another host": {"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https"},
    "another path": {"X-Original-URL": "/version", "X-Rewrite-URL": "/version"},
    "another method": {"X-HTTP-Method-Override": "OPTIONS"},
    "a password": {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()},
    "a certificate": {"X-SSL-Client-Cert": "admin", "X-Client-DN": "CN=admin,O=system:masters"},
    "an administrator": {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"},
    "letters": {"Impersonate-User": "\xff\xfe"},
    "odd extras": {"Impersonate-User": "a", "Impersonate-Extra-%00%0a%ff": "b"},
}


@pytest.mark.parametrize("name", FORGED)
def test_headers_make_nobody_somebody(target: Target, name: str) -> None:
    code, status = target.ask("GET", SECRETS, headers=FORGED[name], context=target.nobody)
    assert code == 403
    assert 'User "system:anonymous"' in status["message"]


def test_whom_one_acts_as_is_asked_for_in_each_group(target: Target) -> None:
    """An administrator in full, and then no more than the one he acts as."""
    headers = {"Impersonate-User": "a", "Impersonate-Group": "b"}
    assert target.ask("GET", SECRETS, headers=headers)[0] == 403
    many = b"".join(b"Impersonate-Group: %d\r\n" % i for i in range(900))
    head = b"GET /api/v1/secrets HTTP/1.1\r\nHost: a\r\nConnection: close\r\nImpersonate-User: a\r\n"
    assert target.said(head + many + b"\r\n").startswith(b"HTTP/1.1 403 ")
    assert target.said(head + many + b"\r\n", context=target.nobody).startswith(b"HTTP/1.1 403 ")


def test_a_certificate_of_another_authority_ends_in_the_handshake(target: Target, tmp_path: Path) -> None:
    other = make_authority(tmp_path)
    theirs = tls.client_context(target.authority.ca, *other.pair("admin", "system:masters"))
    try:
        # With TLS 1.3 a client learns of it with the first byte it reads.
        answer = target.said(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n", context=theirs)
    except (ssl.SSLError, ConnectionError):
        answer = b""
    assert answer == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_refused(target: Target, version: ssl.TLSVersion) -> None:
    context = tls.client_context(target.authority.ca)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)), target.connected(context):
        pass


@pytest.mark.parametrize(
    "sent", [b"GET /version HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff\x01", b"\0" * 1000]
)
def test_what_is_no_tls_is_cut_off(target: Target, sent: bytes) -> None:
    with socket.create_connection(target.address, timeout=60) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(1 << 16):
                pass
        except ConnectionError:
            pass
