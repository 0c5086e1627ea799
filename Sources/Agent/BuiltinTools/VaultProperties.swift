internal import JSON

// What does a note say about itself, and how is that changed? Properties and tags in the block at its head.

extension VaultTools {
    var properties: [BuiltinTool] {
        [
            BuiltinTool("get_frontmatter", .query, "Reads a note's properties", [Self.path]) { arguments, _ in
                let file = try await vault.read(NotePath(arguments.text("path")).file)
                return ["properties": .object(try vault.parse(file).properties), "tag": .string(file.tag)]
            },
            BuiltinTool(
                "update_frontmatter", .action, "Changes a note's properties; null takes one away",
                [
                    Self.path, .object("frontmatter", "The properties", required: true), Self.tag,
                    .flag("merge", "Keeps the others; usually true"),
                ]
            ) { arguments, _ in
                let isWhole = try !arguments.flag("merge", usual: true)
                let properties = try arguments.object("frontmatter")
                return try await change(arguments) { try edited($0, properties, isWhole: isWhole) }
            },
            BuiltinTool(
                "manage_tags", .action, "Adds tags to a note's properties, takes them away, or lists all of a note",
                [
                    Self.path, .choice("operation", ["add", "remove", "list"], "What to do", required: true),
                    .texts("tags", "The tags, with or without #"), Self.tag,
                ]
            ) { arguments, _ in try await tags(arguments) },
        ]
    }

    private func edited(_ text: String, _ properties: [String: JSONValue], isWhole: Bool = false) throws -> String {
        guard let edited = FrontMatterEdit.apply(properties, to: text, isWhole: isWhole) else {
            throw ToolRefusal("the properties of this note can't be understood: change its text with patch_note")
        }
        return edited
    }

    private func tags(_ arguments: ToolArguments) async throws -> JSONValue {
        let path = try NotePath(arguments.text("path"))
        let operation = try arguments.choice("operation", of: ["add", "remove", "list"], usual: "list")
        let wanted = try (arguments.optionalTexts("tags", most: 100) ?? []).map { tag in
            let plain = String(tag.drop { $0 == "#" })
            guard !plain.isEmpty, plain.utf8.count <= 256, !plain.contains(where: { $0.isWhitespace || $0 == "," })
            else { throw ToolRefusal("a tag is a word without spaces, such as house/garden") }
            return plain
        }
        guard operation != "list" else {
            let file = try await vault.read(path.file)
            let note = MarkdownNote(try vault.parse(file).text, path: path)
            return ["tags": JSONValue(texts: note.tags), "tag": .string(file.tag)]
        }
        guard !wanted.isEmpty else { throw ToolRefusal("'tags' is missing") }
        return try await change(arguments) { text in
            var own: [String] = []
            switch MarkdownNote(text, path: path).properties["tags"] {
            case .array(let list)?: own = list.compactMap(\.string)
            case .string(let tag)?: own = [tag]
            default: break
            }
            own = own.map { String($0.drop { $0 == "#" }) }
            let low = Set(wanted.map { $0.lowercased() })
            if operation == "remove" {
                own.removeAll { low.contains($0.lowercased()) }
            } else {
                let known = Set(own.map { $0.lowercased() })
                own += wanted.filter { !known.contains($0.lowercased()) }
            }
            return try edited(text, ["tags": own.isEmpty ? .null : JSONValue(texts: own)])
        }
    }
}
