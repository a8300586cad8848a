"""Core: the release of etcd whose behaviour this store has; clients decide by it what they may trust."""

VERSION = "3.6.5"
