"""Whatever a cluster may suffer, and those who watch it meanwhile: writers, watchers, rollouts, clients.

Shared by tests/e2e/test_everything_is_killed.py and benchmarks/recovery.py. Begin with world.py.
"""
