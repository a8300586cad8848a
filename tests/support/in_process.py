"""Components in this process, against the API server of tests.support.api_server."""

from __future__ import annotations

import ssl

from kube.client.config import ClientConfig
from kube.client.rest import Client
from tests.support.api_server import Api


def client_of(api: Api, user_agent: str) -> Client:
    """A component's client; the server there speaks plain HTTP."""
    return Client(ClientConfig((api.base,), ssl.create_default_context()), user_agent)
