"""Core: what each signer of kubernetes.io asks of a request.

    kubelet-serving                 a node's server certificate
    kube-apiserver-client-kubelet   a node's client certificate
    kube-apiserver-client           any client certificate; whoever approves answers for the subject
    legacy-unknown                  anything

After: k8s pkg/apis/certificates/helpers.go; pkg/controller/certificates/signer/signer.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

KUBELET_SERVING = "kubernetes.io/kubelet-serving"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
CLIENT = "kubernetes.io/kube-apiserver-client"
LEGACY = "kubernetes.io/legacy-unknown"

NODES, NODE = "system:nodes", "system:node:"
SIGNATURE, ENCIPHERMENT = "digital signature", "key encipherment"
CLIENT_AUTH, SERVER_AUTH = "client auth", "server auth"

# Kinds of alternative names, as messages call them.
NAME_KINDS: Mapping[str, type[x509.GeneralName]] = {
    "DNS": x509.DNSName,
    "Email": x509.RFC822Name,
    "IP": x509.IPAddress,
    "URI": x509.UniformResourceIdentifier,
}


def common_name(request: x509.CertificateSigningRequest) -> str:
    """The last common name of the subject, or empty."""
    return ["", *_texts(request, NameOID.COMMON_NAME)][-1]


def alternative_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """The names and addresses the certificate shall answer for."""
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def wrong_kubelet_client(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this is no request for a node's client certificate; empty if it is one."""
    if _texts(request, NameOID.ORGANIZATION_NAME) != [NODES]:
        return "subject organization is not system:nodes"
    for kind, of in NAME_KINDS.items():
        if any(isinstance(each, of) for each in alternative_names(request)):
            return f"{kind} subjectAltNames are not allowed"
    if not common_name(request).startswith(NODE):
        return "subject common name does not begin with system:node:"
    return _wrong_node_usages(usages, CLIENT_AUTH)


def wrong_kubelet_serving(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this is no request for a node's server certificate."""
    if _texts(request, NameOID.ORGANIZATION_NAME) != [NODES]:
        return "subject organization is not system:nodes"
    names = alternative_names(request)
    if not any(isinstance(each, x509.DNSName | x509.IPAddress) for each in names):
        return "DNS or IP subjectAltName is required"
    for kind in ("Email", "URI"):
        if any(isinstance(each, NAME_KINDS[kind]) for each in names):
            return f"{kind} subjectAltNames are not allowed"
    if wrong := _wrong_node_usages(usages, SERVER_AUTH):
        return wrong
    return (
        ""
        if common_name(request).startswith(NODE)
        else ("subject common name does not begin with system:node:")
    )


def wrong_client(_: x509.CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this is no request for a client certificate."""
    for usage in usages:
        if usage not in (SIGNATURE, ENCIPHERMENT, CLIENT_AUTH):
            return f"invalid usage for client certificate: {usage}"
    return "" if CLIENT_AUTH in usages else f"missing required usage for client certificate: {CLIENT_AUTH}"


def _nothing_wrong(_: x509.CertificateSigningRequest, __: Sequence[str]) -> str:
    return ""


# signer -> what is wrong with a request for it; others sign for other signers.
SIGNERS: Mapping[str, Callable[[x509.CertificateSigningRequest, Sequence[str]], str]] = {
    KUBELET_SERVING: wrong_kubelet_serving,
    KUBELET_CLIENT: wrong_kubelet_client,
    CLIENT: wrong_client,
    LEGACY: _nothing_wrong,
}


def _wrong_node_usages(usages: Sequence[str], purpose: str) -> str:
    """Key encipherment is for RSA keys only, and may be left out."""
    required = {SIGNATURE, ENCIPHERMENT, purpose}
    if set(usages) in (required, required - {ENCIPHERMENT}):
        return ""
    return f"usages did not match [{' '.join(sorted(required))}]"


def _texts(request: x509.CertificateSigningRequest, part: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in request.subject.get_attributes_for_oid(part)]
