internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Wire

// What happened here? `GET /api/logs`, for admins: the last events of the log as a bare array, oldest first, as the reference has
// it; or with `follow` as server-sent events that go on.

enum LogRoutes {
    private static let mostLines = 1_000
    /// How often a quiet stream is given a sign of life; whoever is gone is noticed then.
    private static let heartbeat = Duration.seconds(15)

    /// - Parameter source: nil when the agent keeps no log.
    static func routes(_ source: LogSource?, now: @escaping @Sendable () -> Double) -> [Route] {
        [
            .admin(.get, "/api/logs", .logs) { request, context, caller in
                let query = try query(request, now: now())
                let isFollowing = try request.queryFlag("follow")
                guard let source else { throw unavailable("This agent keeps no log.") }
                guard isFollowing else {
                    let lines = try await source.last(query)
                    return Response(
                        status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                        body: .init(byteBuffer: ByteBuffer(string: "[" + lines.joined(separator: ",") + "]")))
                }
                guard let journal = source.journal else {
                    throw unavailable(
                        "Nobody serves this agent, so nothing more comes.",
                        hint: "Start it with: openagent serve DIR, or do not follow.")
                }
                let reader = LogReader(handle: caller.handle, device: caller.device.hex)
                guard let following = try await journal.follow(query, for: reader) else {
                    throw unavailable("Too many follow the log already.")
                }
                // Among the followers before the rights are looked at again: no change can slip between the two.
                guard try context.origin.authenticate().get().role >= .admin else { throw Refusal.forbidden }
                return stream(following, until: caller.expiresAt.map { $0 - now() })
            }
        ]
    }

    /// - Parameter end: seconds; nil: the reader's rights do not end by themselves.
    private static func stream(_ following: Following, until end: Double?) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/event-stream"],
            body: ResponseBody { writer in
                // Also while nothing happens, so that whoever asked knows that it listens.
                try await writer.write(event(""))
                for line in following.last { try await writer.write(event(line)) }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    defer { group.cancelAll() }
                    group.addTask {
                        while !Task.isCancelled {
                            try await Task.sleep(for: heartbeat)
                            following.beat()
                        }
                    }
                    if let end {
                        group.addTask {
                            try await Task.sleep(for: .seconds(min(max(0, end), 1_000_000_000)))
                            following.end()
                        }
                    }
                    for await line in following.next { try await writer.write(event(line)) }
                }
                try await writer.finish(nil)
            })
    }

    private static func event(_ line: String) -> ByteBuffer {
        ByteBuffer(string: line.isEmpty ? ":\n\n" : "data: \(line)\n\n")
    }

    // MARK: Query

    private static func query(_ request: Request, now: Double) throws(ErrorResponse) -> LogQuery {
        var query = LogQuery()
        query.lines = try request.queryNumber("lines", in: 0...mostLines) ?? query.lines
        // The reference writes names with dots.
        query.event = try request.queryValue("event")?.replacing(/\.+/, with: "::")
        query.source = try request.queryValue("source")
        if let text = try request.queryWord("level") {
            guard let level = Logger.Level(rawValue: text.lowercased()) else {
                throw .invalid(
                    "'level' is one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            query.level = level
        }
        if let text = try request.queryWord("since") {
            guard let since = LogTime.since(text, now: now) else {
                throw .invalid(
                    "'since' is a time span such as 10m, a time such as 2026-11-21T08:00:00Z, or Unix seconds.")
            }
            query.since = since
        }
        return query
    }

    private static func unavailable(_ message: String, hint: String? = nil) -> ErrorResponse {
        ErrorResponse(status: .serviceUnavailable, code: .unavailable, message: message, hint: hint)
    }
}

/// Times that people write.
enum LogTime {
    private static let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800]

    /// Unix seconds of `10m` ago, of `2026-11-21T08:00:00Z`, or as they are.
    static func since(_ text: String, now: Double) -> Double? {
        if let seconds = Double(text) { return seconds.isFinite && seconds >= 0 ? seconds : nil }
        if let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()),
            (0...1_000_000).contains(count)
        {
            return now - Double(count) * unit
        }
        for style in [
            Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true),
            Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day(),
        ] {
            if let date = try? Date(text, strategy: style), text.utf8.count >= 10 { return date.timeIntervalSince1970 }
        }
        return nil
    }
}
