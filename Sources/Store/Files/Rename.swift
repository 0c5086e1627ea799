internal import Glibc

// How does a file change its name so that nobody else's is overwritten unseen? By what Linux can do beyond POSIX, where the
// C library and the file system have it; whoever asks needs another way for where they don't.

/// Renames as one step, seen by everybody or by nobody.
public enum Rename {
    /// What is to happen to a file that has the new name.
    public enum Manner: UInt32, Sendable {
        /// Nothing: the rename fails with `EEXIST`.
        case keeping = 1
        /// It gets the old name.
        case exchanging = 2
    }

    private typealias Call = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32

    // Swift's view of the C library has no renameat2.
    private static let call = dlsym(nil, "renameat2").map { unsafeBitCast($0, to: Call.self) }

    /// - Parameters:
    ///   - folder: the descriptor of the folder in which the file has the name `old`.
    ///   - other: the descriptor of the folder in which it gets the name `new`.
    /// - Returns: 0, or the system's error number; `ENOSYS` where it can't be done like this.
    public static func file(_ old: String, in folder: Int32, to new: String, in other: Int32, _ manner: Manner) -> Int32
    {
        guard let call else { return ENOSYS }
        guard call(folder, old, other, new, manner.rawValue) != 0 else { return 0 }
        return [EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) ? ENOSYS : errno
    }
}
