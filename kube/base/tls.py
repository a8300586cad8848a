"""Shell: TLS contexts from files, or from an object's bundle: how any process here listens or connects.

A server asks for a client certificate signed by `client_ca`: it must have one (`require_client`), or may have
one (the API server, where a bearer token can say who calls).
"""

from __future__ import annotations

import ssl

from kube.base.startup import StartupError


def server_context(
    cert: str, key: str, client_ca: str | None, *, require_client: bool = True, proxy_ca: str = ""
) -> ssl.SSLContext:
    """The context of a listening socket; proxy_ca: a second authority whose certificates are taken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_pair(context, cert, key)
    if client_ca is not None:
        _load_ca(context, client_ca)
        if proxy_ca:
            _load_ca(context, proxy_ca)
        context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    assert client_ca is not None or not require_client, "client certificates need an authority to check them"
    return context


def client_context(ca: str | None, cert: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """The context of a connecting socket; without `ca` the system's authorities are trusted."""
    if ca is None:
        context = ssl.create_default_context()
    else:
        # Not the default context with one more: the system's authorities would take 2 MB of each process.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_ca(context, ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    show_certificate(context, cert, key)
    return context


def show_certificate(context: ssl.SSLContext, cert: str | None, key: str | None) -> None:
    """Show this certificate, if there is one, to whoever asks."""
    if cert is not None:
        _load_pair(context, cert, key)


def bundle_context(authorities: str) -> ssl.SSLContext:
    """The context of a connection to somebody whose authorities an object of the API names, as PEM; without
    any, the system's are trusted. As in Go, any certificate of the bundle may be the one trusted.
    """
    context = ssl.create_default_context(cadata=authorities or None)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load_pair(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise StartupError(f"cannot use certificate {cert} with key {key}: {error}") from error


def _load_ca(context: ssl.SSLContext, ca: str) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise StartupError(f"cannot use certificate authority {ca}: {error}") from error
