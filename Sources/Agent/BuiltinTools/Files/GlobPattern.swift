// Which paths does a pattern mean? `*` and `?` stand for anything within a name, `**` for any folders. Matching takes time in proportion
// to both lengths, whatever the pattern is.

/// A pattern of paths.
struct GlobPattern: Sendable {
    private let parts: [[Character]]
    /// A pattern of one name is meant in every folder.
    private let isName: Bool

    static let longest = 512

    /// - Returns: nil when it is empty or too long.
    init?(_ text: String) {
        guard (1...Self.longest).contains(text.utf8.count) else { return nil }
        parts = text.split(separator: "/").map(Array.init)
        isName = parts.count == 1
        guard !parts.isEmpty else { return nil }
    }

    /// - Parameter path: names, from the folder on in which the pattern is meant.
    func matches(_ path: some BidirectionalCollection<String>) -> Bool {
        let names = isName ? Array(path.suffix(1)) : Array(path)
        // Which beginnings of the pattern fit the names so far.
        var fitting = [Bool](repeating: false, count: parts.count + 1)
        fitting[0] = true
        skipFolders(&fitting)
        for name in names {
            let name = Array(name)
            var next = [Bool](repeating: false, count: parts.count + 1)
            for place in parts.indices where fitting[place] {
                if parts[place] == ["*", "*"] {
                    next[place] = true
                    next[place + 1] = true
                } else if Self.fits(parts[place], name) {
                    next[place + 1] = true
                }
            }
            fitting = next
            skipFolders(&fitting)
        }
        return fitting[parts.count]
    }

    /// `**` may stand for no folder at all.
    private func skipFolders(_ fitting: inout [Bool]) {
        for place in parts.indices where fitting[place] && parts[place] == ["*", "*"] { fitting[place + 1] = true }
    }

    /// Goes back to the last star only: an earlier one can always end where it did.
    private static func fits(_ pattern: [Character], _ name: [Character]) -> Bool {
        var (place, next) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while next < name.count {
            if place < pattern.count, pattern[place] == "*" {
                star = (place, next)
                place += 1
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == name[next] {
                place += 1
                next += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                (place, next) = (last.pattern + 1, last.name + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}
