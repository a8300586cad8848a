"""Core: how a pod is called and whom it asks for names: hostname, hosts file, DNS.

After: k8s pkg/kubelet/kubelet_pods.go, GeneratePodHostNameAndDomain, managedHostsFileContent;
pkg/kubelet/network/dns/dns.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube.api import meta
from kube.api.meta import Object
from kubelet.runtime.interface import DNSConfig

HOSTNAME_MAX, FQDN_MAX = 63, 64
NAMESERVERS_MAX, SEARCHES_MAX = 3, 32
HEADER = "# Kubernetes-managed hosts file.\n"
HEADER_HOST_NETWORK = "# Kubernetes-managed hosts file (host network).\n"
USUAL_HOSTS = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)


def host_and_domain(pod: Object, cluster_domain: str) -> tuple[str, str]:
    """The hostname, and the domain where the pod has a subdomain."""
    spec = pod["spec"]
    if spec.get("hostnameOverride"):
        return spec["hostnameOverride"][:HOSTNAME_MAX].rstrip("-."), ""
    host = (spec.get("hostname") or meta.name(pod))[:HOSTNAME_MAX].rstrip("-.")
    subdomain = spec.get("subdomain")
    return host, f"{subdomain}.{meta.namespace(pod)}.svc.{cluster_domain}" if subdomain else ""


def sandbox_hostname(pod: Object, cluster_domain: str) -> str:
    """What `hostname` prints; ValueError where the pod wants a longer one than Linux allows."""
    if pod["spec"].get("hostNetwork"):
        return ""
    host, domain = host_and_domain(pod, cluster_domain)
    if not domain or not pod["spec"].get("setHostnameAsFQDN"):
        return host
    fqdn = f"{host}.{domain}"
    if len(fqdn) > FQDN_MAX:
        raise ValueError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long "
            f"({FQDN_MAX} characters is the max, {len(fqdn)} characters requested)"
        )
    return fqdn


def hosts_file(pod: Object, pod_ip: str, cluster_domain: str, of_node: str) -> str:
    """The text of /etc/hosts; of_node: the node's own, which pods of its network get."""
    if pod["spec"].get("hostNetwork"):
        return HEADER_HOST_NETWORK + of_node + _aliases(pod)
    host, domain = host_and_domain(pod, cluster_domain)
    line = f"{pod_ip}\t{host}.{domain}\t{host}\n" if domain else f"{pod_ip}\t{host}\n"
    return HEADER + USUAL_HOSTS + line + _aliases(pod)


def _aliases(pod: Object) -> str:
    aliases = pod["spec"].get("hostAliases") or ()
    lines = ["\t".join([each["ip"], *(each.get("hostnames") or ())]) + "\n" for each in aliases]
    return "".join(["\n# Entries added by HostAliases.\n", *lines]) if lines else ""


def dns(pod: Object, servers: tuple[str, ...], domain: str, of_node: DNSConfig) -> DNSConfig | None:
    """What stands in resolv.conf; None leaves it to the runtime: where the node's own is what is wanted."""
    spec = pod["spec"]
    policy, own = spec.get("dnsPolicy") or "ClusterFirst", spec.get("dnsConfig")
    is_cluster = policy == "ClusterFirstWithHostNet" or (
        policy == "ClusterFirst" and not spec.get("hostNetwork")
    )
    if policy == "None":
        base = DNSConfig()
    elif is_cluster and servers:
        around = [f"{meta.namespace(pod)}.svc.{domain}", f"svc.{domain}", domain]
        base = DNSConfig(servers, [*around, *of_node.searches], ["ndots:5"])
    elif own is None:
        return None
    else:
        base = of_node
    return _merged(base, own or {})


def _merged(base: DNSConfig, own: Object) -> DNSConfig:
    options = {each.partition(":")[0]: each for each in base.options}
    for each in own.get("options") or ():
        value = each.get("value")
        options[each["name"]] = each["name"] if value is None else f"{each['name']}:{value}"
    return DNSConfig(
        _once([*base.servers, *(own.get("nameservers") or ())])[:NAMESERVERS_MAX],
        _once([*base.searches, *(own.get("searches") or ())])[:SEARCHES_MAX],
        list(options.values()),
    )


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def parse_resolv_conf(text: str) -> DNSConfig:
    """The node's own."""
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in found:
            found[words[0]] = [*(found[words[0]] if words[0] == "nameserver" else ()), *words[1:]]
    return DNSConfig(found["nameserver"], found["search"], found["options"])
