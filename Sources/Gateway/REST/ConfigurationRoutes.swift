internal import Agent
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import JSON
internal import NIOCore
internal import Store
internal import Wire

// What is set, and how is it changed? `GET` and `PUT /api/config`, `PATCH /api/config/{section}` (rest.md §4), for admins.
// What a document may say and how its file is written is the store's business; here are only requests and answers.

enum ConfigurationRoutes {
    /// UTF-8 bytes of a section's name.
    private static let longestName = 100

    /// - Parameters:
    ///   - store: nil when the agent has no file.
    ///   - audit: where each change is noted; nil: nowhere.
    static func routes(
        _ store: ConfigurationStore?, _ audit: AuditLog?, now: @escaping @Sendable () -> Double
    ) -> [Route] {
        [
            .admin(.get, "/api/config", .configuration) { _, _, _ in
                let reading = try await answering { () async throws(ConfigurationRefusal) in
                    try await present(store).read()
                }
                return try tagged(JSON.response(JSONValue.object(reading.fields)), reading.tag)
            },
            .admin(.put, "/api/config", .writeConfiguration, announces: .updated(.config, to: .everybody)) {
                request, context, caller in
                guard case .object(let fields) = try await body(of: request, context) else {
                    throw ErrorResponse.invalid(
                        "A configuration is an object.", hint: "See what it looks like with GET /api/config.")
                }
                let written = try await write(.everything(fields), request, caller, store)
                await note(written.sections, by: caller.actor, "config.write", audit, now: now)
                if let first = written.sections.first {
                    context.announced.set(id: first)
                } else {
                    context.announced.silence()
                }
                for section in written.sections.dropFirst() { context.announced.also(.updated, id: section) }
                let changed = ConfigurationChanged(
                    restartKeys: written.restartKeys, warnings: written.warnings, etag: quoted(written.reading.tag),
                    config: .object(written.reading.fields))
                return try tagged(JSON.response(changed), written.reading.tag)
            },
            .admin(
                .patch, "/api/config/{section}", .changeConfiguration,
                announces: .updated(.config, "section", to: .everybody)
            ) { request, context, caller in
                let name = try section(of: context)
                // `nil` alone could mean the value null as well.
                let value = try await body(of: request, context)
                let wanted: JSONValue? = value == .null ? .none : .some(value)
                let written = try await write(.section(name, wanted), request, caller, store)
                await note(written.sections, by: caller.actor, "config.write", audit, now: now)
                if written.sections.isEmpty { context.announced.silence() }
                let now = written.reading.fields[name]
                let changed = ConfigurationChanged(
                    restartKeys: written.restartKeys, warnings: written.warnings, etag: quoted(written.reading.tag),
                    section: name, value: now)
                return try tagged(JSON.response(underItsName(changed, name, now ?? .null)), written.reading.tag)
            },
        ]
    }

    /// A change that is in the file stays there whatever becomes of its row: the file is what is true.
    static func note(
        _ sections: [String], by actor: Registry.Actor, _ action: String, _ audit: AuditLog?, now: () -> Double
    ) async {
        let time = now()
        for section in sections {
            try? await audit?.append(
                AuditRecord(
                    at: time, actor: actor.name, actorDevice: actor.device, action: action, subject: section))
        }
    }

    // MARK: Requests

    private static func present(_ store: ConfigurationStore?) throws(ConfigurationRefusal) -> ConfigurationStore {
        guard let store else { throw .missing }
        return store
    }

    private static func write(
        _ wish: ConfigurationStore.Wish, _ request: Request, _ caller: Caller, _ store: ConfigurationStore?
    ) async throws -> ConfigurationStore.Written {
        let wanted = request.headers[.ifMatch]
        return try await answering { () async throws(ConfigurationRefusal) in
            try await present(store).write(wish, by: caller.handle) { tag in
                guard let wanted, wanted != "*" else { return true }
                return wanted.split(separator: ",").contains { $0.filter { $0 != " " && $0 != "\t" } == quoted(tag) }
            }
        }
    }

    private static func section(of context: GatewayContext) throws -> String {
        let name = try context.pathPart("section")
        let isPlain = !name.unicodeScalars.contains { $0.properties.generalCategory == .control }
        guard name.utf8.count <= longestName, isPlain else {
            throw ErrorResponse.invalid("A section's name has at most \(longestName) bytes and no control characters.")
        }
        return name
    }

    /// Any JSON value, also one that is no object.
    private static func body(of request: Request, _ context: GatewayContext) async throws -> JSONValue {
        let bytes = Array((try await request.body.collect(upTo: context.maxUploadSize)).readableBytesView)
        guard isShallow(bytes) else {
            throw ErrorResponse.invalid("Values stand more than \(YAMLReader.deepest) deep in each other.")
        }
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
            throw ErrorResponse(
                status: .badRequest, code: .badMessage, message: "The request's body is not what is expected here.",
                hint: "Send JSON: an object, or for a section any value.")
        }
        return value
    }

    /// Whether no value stands deeper in others than a document may be deep. Looked at before it is decoded.
    private static func isShallow(_ bytes: [UInt8]) -> Bool {
        var depth = 0
        var isText = false
        var isEscaped = false
        for byte in bytes {
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                guard depth <= YAMLReader.deepest else { return false }
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
        }
        return true
    }

    // MARK: Answers

    private static func quoted(_ tag: String) -> String { "\"\(tag)\"" }

    private static func tagged(_ response: Response, _ tag: String) -> Response {
        var response = response
        response.headers[.eTag] = quoted(tag)
        return response
    }

    /// Clients of the agent that was there before read the section under its own name.
    private static func underItsName(
        _ changed: ConfigurationChanged, _ name: String, _ value: JSONValue
    ) throws -> JSONValue {
        let plain = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(changed))
        guard case .object(let fields) = plain else { return plain }
        return .object(fields.merging([name: value]) { own, _ in own })
    }

    /// Runs `body`, and says what was wrong in the words of the protocol.
    private static func answering<Value: Sendable>(
        _ body: () async throws(ConfigurationRefusal) -> Value
    ) async throws -> Value {
        do { return try await body() } catch { throw try ErrorResponse(error) }
    }
}

extension ConfigurationStore {
    /// Lets clients hear of changes by hand until the task is cancelled.
    ///
    /// - Parameter note: keeps account of the sections that have changed.
    func tellEdits(
        through broadcasts: Broadcasts, note: (_ sections: [String]) async -> Void = { _ in }
    ) async {
        for await change in changes() where change.isByHand {
            await note(Array(change.sections))
            for section in change.sections { broadcasts.publish(.config, .updated, id: section, to: [.everybody]) }
        }
    }
}

extension ErrorResponse {
    /// Why the configuration was not changed. Nothing that it says is repeated but values of settings that hold no secrets.
    ///
    /// - Throws: what the file system says, which is nobody's business outside.
    fileprivate init(_ refusal: ConfigurationRefusal) throws {
        switch refusal {
        case .precondition:
            self.init(
                status: .preconditionFailed, code: .preconditionFailed,
                message: "The configuration was changed meanwhile.",
                hint: "Read it again, make the change there, and send the new ETag in If-Match.")
        case .broken(let error):
            self.init(
                status: .conflict, code: .conflict,
                message: "openagent.yaml can't be read: line \(error.line ?? 1): \(error.problem).",
                hint:
                    "Repair it on the agent's machine, or write all of it anew: openagent config edit, PUT /api/config."
            )
        case .invalid(let errors):
            let all = errors.map(\.problem)
            self = .invalid(
                all.prefix(10).joined(separator: "; ") + ".",
                hint: "Nothing was changed. The settings stand in docs/operations.md.")
        case .nothingKept(let path):
            self = .invalid(
                "\(path.prefix(300)) is '\(ConfigurationSecrets.marker)', and no secret is kept there.",
                hint: "Send the value itself, or a reference such as ${NAME}.")
        case .owned(let section):
            self = .invalid(
                "'\(section)' is not kept in openagent.yaml but in the agent's database.",
                hint: section.hasPrefix("mcp")
                    ? "See: openagent mcps; /api/mcps."
                    : section == "providers"
                        ? "See: openagent providers; /api/providers." : "See: openagent tasks; /api/scheduled-tasks.")
        case .tooLarge: self = .tooLarge
        case .missing:
            self.init(
                status: .serviceUnavailable, code: .unavailable, message: "This agent has no configuration file.")
        case .unwritable(let failure):
            throw [ENOSPC, EDQUOT].contains(failure.code)
                ? StorageFault.full : [EROFS, EACCES, EPERM].contains(failure.code) ? .readOnly : .disk
        }
    }
}
