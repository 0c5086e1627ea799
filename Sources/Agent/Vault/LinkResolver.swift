internal import Foundation

// Which file does a link mean? The one whose whole path it names, else the one whose name is the link's last part: of several
// one that the link's folders fit, else the one with the shortest path. Case, `.md` and what stands behind `#` or `^` don't
// count, nor how an accent is spelt. Pure text; nothing here reads a file.

struct LinkResolver {
    private var byPath: [String: Int] = [:]
    private var byStem: [String: [Int]] = [:]
    private let keys: [String]

    /// - Parameter paths: of all files that a link may mean, in the order of their paths.
    init(_ paths: some Sequence<String>) {
        keys = paths.map { Self.key($0[...]) ?? "" }
        for (place, key) in keys.enumerated() {
            if byPath[key] == nil { byPath[key] = place }
            byStem[String(Self.lastPart(key)), default: []].append(place)
        }
        for (stem, places) in byStem where places.count > 1 {
            byStem[stem] = places.sorted { (keys[$0].utf8.count, $0) < (keys[$1].utf8.count, $1) }
        }
    }

    /// The position of the file that is meant.
    func resolve(_ key: String) -> Int? {
        if let place = byPath[key] { return place }
        guard let places = byStem[String(Self.lastPart(key))] else { return nil }
        let folders = "/" + key
        return places.first { keys[$0].hasSuffix(folders) } ?? places.first
    }

    /// Whether the link means the file at `place` by its name and whatever folders it gives, and not only for want of another.
    func fits(_ key: String, _ place: Int) -> Bool {
        resolve(key) == place && (keys[place] == key || keys[place].hasSuffix("/" + key))
    }

    /// What of a link's target counts; nil when it names no file, as `#heading` does.
    static func key(_ target: Substring) -> String? {
        var key = MarkdownNote.trimmed(base(of: target))
        while key.hasPrefix("/") || key.hasPrefix("./") { key = key.dropFirst(key.hasPrefix("/") ? 1 : 2) }
        // A name longer than a path can be is nobody's.
        guard !key.isEmpty, key.utf8.count <= VaultPath.maximumLength else { return nil }
        var lower = key.lowercased()
        // The index compares bytes. One machine writes accents as characters of their own, another one does not.
        if lower.utf8.contains(where: { $0 >= 0x80 }) { lower = lower.precomposedStringWithCanonicalMapping }
        return VaultPath.isNote(lower) ? String(decoding: lower.utf8.dropLast(3), as: UTF8.self) : lower
    }

    /// The target without heading and block, and without the backslash that hides the `|` behind it from a table.
    static func base(of target: Substring) -> Substring {
        if let end = target.utf8.firstIndex(where: { $0 == UInt8(ascii: "#") || $0 == UInt8(ascii: "^") }) {
            return target[..<end]
        }
        return target.utf8.last == UInt8(ascii: "\\") ? Substring(target.utf8.dropLast()) : target
    }

    private static func lastPart(_ key: String) -> Substring {
        key.utf8.lastIndex(of: UInt8(ascii: "/")).map { key[key.utf8.index(after: $0)...] } ?? key[...]
    }
}
