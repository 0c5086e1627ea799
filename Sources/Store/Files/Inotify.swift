internal import Glibc

// What happened in these folders since I last looked? The kernel's notes (inotify), as they are: names in folders, and
// whether some were lost. What they mean is their reader's business. The only file that knows inotify; where the kernel
// has no such thing to give, whoever asked must look for itself.

/// Watched folders. Belongs to one owner at a time; never blocks.
public final class Inotify {
    /// A watched folder, as long as it is watched.
    public typealias Watch = Int32

    public struct Event: Sendable, Equatable {
        /// Of the folder in which it happened.
        public var watch: Watch
        /// What it happened to; nil for the folder itself.
        public var name: String?
        /// It happened to a folder.
        public var isFolder: Bool
        /// The folder itself is gone or elsewhere, and may no longer be watched.
        public var isFolderItselfGone: Bool
    }

    /// Readable when something happened.
    public let descriptor: Int32

    /// - Returns: nil when the kernel gives no more of them.
    public init?() {
        descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// Watches an open folder: names that come, go or move, and content or attributes that change. Links are not followed,
    /// since the folder is open already. The same folder always has the same watch.
    ///
    /// - Parameter openFiles: whether each change of a file counts that stays open, and each of its attributes. Without
    ///   them a file counts once it is complete, and a database beside it wakes nobody.
    /// - Returns: nil when it cannot be watched.
    public func watch(folder: Int32, openFiles: Bool = true) -> Watch? {
        let mask =
            IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE
            | (openFiles ? IN_MODIFY | IN_ATTRIB : 0)
            | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
        let watch = inotify_add_watch(descriptor, "/proc/self/fd/\(folder)", UInt32(mask))
        return watch >= 0 ? watch : nil
    }

    public func remove(_ watch: Watch) { inotify_rm_watch(descriptor, watch) }

    /// What happened since the last call.
    ///
    /// - Returns: nil when some of it was lost.
    public func events() -> [Event]? {
        var events: [Event] = []
        var isComplete = true
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    if count < 0, errno != EAGAIN { isComplete = false }
                    return
                }
                isComplete = Self.parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &events) && isComplete
            }
        }
        return isComplete ? events : nil
    }

    /// - Returns: false when the kernel says that it dropped some, or a name is no text.
    private static func parse(_ bytes: UnsafeRawBufferPointer, into events: inout [Event]) -> Bool {
        var isComplete = true
        var offset = 0
        let headSize = MemoryLayout<inotify_event>.size
        while offset + headSize <= bytes.count {
            let head = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            let end = min(bytes.count, offset + headSize + Int(head.len))
            let name = bytes[(offset + headSize)..<end].prefix { $0 != 0 }
            offset = end
            if head.mask & UInt32(IN_Q_OVERFLOW) != 0 {
                isComplete = false
                continue
            }
            let text = String(validating: name, as: UTF8.self)
            if text == nil { continue }  // no note has such a name
            events.append(
                Event(
                    watch: head.wd, name: name.isEmpty ? nil : text, isFolder: head.mask & UInt32(IN_ISDIR) != 0,
                    isFolderItselfGone: head.mask
                        & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT) != 0))
        }
        return isComplete
    }
}
