"""Core: what a plug-in sees (a pod, a node, the cluster) and what it may answer (a Verdict, a score)."""
