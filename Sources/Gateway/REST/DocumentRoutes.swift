internal import Foundation
internal import Hummingbird
internal import NIOCore
internal import Synchronization

// What can be asked? `GET /api/openapi.json`, made from all routes when somebody first asks, and kept.

enum DocumentRoutes {
    /// - Parameters:
    ///   - version: the agent's.
    ///   - others: everything else that can be asked.
    static func routes(version: String, others: [Route]) -> [Route] {
        let document = Document(version: version, routes: others)
        return [
            .member(.get, "/api/openapi.json", .document) { _, _, _ in
                Response(
                    status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                    body: .init(byteBuffer: try document.bytes()))
            }
        ]
    }

    private final class Document: Sendable {
        private let version: String
        private let routes: [Route]
        private let made = Mutex<ByteBuffer?>(nil)

        init(version: String, routes: [Route]) {
            self.version = version
            self.routes = routes
        }

        func bytes() throws -> ByteBuffer {
            try made.withLock { made in
                if let made { return made }
                let own = Route.member(.get, "/api/openapi.json", .document) { _, _, _ in throw ErrorResponse.notFound }
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                let document = try OpenAPIDocument(version: version, routes: routes + [own]).json()
                let bytes = ByteBuffer(data: try encoder.encode(document))
                made = bytes
                return bytes
            }
        }
    }
}
