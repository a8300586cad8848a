"""A cluster of real members on simulated machines, driven by one seed.

What is real: Raft, the state machine, the bytes of messages, the WAL and its recovery. What is simulated:
time (a count of ticks), chance, the network, the disks' moments of durability, the loop around the core.

    seed -> faults.py (what will go wrong, how often)  world.py (each tick: deliver, tick, work, check)
            wire.py (messages that are lost, late, doubled)    disk.py (what a crash leaves)
            member.py (save, send, apply: the order the node keeps)   clients.py (who asks and what they saw)
            checkers/ (one promise a file)

`.venv/bin/python -m tests.sim 1000 2000` runs those seeds and prints each that fails.
"""
