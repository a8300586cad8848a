import asyncio

from kube.base.tasks import Tasks


async def test_a_crashed_loop_starts_again_and_leaving_cancels() -> None:
    runs: list[int] = []
    third = asyncio.Event()

    async def loop() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise ValueError("crash")
        third.set()
        await asyncio.Event().wait()

    async with Tasks() as tasks:
        task = tasks.start("crashing", loop)
        await third.wait()
    assert runs == [0, 1, 2]
    assert task.cancelled()


async def test_a_loop_that_returns_is_done() -> None:
    async def loop(answer: list[int]) -> None:
        answer.append(1)

    answer: list[int] = []
    async with Tasks() as tasks:
        await tasks.start("once", loop, answer)
    assert answer == [1]
