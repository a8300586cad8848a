"""Shell: the flags of authentication, and what they build.

After: k8s pkg/kubeapiserver/options/authentication.go
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from apiserver.authentication.authenticator import Authenticator
from apiserver.authentication.request_header import RequestHeader
from apiserver.authentication.static_tokens import StaticTokens, parse
from apiserver.authentication.tokens import Find, Issuing, KeyPair, Tokens, load_public
from kube.api.meta import Object
from kube.api.resources import SECRETS
from kube.base.clock import Clock
from kube.base.startup import StartupError

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class AuthenticationFlags:
    """What the command line says of authentication."""

    service_account_signing_key_file: str = ""
    service_account_key_file: tuple[str, ...] = ()
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    service_account_jwks_uri: str = ""
    api_audiences: str = ""
    token_auth_file: str = ""
    enable_bootstrap_token_auth: bool = False
    anonymous_auth: bool = True


DEFAULTS = AuthenticationFlags()
OPTIONS = (
    click.option("--service-account-signing-key-file", required=True, help="Private key that signs tokens."),
    click.option(
        "--service-account-key-file",
        multiple=True,
        help="Public keys that tokens are checked with, beside that one's; may be given several times.",
    ),
    click.option(
        "--service-account-issuer", default=DEFAULTS.service_account_issuer, help="`iss` of tokens."
    ),
    click.option(
        "--service-account-jwks-uri",
        default="",
        help="Where others find the public keys; else at this server.",
    ),
    click.option(
        "--api-audiences",
        default="",
        help="Whom tokens for this server are for, with commas; else the issuer.",
    ),
    click.option("--token-auth-file", default="", help='Static tokens, as lines of token,user,uid,"groups".'),
    click.option(
        "--enable-bootstrap-token-auth/--no-enable-bootstrap-token-auth",
        help="Take the tokens in Secrets of kube-system by which machines join.",
    ),
    click.option(
        "--anonymous-auth/--no-anonymous-auth",
        default=True,
        help="Whether who shows nothing is system:anonymous, or is refused.",
    ),
)


def authentication_options(command: Command) -> Command:
    """The flags of AuthenticationFlags, for a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def issuing(flags: AuthenticationFlags, keys: KeyPair) -> Issuing:
    """How tokens are made and checked; StartupError names a file that cannot be read."""
    audiences = tuple(each.strip() for each in flags.api_audiences.split(",") if each.strip())
    others = tuple(key for path in flags.service_account_key_file for key in load_public(path))
    return Issuing(keys, flags.service_account_issuer, audiences, others, flags.service_account_jwks_uri)


def authenticator(
    flags: AuthenticationFlags, tokens: Tokens, clock: Clock, find: Find, request_header: RequestHeader
) -> Authenticator:
    """All who may know a caller."""

    def find_secret(namespace: str, name: str) -> Object | None:
        return find(SECRETS, namespace, name)

    return Authenticator(
        tokens,
        clock,
        _static(flags.token_auth_file),
        find_secret if flags.enable_bootstrap_token_auth else None,
        request_header,
        flags.anonymous_auth,
    )


def _static(path: str) -> StaticTokens:
    if not path:
        return StaticTokens()
    flag = f"--token-auth-file {path}"
    try:
        return parse(Path(path).read_text().splitlines())
    except OSError as error:
        raise StartupError(f"{flag}: {error.strerror}") from error
    except ValueError as error:
        raise StartupError(f"{flag}: {error}") from error
