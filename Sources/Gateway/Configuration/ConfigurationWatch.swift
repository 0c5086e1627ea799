internal import Dispatch
internal import Glibc
internal import Store

// When did somebody touch this file? Editors write files in place or put others in their place, so the folders are watched and
// not the file. What was touched elsewhere in them wakes nobody.

enum ConfigurationWatch {
    /// An element for each time when something may have happened to one of the files, several of them together. Ends with
    /// the task that takes them.
    ///
    /// - Returns: nil when the kernel watches no further folder.
    static func wakes(files: [String]) -> AsyncStream<Void>? {
        guard let inotify = Inotify() else { return nil }
        var names: [Inotify.Watch: Set<String>] = [:]
        for file in files {
            guard let slash = file.lastIndex(of: "/") else { continue }
            let folder = open(String(file[...slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard folder >= 0 else { continue }
            defer { close(folder) }
            guard let watch = inotify.watch(folder: folder, openFiles: false) else { continue }
            names[watch, default: []].insert(String(file[file.index(after: slash)...]))
        }
        guard !names.isEmpty else { return nil }
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let queue = DispatchQueue(label: "openagent.config.watch")
        let source = DispatchSource.makeReadSource(fileDescriptor: inotify.descriptor, queue: queue)
        // Only handlers of the source use it, and those run one after the other; the last of them, after the kernel lets
        // go of its descriptor.
        nonisolated(unsafe) var watched: Inotify? = inotify
        let wanted = names
        source.setEventHandler {
            guard let events = watched?.events() else { return _ = continuation.yield() }
            if events.contains(where: { event in event.name.map { wanted[event.watch]?.contains($0) == true } ?? false }
            ) {
                continuation.yield()
            }
        }
        source.setCancelHandler { watched = nil }
        // The handler holds the source until the stream ends.
        nonisolated(unsafe) let held = source
        continuation.onTermination = { _ in held.cancel() }
        source.activate()
        return stream
    }
}
