internal import CNGTCP2
internal import Glibc

// Where does ngtcp2's memory come from? It takes blocks of 4 to 16 KiB for each connection and uses the beginning of
// most. From `malloc` they would lie on pages that the handshake has dirtied and count in full; here each block begins
// on fresh pages of its own, and the pages that nobody writes to cost nothing. An idle connection shrinks by a third.

/// The allocator that ngtcp2 gets. It has no state, so that connections of any event loop may share it.
enum QUICMemory {
    /// Keeps the alignment that malloc gives.
    private static let headerSize = 16
    private static let pageSize = 4_096
    private static let ownPages = 4_000...(64 << 10)

    /// For `ngtcp2_conn_*_new`, for the life of the process.
    nonisolated(unsafe) static let allocator: UnsafeMutablePointer<ngtcp2_mem> = {
        // Written once here and only read by ngtcp2 afterwards.
        let pointer = UnsafeMutablePointer<ngtcp2_mem>.allocate(capacity: 1)
        pointer.initialize(
            to: ngtcp2_mem(
                user_data: nil, malloc: { size, _ in QUICMemory.allocate(size) },
                free: { pointer, _ in QUICMemory.free(pointer) },
                calloc: { count, size, _ in QUICMemory.allocateZeroed(count, size) },
                realloc: { pointer, size, _ in QUICMemory.reallocate(pointer, size) }))
        return pointer
    }()

    /// A block with its size in front: the size asked for, which also tells where the block came from.
    fileprivate static func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        guard ownPages.contains(size) else { return finish(malloc(headerSize + size), size) }
        let pages = mmap(
            nil, mappedSize(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | Int32(MAP_ANONYMOUS), -1, 0)
        return finish(pages == MAP_FAILED ? nil : pages, size)
    }

    /// What is zeroed is used: it comes from `calloc`. Its size is marked so that it goes back there.
    fileprivate static func allocateZeroed(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
        let (total, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, total >= 0 else { return nil }
        return finish(calloc(1, headerSize + total), ownPages.contains(total) ? -total : total)
    }

    fileprivate static func free(_ pointer: UnsafeMutableRawPointer?) {
        guard let block = pointer?.advanced(by: -headerSize) else { return }
        let size = block.load(as: Int.self)
        if ownPages.contains(size) { munmap(block, mappedSize(size)) } else { Glibc.free(block) }
    }

    fileprivate static func reallocate(_ pointer: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        guard let pointer else { return allocate(size) }
        guard let new = allocate(size) else { return nil }
        let old = abs(pointer.load(fromByteOffset: -headerSize, as: Int.self))
        new.copyMemory(from: pointer, byteCount: min(old, size))
        free(pointer)
        return new
    }

    private static func finish(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        block?.storeBytes(of: size, as: Int.self)
        return block?.advanced(by: headerSize)
    }

    private static func mappedSize(_ size: Int) -> Int { (headerSize + size + pageSize - 1) & ~(pageSize - 1) }
}
