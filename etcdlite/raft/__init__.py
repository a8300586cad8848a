"""Raft as a pure state machine: no sockets, no disk, no clock, no chance of its own.

Start with README.md. The one door is `etcdlite.raft.raw_node`: RawNode, Config, Ready.
The vocabulary is `etcdlite.raft.messages`; `etcdlite.raft.storage` says what the owner must keep.
"""
