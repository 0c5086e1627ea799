internal import HTTPTypes
internal import Hummingbird
internal import Wire

// With which methods may a path be asked? What the router doesn't find is either a path that isn't there, or one that is there
// for other methods: then the answer names them (RFC 9110, sections 9.3.7 and 15.5.6).

/// The methods of every path that is declared.
struct AllowedMethods: Sendable {
    private struct Path: Sendable {
        /// Nil: any text.
        let parts: [String?]
        let takesRest: Bool
        let method: HTTPRequest.Method

        /// 1 for each part that is no variable.
        var fixed: [Int] { parts.map { $0 == nil ? 0 : 1 } }

        func matches(_ path: [Substring]) -> Bool {
            guard takesRest ? path.count > parts.count : path.count == parts.count else { return false }
            return zip(parts, path).allSatisfy { part, text in part.map { $0 == text } ?? true }
        }
    }

    private let paths: [Path]

    init(_ routes: [Route]) {
        paths = routes.map { route in
            var parts = route.path.split(separator: "/").map { $0.hasPrefix("{") ? nil : String($0) }
            let takesRest = route.path.hasSuffix(":**}")
            if takesRest { parts.removeLast() }
            return Path(parts: parts, takesRest: takesRest, method: route.method)
        }
    }

    /// What a request gets for which there is no route.
    ///
    /// - Throws: `ErrorResponse`
    func answer(to request: Request) throws(ErrorResponse) -> Response {
        let allowed = allowed(on: request.uri.path)
        guard !allowed.isEmpty else {
            throw ErrorResponse(
                status: .notFound, code: .notFound, message: "There is no such thing here.",
                hint: "What can be asked: GET /api/openapi.json")
        }
        let names = allowed.joined(separator: ", ")
        guard request.method != .options else { return Response(status: .noContent, headers: [.allow: names]) }
        var error = ErrorResponse(
            status: .methodNotAllowed, code: .methodNotAllowed,
            message: "\(request.method.rawValue.prefix(20)) is not possible here.", hint: "Possible are: \(names)")
        error.headers[.allow] = names
        throw error
    }

    /// In a fixed order; empty when there is no such path.
    private func allowed(on path: String) -> [String] {
        let parts = path.split(separator: "/")
        let matching = paths.filter { $0.matches(parts) }
        // As the router does: `/models/catalog` is not `/models/{model}`, whatever that could be asked for.
        guard let nearest = matching.map(\.fixed).max(by: { $0.lexicographicallyPrecedes($1) }) else { return [] }
        var names = Set(matching.filter { $0.fixed == nearest }.map(\.method.rawValue))
        if names.contains("GET") { names.insert("HEAD") }
        names.insert("OPTIONS")
        return names.sorted()
    }
}
