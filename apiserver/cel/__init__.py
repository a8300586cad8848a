"""The Common Expression Language, as Kubernetes speaks it: what a policy or a match condition says.

Start with README.md. A server imports `evaluator`, `conditions`, `questions` and `jobs`; the rest, and the
library behind it, belong to the worker's process.
"""
