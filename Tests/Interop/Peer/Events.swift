internal import Glibc
internal import Transport

// What does the matrix get to know? One JSON object a line on standard output. The same words as in iroh_peer.py.

/// What happened at this end of a connection.
enum Event {
    case listening(node: NodeID, address: String)
    case dialing(node: NodeID)
    case accepted(peer: NodeID, alpn: String)
    case connected(peer: NodeID, alpn: String)
    case streams(count: Int)
    case bulk(bytes: Int)
    case datagram(ok: Bool)
    case refused(message: String)
    case closed(ConnectionCloseReason)

    /// Writes the event. A line is one `write`, so that lines of several tasks don't mix.
    func emit() {
        let line = "{" + fields.map { "\(quoted($0.name)): \($0.value)" }.joined(separator: ", ") + "}\n"
        let bytes = Array(line.utf8)
        // The matrix reads until the end; when it has gone, there is nobody to tell.
        _ = write(STDOUT_FILENO, bytes, bytes.count)
    }

    private var fields: [(name: String, value: String)] {
        switch self {
        case .listening(let node, let address):
            [("event", quoted("listening")), ("node", quoted(node.hex)), ("address", quoted(address))]
        case .dialing(let node):
            [("event", quoted("dialing")), ("node", quoted(node.hex))]
        case .accepted(let peer, let alpn):
            [("event", quoted("accepted")), ("peer", quoted(peer.hex)), ("alpn", quoted(alpn))]
        case .connected(let peer, let alpn):
            [("event", quoted("connected")), ("peer", quoted(peer.hex)), ("alpn", quoted(alpn))]
        case .streams(let count):
            [("event", quoted("streams")), ("count", String(count))]
        case .bulk(let bytes):
            [("event", quoted("bulk")), ("bytes", String(bytes))]
        case .datagram(let ok):
            [("event", quoted("datagram")), ("ok", String(ok))]
        case .refused(let message):
            [("event", quoted("refused")), ("message", quoted(message))]
        case .closed(.local(let code, let reason)):
            closed(by: "local", code: code, reason: reason)
        case .closed(.peer(let code, let reason)):
            closed(by: "peer", code: code, reason: reason)
        case .closed(let other):
            [("event", quoted("closed")), ("by", quoted(String(describing: other)))]
        }
    }

    private func closed(by end: String, code: UInt64, reason: String) -> [(name: String, value: String)] {
        [("event", quoted("closed")), ("by", quoted(end)), ("code", String(code)), ("reason", quoted(reason))]
    }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
