internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

// Why could no connection be made? In words that name neither address nor token: platforms put tokens into addresses.

enum Connecting {
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if error.dnsAError != nil || error.dnsAAAAError != nil, error.connectionErrors.isEmpty {
                "its name can't be looked up"
            } else {
                error.connectionErrors.first.map { reason($0.error) } ?? unknown
            }
        case let error as IOError: "it can't be reached: \(String(cString: strerror(error.errnoCode)))"
        case ChannelError.connectTimeout: "it can't be reached: it did not answer in time"
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            "it can't be reached safely: TLS failed, or its certificate is not one to trust"
        default: unknown
        }
    }

    private static let unknown = "it can't be reached"
}
