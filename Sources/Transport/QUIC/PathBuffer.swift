internal import CNGTCP2
internal import Glibc

// ngtcp2 takes and returns paths as structures that point into themselves, so they must not move. This is one that
// stays where it is, with conversions to plain values.

/// A path in ngtcp2's form.
final class PathBuffer {
    private let storage: UnsafeMutablePointer<ngtcp2_path_storage>

    init() {
        storage = .allocate(capacity: 1)
        storage.initialize(to: ngtcp2_path_storage())
        ngtcp2_path_storage_zero(storage)
    }

    convenience init(_ path: DatagramPath) {
        self.init()
        set(path)
    }

    deinit { storage.deallocate() }

    /// For passing to ngtcp2. Valid as long as this object, whose life the caller must extend over the call.
    var pointer: UnsafeMutablePointer<ngtcp2_path> {
        UnsafeMutableRawPointer(storage).assumingMemoryBound(to: ngtcp2_path.self)
    }

    func set(_ path: DatagramPath) {
        path.local.withSockaddr { local, localLength in
            path.remote.withSockaddr { remote, remoteLength in
                ngtcp2_path_storage_init(storage, local, localLength, remote, remoteLength, nil)
            }
        }
    }

    /// The path that ngtcp2 filled in; nil when it left it empty.
    var path: DatagramPath? { DatagramPath(storage.pointee.path) }
}

extension DatagramPath {
    init?(_ path: ngtcp2_path) {
        guard path.local.addrlen > 0, path.remote.addrlen > 0, let local = path.local.addr,
            let remote = path.remote.addr,
            let local = NetworkAddress(local), let remote = NetworkAddress(remote)
        else { return nil }
        self.init(local: local, remote: remote)
    }
}
