"""A cluster of real members on simulated machines, driven by one seed.

What is real: the node and all above it (Raft, the state machine, leases, the KV, Lease and Watch services),
the bytes of messages, the WAL and its recovery. What is simulated: time, chance, the network and the disks.

    seed -> faults.py (what will go wrong, how often)  world.py (each tick: deliver, pass time, work, check)
            machine.py (an event loop with a clock of its own)   member.py (the node, put together on it)
            disk.py (what a crash leaves)   wire.py, transport.py (messages that are lost, late, doubled)
            workload.py, clients.py, watchers.py, context.py (who asks and what they saw)
            promises.py, checkers/ (one promise a file)   mutations.py (bugs planted to see them noticed)

`.venv/bin/python -m tests.sim --seed 1000 --last 2000` runs those seeds and prints each that fails.
"""
