"""How does Iroh 1.2 open an endpoint? Adapts the package `iroh` 1.2.0 to what iroh_peer.py asks for."""

import asyncio

from iroh import iroh_ffi as f

Error = f.IrohError


def remote_id(connection):
    return connection.remote_id().to_bytes().hex()


class Endpoint:
    """An endpoint on one address, without relays or discovery."""

    @classmethod
    async def bind(cls, seed, address, alpns, serve):
        """`serve`, when given, is a coroutine function that is called with each accepted connection and its ALPN."""
        self = cls()
        self.endpoint = await f.Endpoint.bind(
            f.EndpointOptions(
                preset=f.preset_minimal(),
                bind_addr=address,
                secret_key=seed,
                alpns=alpns,
                relay_mode=f.RelayMode.disabled(),
            )
        )
        self.node_id = self.endpoint.id().to_bytes().hex()
        self.address = self.endpoint.bound_sockets()[0]
        self.tasks = {asyncio.ensure_future(self.accept(serve))} if serve else set()
        return self

    async def accept(self, serve):
        while (incoming := await self.endpoint.accept_next()) is not None:
            task = asyncio.ensure_future(self.handshake(incoming, serve))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def handshake(self, incoming, serve):
        try:
            accepting = await incoming.accept()
            alpn = await accepting.alpn()
            connection = await accepting.connect()
        except Error:
            return  # a refused handshake is what some cases are about; the dialer reports it
        await serve(connection, alpn)

    async def connect(self, node_id, address, alpn):
        target = f.EndpointAddr(f.EndpointId.from_bytes(bytes.fromhex(node_id)), None, [address])
        return await self.endpoint.connect(target, alpn)

    async def close(self):
        await self.endpoint.close()
