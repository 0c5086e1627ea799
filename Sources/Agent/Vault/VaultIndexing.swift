internal import Store

// How does the index come to agree with the files? At first every file's stamp is compared with the index; from then on the
// kernel tells what changed, and where it can't, all stamps are compared again. What has to be read is read in portions;
// in between, others get their turn and a cancelled caller leaves the rest to the next one. `run` does all this in the
// background, so that as a rule nobody waits for it.

extension Vault {
    /// Bytes of notes between two commits of the index.
    private static let portion = 1 << 20
    /// After so many notes were taken in, the index is put in order.
    private static let unsettling = 1_000
    /// A change so recent that another one in the same tick of the file system's clock would look the same.
    private static let settlingTime: Int64 = 100_000_000
    /// How often `run` looks; asking the kernel what changed costs next to nothing, asking every file a little more.
    private static let restWithWatch: Duration = .milliseconds(500)
    private static let restWithoutWatch: Duration = .seconds(10)
    /// How often `run` looks at every file all the same: what another machine does to a shared folder, no kernel here tells.
    private static let trust: Duration = .seconds(300)

    /// Keeps the index in agreement with the files until the task is cancelled. Without it everything works as well, but
    /// whoever asks first waits until all is read.
    public func run() async {
        isFollowed = true
        defer {
            isFollowed = false
            isTelling = false
        }
        var isFirst = true
        var listed = ContinuousClock.now
        while !Task.isCancelled {
            do {
                let started = ContinuousClock.now
                if started - listed > Self.trust { (isListed, listed) = (false, started) }
                let count = try await withFreshIndex(isPatient: true) { isFirst ? try $0.stamps().count : 0 }
                if isFirst {
                    logger.info(
                        "vault::indexed", metadata: ["notes": "\(count)", "seconds": "\((.now - started).seconds)"])
                }
                isFirst = false
                // What is found at first was changed while nobody served.
                isTelling = true
            } catch is CancellationError {
                return
            } catch {
                logger.warning("vault::index_failed", metadata: ["error": "\(error)"])
            }
            // An interrupted rest ends the loop.
            try? await Task.sleep(for: watch == nil ? Self.restWithoutWatch : Self.restWithWatch)
        }
    }

    /// Runs `body` on an index that agrees with the files. Damage found on the way is repaired by starting over once.
    ///
    /// - Parameter isPatient: whether to wait for the end, however long that takes.
    func withFreshIndex<Value: Sendable>(
        isPatient: Bool = false, _ body: (NoteIndex) throws -> Value
    ) async throws -> Value {
        recover()
        do {
            let index = try openIndex()
            do {
                try await synchronize(index, isPatient)
                return try body(index)
            } catch NoteIndexError.damaged {
                logger.warning("vault::index_damaged", metadata: ["path": "\(indexPath)"])
                try refill(index)
                try await synchronize(index, isPatient)
                return try body(index)
            }
        } catch let error as NoteIndexError {
            logger.warning("vault::index_failed", metadata: ["error": "\(error)"])
            throw VaultError.index(error.description)
        }
    }

    /// Throws the index away and begins to read all notes anew. The next question waits for the rest.
    ///
    /// - Returns: how many notes there are to read.
    /// - Throws: ``VaultError``, or `CancellationError` when the caller's task is cancelled.
    public func reindex() throws -> Int {
        recover()
        do {
            let index = try openIndex()
            try refill(index)
            // Whoever waits for the index must not take the empty one for all.
            try notice(index)
            return pending.count
        } catch let error as NoteIndexError {
            throw VaultError.index(error.description)
        }
    }

    private func refill(_ index: NoteIndex) throws {
        try index.reset()
        isRefilling = true
        isListed = false
        pending = []
        knownGraph = nil
    }

    private func openIndex() throws -> NoteIndex {
        if let index { return index }
        let opened = try NoteIndex(path: indexPath)
        index = opened
        return opened
    }

    private func synchronize(_ index: NoteIndex, _ isPatient: Bool) async throws {
        let started = ContinuousClock.now
        try Task.checkCancellation()
        try notice(index)
        while !pending.isEmpty {
            try takeIn(index)
            guard !pending.isEmpty else { return }
            if isFollowed, !isPatient, .now - started > limits.patience {
                throw VaultError.indexing(done: pendingAtFirst - pending.count, total: pendingAtFirst)
            }
            await Task.yield()
            try Task.checkCancellation()
        }
    }

    /// Finds out what changed.
    private func notice(_ index: NoteIndex) throws {
        let root = files.rootIdentity()
        if isListed, let watch, watch.root == root, case .files(let changed) = watch.changes() {
            let known = Set(pending.map(ExactText.init))
            pending += changed.subtracting(known).map(\.text)
            pendingAtFirst = max(pendingAtFirst, pending.count)
            return
        }
        var gone = try index.stamps()
        var changed: [String] = []
        isListed = false
        let listed = try files.list(watch)
        if listed.count >= limits.notes, !isCrowded {
            isCrowded = true
            logger.warning("vault::too_many_notes", metadata: ["searched": "\(limits.notes)"])
        }
        for file in listed {
            let path = ExactText(file.path.description)
            let known = gone.removeValue(forKey: path)
            guard known != file.stamp else { continue }
            changed.append(path.text)
            // Read once more only because it was so young: nothing to tell.
            if isTelling, known == file.stamp.unsettled { own[path] = file.stamp }
        }
        // A list that was cut short by a cancellation knows nothing of what is missing in it.
        try Task.checkCancellation()
        // The removed ones come last in line, and are taken in first.
        changed += gone.keys.map(\.text)
        pending = changed
        pendingAtFirst = changed.count
        if let watch, root != nil, !watch.isComplete {
            self.watch = nil
            logger.warning("vault::unwatched", metadata: ["hint": "raise fs.inotify.max_user_watches"])
        }
        isListed = watch != nil && root != nil
    }

    /// Brings one portion of what changed into the index.
    private func takeIn(_ index: NoteIndex) throws {
        var notes: [IndexedNote] = []
        var gone: [String] = []
        var size = 0
        var count = 0
        while count < pending.count, size < Self.portion {
            let path = pending[pending.count - 1 - count]
            count += 1
            if let note = try read(path) {
                notes.append(note)
                size += note.body.utf8.count
            } else {
                gone.append(path)
            }
        }
        knownGraph = nil
        let edits = try isTelling && !isRefilling ? edits(notes, gone, index) : []
        try index.update(notes, removing: gone)
        pending.removeLast(count)
        if !edits.isEmpty { edited.yield(edits) }
        guard pending.isEmpty else { return }
        isRefilling = false
        if pendingAtFirst >= Self.unsettling { try index.settle() }
        pendingAtFirst = 0
    }

    /// What of this others have not heard.
    private func edits(_ notes: [IndexedNote], _ gone: [String], _ index: NoteIndex) throws -> [VaultEdit] {
        var edits: [VaultEdit] = []
        for path in gone {
            own[ExactText(path)] = nil
            if try index.contains(path) { edits.append(VaultEdit(kind: .deleted, path: path)) }
        }
        for note in notes {
            // Somebody may have changed it once more since.
            let told = own.removeValue(forKey: ExactText(note.path))
            if let told, told.modified == note.stamp.modified, told.size == note.stamp.size { continue }
            let isKnown = try told != nil || index.contains(note.path)
            edits.append(VaultEdit(kind: isKnown ? .updated : .created, path: note.path))
        }
        return edits
    }

    /// A file that vanished or is no text since it was noticed is no note.
    ///
    /// - Throws: ``VaultError`` when this process has no room to look.
    private func read(_ name: String) throws(VaultError) -> IndexedNote? {
        let settled = Int64(now() * 1_000_000_000) - Self.settlingTime
        let (path, text, stamp): (NotePath, String, NoteStamp)
        do throws(VaultError) {
            path = try NotePath(name)
            (text, stamp) = try files.read(path)
        } catch {
            if error.isShortage { throw error }
            return nil
        }
        let note = MarkdownNote(text, path: path)
        var links: Set<String> = []
        for link in note.links where links.count < 10_000 {
            if let key = LinkResolver.key(link[...]) { links.insert(key) }
        }
        return IndexedNote(
            path: name, title: note.title, label: note.label, type: note.type, tags: note.tags, links: links.sorted(),
            body: note.body, stamp: stamp.changed < settled ? stamp : stamp.unsettled)
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
