"""The shim: a small program that owns one pod's processes; it imports little, of the standard library."""
