"""Answers orders as they come, in one event loop with all else: `python tail_async.py DIR`."""

import asyncio
import sys

import puro


async def orders(stream: str) -> None:
    with puro.Consumer(stream, topics="orders", name="desk") as consumer:
        async for order in consumer:
            print(f"{order.time:%H:%M:%S} {order.value.decode()}")
            if order.value == b"close":
                return


async def ticks() -> None:
    while True:
        await asyncio.sleep(0.1)


async def main(stream: str) -> None:
    ticking = asyncio.create_task(ticks())
    await orders(stream)
    ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
