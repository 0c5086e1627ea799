internal import Store

// Which files of the vault changed since the last look? The kernel tells of each watched folder; this file knows which
// folder of the vault a watch stands for, and when telling is not enough and all must be looked at again.

/// The watched folders of one vault.
final class VaultWatch {
    /// What happened.
    enum Changes: Equatable {
        /// These files came, went or changed; nothing else did.
        case files(Set<ExactText>)
        /// Folders moved, or something was missed.
        case unknown
    }

    /// The folder of the vault when it was last listed.
    private(set) var root: FileIdentity?
    /// Whether each folder of the last list is watched.
    private(set) var isComplete = false

    private let inotify: Inotify
    private var folders: [Inotify.Watch: [String]] = [:]
    private var earlier: Set<Inotify.Watch> = []

    /// - Returns: nil when the kernel gives no watches.
    init?() {
        guard let inotify = Inotify() else { return nil }
        self.inotify = inotify
    }

    /// The vault is about to be listed: what happened until now will be seen in the list.
    func begin(_ root: FileIdentity) {
        _ = inotify.events()
        self.root = root
        isComplete = true
        earlier = Set(folders.keys)
        folders = [:]
    }

    /// A folder is about to be listed.
    func enter(_ descriptor: Int32, _ parts: [String]) {
        guard isComplete else { return }
        guard let watch = inotify.watch(folder: descriptor) else {
            isComplete = false
            return
        }
        folders[watch] = parts
    }

    /// The vault was listed.
    func end() {
        for watch in earlier.subtracting(folders.keys) { inotify.remove(watch) }
        earlier = []
    }

    /// What happened since the vault was listed, or since the last call.
    func changes() -> Changes {
        guard isComplete, let events = inotify.events() else { return .unknown }
        var files: Set<ExactText> = []
        for event in events {
            guard let folder = folders[event.watch] else { continue }
            guard let name = event.name else {
                // Also one that was unmounted, of which the folder above hears nothing.
                if event.isFolderItselfGone { return .unknown }
                continue
            }
            guard VaultPath.isVisibleName(name) else { continue }
            if event.isFolder { return .unknown }
            if VaultPath.isNote(name) { files.insert(ExactText((folder + [name]).joined(separator: "/"))) }
        }
        return .files(files)
    }
}
