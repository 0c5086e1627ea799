"""How does Iroh 0.35 open an endpoint? Adapts the package `iroh` 0.35.0 to what iroh_peer.py asks for."""

from iroh import iroh_ffi as f

Error = f.IrohError


def remote_id(connection):
    return str(connection.remote_node_id())


class Handler(f.ProtocolHandler):
    def __init__(self, alpn, serve):
        self.alpn, self.serve = alpn, serve

    async def accept(self, connection):
        await self.serve(connection, self.alpn)

    async def shutdown(self):
        pass


class Creator(f.ProtocolCreator):
    def __init__(self, alpn, serve):
        self.alpn, self.serve = alpn, serve

    def create(self, endpoint):
        return Handler(self.alpn, self.serve)


class Endpoint:
    """A node on one IPv4 address, without discovery. It would still look for relays: run it where there are none."""

    @classmethod
    async def bind(cls, seed, address, alpns, serve):
        """`serve`, when given, is a coroutine function that is called with each accepted connection and its ALPN."""
        self = cls()
        self.iroh = await f.Iroh.memory_with_options(
            f.NodeOptions(
                node_discovery=f.NodeDiscoveryConfig.NONE,
                ipv4_addr=address,
                ipv6_addr="[::1]:0",
                enable_docs=False,
                secret_key=seed,
                protocols={alpn: Creator(alpn, serve) for alpn in alpns} if serve else None,
            )
        )
        self.endpoint = self.iroh.node().endpoint()
        self.node_id = str(self.endpoint.node_id())
        addresses = (await self.iroh.net().node_addr()).direct_addresses()
        self.address = next(a for a in addresses if a.startswith("127.0.0.1:"))
        return self

    async def connect(self, node_id, address, alpn):
        target = f.NodeAddr(f.PublicKey.from_string(node_id), None, [address])
        return await self.endpoint.connect(target, alpn)

    async def close(self):
        await self.iroh.node().shutdown()
