internal import Dispatch
internal import Glibc
internal import Synchronization

// Which addresses has a host? The machine's resolver knows, and takes its time: it can't be stopped, so whoever is stopped leaves it
// behind, and there are not many of them at once.

/// Looks up names.
public protocol HostResolver: Sendable {
    /// - Throws: ``WebError/unknownHost(_:)``; ``WebError/busy``; `CancellationError`, promptly.
    func addresses(of host: String) async throws -> [IPAddress]
}

/// Asks the machine.
public struct SystemResolver: HostResolver {
    private static let underWay = Atomic(0)
    private static let most = 32
    private static let queue = DispatchQueue(label: "openagent.resolver", attributes: .concurrent)

    public init() {}

    public func addresses(of host: String) async throws -> [IPAddress] {
        guard Self.underWay.add(1, ordering: .relaxed).newValue <= Self.most else {
            Self.underWay.subtract(1, ordering: .relaxed)
            throw WebError.busy
        }
        let answer = Answer()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                answer.wait(continuation)
                Self.queue.async {
                    let found = Self.look(host)
                    Self.underWay.subtract(1, ordering: .relaxed)
                    answer.give(found.isEmpty ? .failure(WebError.unknownHost(host)) : .success(found))
                }
            }
        } onCancel: {
            answer.give(.failure(CancellationError()))
        }
    }

    private static func look(_ host: String) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_family = AF_UNSPEC
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let address = UnsafeRawPointer(entry.pointee.ai_addr) else { continue }
            switch entry.pointee.ai_family {
            case AF_INET: found.append(IPAddress(address.loadUnaligned(as: sockaddr_in.self).sin_addr))
            case AF_INET6: found.append(IPAddress(address.loadUnaligned(as: sockaddr_in6.self).sin6_addr))
            default: continue
            }
        }
        return found
    }

    /// Given once, to whoever waits.
    private final class Answer: Sendable {
        private enum State {
            case nobody
            case waiting(CheckedContinuation<[IPAddress], any Error>)
            case given(Result<[IPAddress], any Error>)
            case taken
        }

        private let state = Mutex(State.nobody)

        func wait(_ continuation: CheckedContinuation<[IPAddress], any Error>) {
            let given: Result<[IPAddress], any Error>? = state.withLock { state in
                if case .given(let result) = state {
                    state = .taken
                    return result
                }
                state = .waiting(continuation)
                return nil
            }
            if let given { continuation.resume(with: given) }
        }

        func give(_ result: Result<[IPAddress], any Error>) {
            let continuation: CheckedContinuation<[IPAddress], any Error>? = state.withLock { state in
                switch state {
                case .nobody:
                    state = .given(result)
                    return nil
                case .waiting(let continuation):
                    state = .taken
                    return continuation
                case .given, .taken: return nil
                }
            }
            continuation?.resume(with: result)
        }
    }
}
