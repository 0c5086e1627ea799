internal import Agent
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import JSON
internal import Store
internal import Wire

// What do the routes of tasks and workflows have in common? How a refusal is answered, how a page is cut, how a time is written.

enum PlanRequests {
    /// Runs `body`, and says in the words of the protocol what was refused.
    static func answering<Value>(_ hint: String, _ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as PlanError { throw ErrorResponse(error, hint: hint) }
    }

    /// The body of a request that may have none.
    static func optional<Body: Decodable>(
        _ request: Request, _ context: GatewayContext, as type: Body.Type, none: Body
    ) async throws -> Body {
        var request = request
        let buffer = try await request.collectBody(upTo: context.maxUploadSize)
        guard buffer.readableBytes > 0 else { return none }
        return try await request.decode(as: type, context: context)
    }

    /// A text of JSON as the value that it is.
    static func value(_ json: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
    }

    static func iso(in zone: String) -> (Double) -> String {
        let zone = (try? Schedule.timeZone(zone)) ?? .gmt
        return { LocalTime.iso($0, in: zone) }
    }
}

extension PageRequest {
    /// The page out of rows that may end before the limit, for their size.
    func page<Row>(of rows: PlanRows<Row>, key: (Row) -> Key) throws -> (rows: [Row], nextCursor: String?) {
        try PageRequest(limit: rows.isCut ? rows.rows.count - 1 : limit, after: nil).page(of: rows.rows, key: key)
    }
}

extension ErrorResponse {
    init(_ error: PlanError, hint: String) {
        let text = error.description
        let message = text.prefix(1).uppercased() + text.dropFirst() + "."
        switch error {
        case .invalid: self = .invalid(message)
        // As it stands in what others have been told of graphs.
        case .graph: self = .invalid(text)
        case .notFound: self.init(status: .notFound, code: .notFound, message: message, hint: hint)
        case .nameTaken:
            self.init(status: .conflict, code: .conflict, message: message, hint: "Choose another name.")
        case .ambiguous:
            self.init(status: .conflict, code: .conflict, message: message, hint: "Give more of the id, or the name.")
        case .conflict: self.init(status: .conflict, code: .conflict, message: message)
        case .full:
            self.init(
                status: .tooManyRequests, code: .queueFull, message: message,
                hint: "Wait until some have ended, or stop them.")
        }
    }
}
