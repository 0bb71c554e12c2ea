"""A venue that does nothing but send best bids and offers: as fast as TCP takes them, or at a steady pace.

Run as a process of its own, so that a client's processor time is the client's alone. Frames are made beforehand and
written to the socket as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import time

from aiohttp import WSMsgType, web

FULL = 1 << 20
PRICES = 50
END = ("1", "2")  # the prices of the last message, for the first symbol


def symbol_ids(count: int) -> list[str]:
    return [f"C{number}-USDT" for number in range(count)]


def frame(inst_id: str, bid: str, ask: str, stamp: str, sequence: int) -> bytes:
    """Return one `bbo-tbt` message as an unmasked WebSocket text frame."""
    text = (
        f'{{"arg":{{"channel":"bbo-tbt","instId":"{inst_id}"}},"data":[{{"asks":[["{ask}","1.8826134","0","17"]],'
        f'"bids":[["{bid}","0.00572212","0","2"]],"ts":"{stamp}","seqId":{sequence}}}]}}'
    ).encode()
    head = bytes([0x81, len(text)]) if len(text) < 126 else b"\x81\x7e" + struct.pack(">H", len(text))
    return head + text


class Blaster:
    """Answers what a client needs to subscribe, then sends."""

    def __init__(self, symbols: int, messages: int, rate: float) -> None:
        self.ids = symbol_ids(symbols)
        self.messages = messages
        self.rate = rate

    async def instruments(self, request: web.Request) -> web.Response:
        rows = [
            {
                "instId": inst_id,
                "instType": "SPOT",
                "baseCcy": inst_id.split("-")[0],
                "quoteCcy": "USDT",
                "lotSz": "0.00001",
                "minSz": "0.0001",
                "tickSz": "0.01",
                "state": "live",
                "lever": "1",
            }
            for inst_id in self.ids
        ]
        data = rows if request.query["instType"] == "SPOT" else []
        return web.json_response({"code": "0", "msg": "", "data": data})

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        subscribed = 0
        sender = None
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            if message.data == "ping":
                await socket.send_str("pong")
                continue
            for arg in message.json()["args"]:
                await socket.send_json({"event": "subscribe", "arg": arg})
                subscribed += 1
            if subscribed == len(self.ids) and sender is None:
                assert request.transport is not None
                transport = request.transport
                sender = asyncio.create_task(self.pace(transport) if self.rate else self.flood(transport))
        if sender is not None:
            sender.cancel()
        return socket

    async def flood(self, transport: asyncio.WriteTransport) -> None:
        rounds = [
            b"".join(
                frame(inst_id, f"{100 + step}.{index % 10}1", f"{100 + step}.{index % 10}3", "1700000000000", step)
                for index, inst_id in enumerate(self.ids)
            )
            for step in range(PRICES)
        ]
        for number in range(self.messages // len(self.ids)):
            while transport.get_write_buffer_size() > FULL:  # noqa: ASYNC110  # a transport tells only its protocol
                await asyncio.sleep(0.0005)
            transport.write(rounds[number % PRICES])
        transport.write(frame(self.ids[0], *END, "1700000000000", 0))

    async def pace(self, transport: asyncio.WriteTransport) -> None:
        """Send evenly; `ts` is in microseconds here, for the sake of latencies below a millisecond."""
        start = time.perf_counter()
        for number in range(self.messages):
            while time.perf_counter() < start + number / self.rate:  # noqa: ASYNC110  # the clock is the event
                await asyncio.sleep(0.0005)
            price = 100 + number // len(self.ids) % PRICES
            stamp = str(time.time_ns() // 1000)
            transport.write(frame(self.ids[number % len(self.ids)], f"{price}.1", f"{price}.3", stamp, number))
        transport.write(frame(self.ids[0], *END, str(time.time_ns() // 1000), 0))


async def serve(blaster: Blaster) -> None:
    app = web.Application()
    app.router.add_get("/api/v5/public/instruments", blaster.instruments)
    app.router.add_get("/ws/v5/public", blaster.stream)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbols", type=int)
    parser.add_argument("messages", type=int)
    parser.add_argument("rate", type=float, help="messages per second; 0 for as fast as TCP takes them")
    options = parser.parse_args()
    asyncio.run(serve(Blaster(options.symbols, options.messages, options.rate)))
