internal import CGnuTLS
internal import CNGTCP2
internal import NIOCore

// One QUIC connection as a machine without I/O and without a clock: packets and times go in, packets and events come
// out. This is the only file that holds an ngtcp2 connection; it does not know sockets, channels or other connections.

/// A QUIC connection. Confined to one event loop.
final class QUICConnection {
    /// Bytes in the largest packet that is ever written.
    static let maximumPacketSize = 1_452

    /// nil while `init` runs, and after ``release()``.
    private var connection: OpaquePointer?
    private let reference: UnsafeMutablePointer<ngtcp2_crypto_conn_ref>
    private(set) var tls: TLSSession?
    private let resetKey: [UInt8]
    private let vectors: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>
    let isServer: Bool

    /// Streams that ngtcp2 has not closed.
    private(set) var streams: [Int64: QUICStream] = [:]
    /// What happened since the last look, in order.
    private var events: [QUICEvent] = []
    /// Streams with news for their channel.
    private var touched: [QUICStream] = []
    private var metStatelessReset = false
    private(set) var receivedBytes: UInt64 = 0
    private var sentBytes: UInt64 = 0
    private var sentPackets: UInt64 = 0
    private var receivedPackets: UInt64 = 0
    private var lossPeriods = 0
    /// When the latest recovery period began, by ngtcp2's account.
    private var recoveryStart: UInt64 = .max

    /// Dials: the first ``writePacket(into:stream:path:now:completed:)`` makes the first flight.
    init(
        dialling peer: NodeID, alpn: String, ticket: [UInt8]?, path: DatagramPath, credentials: TLSCredentials,
        resetKey: [UInt8], limits: TransportLimits, now: UInt64
    ) throws {
        isServer = false
        self.resetKey = resetKey
        (reference, vectors) = Self.makeBuffers()
        installReference()
        var callbacks = ngtcp2_callbacks.client
        var settings = ngtcp2_settings(limits: limits, now: now)
        var parameters = ngtcp2_transport_params(limits: limits)
        let own = ConnectionID.random()
        var source = own.raw
        var destination = ConnectionID.random(length: 16).raw
        let buffer = PathBuffer(path)
        let result = withExtendedLifetime(buffer) {
            ngtcp2_conn_client_new_versioned(
                &connection, &destination, &source, buffer.pointer, UInt32(NGTCP2_PROTO_VER_V1),
                NGTCP2_CALLBACKS_VERSION, &callbacks, NGTCP2_SETTINGS_VERSION, &settings,
                NGTCP2_TRANSPORT_PARAMS_VERSION, &parameters, QUICMemory.allocator,
                Unmanaged.passUnretained(self).toOpaque())
        }
        guard result == 0 else { throw QUICError(operation: "dial", code: result) }
        try attach(.client(peer: peer, alpn: alpn, ticket: ticket), credentials, limits)
        events.append(.connectionIDIssued(own))
    }

    /// Accepts what `initial` began. The packet itself is still to be read.
    init(
        accepting initial: InitialPacket, path: DatagramPath, credentials: TLSCredentials, resetKey: [UInt8],
        limits: TransportLimits, now: UInt64
    ) throws {
        isServer = true
        self.resetKey = resetKey
        (reference, vectors) = Self.makeBuffers()
        installReference()
        var callbacks = ngtcp2_callbacks.server
        var settings = ngtcp2_settings(limits: limits, now: now)
        var parameters = ngtcp2_transport_params(limits: limits)
        let own = ConnectionID.random()
        var source = own.raw
        var destination = initial.source.raw
        if let original = initial.retriedDestination {
            parameters.original_dcid = original.raw
            parameters.retry_scid = initial.destination.raw
            parameters.retry_scid_present = 1
        } else {
            parameters.original_dcid = initial.destination.raw
        }
        parameters.stateless_reset_token_present = 1
        withUnsafeMutableBytes(of: &parameters.stateless_reset_token) { token in
            let token = token.assumingMemoryBound(to: UInt8.self).baseAddress
            _ = ngtcp2_crypto_generate_stateless_reset_token(token, resetKey, resetKey.count, &source)
        }
        let buffer = PathBuffer(path)
        var token = initial.token
        let result = token.withUnsafeMutableBufferPointer { token in
            settings.token = ngtcp2_vec(base: token.baseAddress, len: token.count)
            return ngtcp2_conn_server_new_versioned(
                &connection, &destination, &source, buffer.pointer, initial.version, NGTCP2_CALLBACKS_VERSION,
                &callbacks, NGTCP2_SETTINGS_VERSION, &settings, NGTCP2_TRANSPORT_PARAMS_VERSION, &parameters,
                QUICMemory.allocator,
                Unmanaged.passUnretained(self).toOpaque())
        }
        withExtendedLifetime(buffer) {}
        guard result == 0 else { throw QUICError(operation: "accept", code: result) }
        try attach(.server, credentials, limits)
        events.append(.connectionIDIssued(own))
        // Until the client knows our id, it writes the one that it made up.
        events.append(.connectionIDIssued(initial.destination))
    }

    /// What ngtcp2 and the write path point to for the connection's whole life.
    private static func makeBuffers() -> (
        UnsafeMutablePointer<ngtcp2_crypto_conn_ref>, UnsafeMutableBufferPointer<UnsafeRawBufferPointer>
    ) {
        let reference = UnsafeMutablePointer<ngtcp2_crypto_conn_ref>.allocate(capacity: 1)
        reference.initialize(to: ngtcp2_crypto_conn_ref())
        let vectors = UnsafeMutableBufferPointer<UnsafeRawBufferPointer>.allocate(capacity: 16)
        vectors.initialize(repeating: UnsafeRawBufferPointer(start: nil, count: 0))
        return (reference, vectors)
    }

    private func installReference() {
        reference.pointee.user_data = Unmanaged.passUnretained(self).toOpaque()
        reference.pointee.get_conn = { reference in
            guard let data = reference?.pointee.user_data else { return nil }
            return Unmanaged<QUICConnection>.fromOpaque(data).takeUnretainedValue().connection
        }
    }

    private func attach(_ role: TLSSession.Role, _ credentials: TLSCredentials, _ limits: TransportLimits) throws {
        let tls = try TLSSession(role: role, credentials: credentials, reference: reference)
        self.tls = tls
        ngtcp2_conn_set_tls_native_handle(connection, tls.nativeHandle)
        ngtcp2_conn_set_keep_alive_timeout(connection, limits.keepAlive.nanoseconds)
    }

    deinit {
        release()
        reference.deallocate()
        vectors.deallocate()
    }

    /// Lets go of everything but the streams' bytes. Nothing but facts kept elsewhere may be asked for afterwards.
    func release() {
        if let connection { ngtcp2_conn_del(connection) }
        connection = nil
        tls = nil
        streams.removeAll()
        touched.removeAll()
        events.removeAll()
    }

    /// Lets go of the TLS session, which has done its work: the keys are with ngtcp2, and QUIC renews them by itself. It
    /// is a third of a connection's memory. A server needs it no longer than the handshake, a client until it has a
    /// ticket. Not inside a callback.
    func releaseTLS() {
        guard tls != nil else { return }
        ngtcp2_conn_set_tls_native_handle(connection, nil)
        tls = nil
    }

    // MARK: Packets

    /// Reads one packet. Nothing is sent, and no channel is told, before the caller asks for events.
    ///
    /// - Returns: why the connection is over, when it is.
    func read(_ packet: UnsafeRawBufferPointer, path: PathBuffer, ecn: UInt32, now: UInt64) -> QUICEnd? {
        var info = ngtcp2_pkt_info(ecn: ecn)
        receivedBytes += UInt64(packet.count)
        receivedPackets += 1
        let result = ngtcp2_conn_read_pkt_versioned(
            connection, path.pointer, NGTCP2_PKT_INFO_VERSION, &info,
            packet.assumingMemoryBound(to: UInt8.self).baseAddress, packet.count, now)
        return end(for: result)
    }

    /// What a write attempt came to.
    enum Written {
        case packet(size: Int, ecn: UInt32)
        /// Data was taken and the packet has room: go on with another stream, or with none to end it.
        case unfinished
        /// Nothing may or need be sent now.
        case nothing
        case failed(QUICEnd)
    }

    /// Writes one packet, with data of `stream` if given, and whatever else is due.
    ///
    /// - Parameter path: receives the path that the packet must take.
    func writePacket(
        into space: UnsafeMutableRawBufferPointer, stream: QUICStream?, path: PathBuffer, now: UInt64,
        completed: inout [EventLoopPromise<Void>]
    ) -> Written {
        var info = ngtcp2_pkt_info()
        var taken: ngtcp2_ssize = -1
        var flags = UInt32(NGTCP2_WRITE_STREAM_FLAG_MORE)
        var lent = (count: 0, bytes: 0, isLast: false)
        var ends = false
        if let stream {
            lent = stream.sendBuffer.next(into: vectors, enough: Self.maximumPacketSize)
            ends = lent.isLast && stream.sendEnd == .finishing
            if ends { flags |= UInt32(NGTCP2_WRITE_STREAM_FLAG_FIN) }
        }
        let size = withUnsafeTemporaryAllocation(of: ngtcp2_vec.self, capacity: max(lent.count, 1)) { vectors in
            for index in 0..<lent.count {
                let bytes = self.vectors[index]
                let base = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
                vectors.initializeElement(at: index, to: ngtcp2_vec(base: base, len: bytes.count))
            }
            return ngtcp2_conn_writev_stream_versioned(
                connection, path.pointer, NGTCP2_PKT_INFO_VERSION, &info,
                space.assumingMemoryBound(to: UInt8.self).baseAddress, min(space.count, Self.maximumPacketSize), &taken,
                flags, stream?.id ?? -1, vectors.baseAddress, lent.count, now)
        }
        if let stream, taken >= 0 {
            stream.sendBuffer.markSent(taken, completed: &completed)
            if ends && taken == lent.bytes { stream.sendEnd = .finished }
        }
        if size > 0 {
            sentBytes += UInt64(size)
            sentPackets += 1
            return .packet(size: size, ecn: info.ecn)
        }
        switch Int32(size) {
        case 0:
            return .nothing
        case NGTCP2_ERR_WRITE_MORE:
            return .unfinished
        case NGTCP2_ERR_STREAM_DATA_BLOCKED:
            stream?.isBlocked = true
            return .unfinished
        case NGTCP2_ERR_STREAM_SHUT_WR, NGTCP2_ERR_STREAM_NOT_FOUND:
            if let stream { sendingStopped(stream, code: 0) }
            return .unfinished
        default:
            return .failed(end(for: Int32(size)) ?? .dropped)
        }
    }

    /// Writes one packet with a datagram (RFC 9221).
    ///
    /// - Returns: what was written, and whether the datagram is through (sent, or too large for ever).
    func writeDatagram(
        _ data: ByteBuffer, into space: UnsafeMutableRawBufferPointer, path: PathBuffer, now: UInt64
    ) -> (Written, done: Bool) {
        var info = ngtcp2_pkt_info()
        var accepted: Int32 = 0
        let size = data.withUnsafeReadableBytes { bytes in
            let base = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
            var vector = ngtcp2_vec(base: base, len: bytes.count)
            return ngtcp2_conn_writev_datagram_versioned(
                connection, path.pointer, NGTCP2_PKT_INFO_VERSION, &info,
                space.assumingMemoryBound(to: UInt8.self).baseAddress, min(space.count, Self.maximumPacketSize),
                &accepted, UInt32(NGTCP2_WRITE_DATAGRAM_FLAG_NONE), 0, &vector, 1, now)
        }
        if size > 0 {
            sentBytes += UInt64(size)
            sentPackets += 1
            return (.packet(size: size, ecn: info.ecn), accepted != 0)
        }
        switch Int32(size) {
        case 0: return (.nothing, accepted != 0)
        case NGTCP2_ERR_INVALID_ARGUMENT, NGTCP2_ERR_INVALID_STATE: return (.nothing, true)
        default: return (.failed(end(for: Int32(size)) ?? .dropped), false)
        }
    }

    /// Writes the packet that ends the connection. Afterwards this object is good for nothing but its statistics.
    ///
    /// - Returns: its size, 0 when there is nobody to tell.
    func writeClose(
        _ frame: QUICCloseFrame, into space: UnsafeMutableRawBufferPointer, path: PathBuffer, now: UInt64
    ) -> Int {
        var error = ngtcp2_connection_close_error()
        ngtcp2_connection_close_error_default(&error)
        var info = ngtcp2_pkt_info()
        var reason: [UInt8]
        switch frame {
        case .application(_, let text), .transport(_, let text): reason = Array(text.utf8.prefix(512))
        case .fault: reason = []
        }
        let size = reason.withUnsafeMutableBufferPointer { reason in
            switch frame {
            case .application(let code, _):
                ngtcp2_connection_close_error_set_application_error(&error, code, reason.baseAddress, reason.count)
            case .transport(let code, _):
                ngtcp2_connection_close_error_set_transport_error(&error, code, reason.baseAddress, reason.count)
            case .fault(let fault):
                if let alert = fault.alert {
                    ngtcp2_connection_close_error_set_transport_error_tls_alert(&error, alert, nil, 0)
                } else {
                    ngtcp2_connection_close_error_set_transport_error_liberr(&error, fault.code, nil, 0)
                }
            }
            return ngtcp2_conn_write_connection_close_versioned(
                connection, path.pointer, NGTCP2_PKT_INFO_VERSION, &info,
                space.assumingMemoryBound(to: UInt8.self).baseAddress, min(space.count, Self.maximumPacketSize), &error,
                now)
        }
        return max(0, size)
    }

    /// Starts the pacing clock behind a run of packets. During the handshake it would pace by the initial guess of
    /// 333 ms for the round trip, so it is left out then.
    ///
    /// A timer is always a little late. The burst counts as sent when it was due, so that lateness does not add up to a
    /// lower rate, which BBR would take for the path's.
    func finishBurst(now: UInt64) {
        guard isHandshakeCompleted else { return }
        let start = burstDue <= now && now - burstDue < Self.forgivenLateness ? burstDue : now
        ngtcp2_conn_update_pkt_tx_time(connection, start)
        burstDue = expiry
    }

    private var burstDue: UInt64 = 0
    private static let forgivenLateness: UInt64 = 1_000_000

    /// Bytes that may leave in one burst.
    var sendQuantum: Int { ngtcp2_conn_get_send_quantum(connection) }

    // MARK: Time

    /// When ``handleExpiry(now:)`` or a write is due next, in nanoseconds of the clock that is handed in.
    var expiry: UInt64 { ngtcp2_conn_get_expiry(connection) }

    /// Three probe timeouts: how long a closed connection must be remembered (RFC 9000 §10.2).
    var closingPeriod: UInt64 { 3 * ngtcp2_conn_get_pto(connection) }

    func handleExpiry(now: UInt64) -> QUICEnd? {
        let end = end(for: ngtcp2_conn_handle_expiry(connection, now))
        countLosses()
        return end
    }

    // MARK: Streams

    /// Opens a stream; nil while the peer's limit is reached.
    func openStream() -> QUICStream? {
        guard isHandshakeCompleted, ngtcp2_conn_get_streams_bidi_left(connection) > 0 else { return nil }
        var id: Int64 = -1
        let result = ngtcp2_conn_open_bidi_stream(connection, &id, nil)
        guard result == 0 else { return nil }
        return addStream(id)
    }

    func addStream(_ id: Int64) -> QUICStream {
        let stream = QUICStream(id: id)
        streams[id] = stream
        ngtcp2_conn_set_stream_user_data(connection, id, Unmanaged.passUnretained(stream).toOpaque())
        return stream
    }

    /// The application has taken `bytes` bytes of the stream: the peer may send as many more.
    func extendWindow(of stream: QUICStream, by bytes: Int) {
        guard bytes > 0 else { return }
        if !stream.isClosed { ngtcp2_conn_extend_max_stream_offset(connection, stream.id, UInt64(bytes)) }
        ngtcp2_conn_extend_max_offset(connection, UInt64(bytes))
    }

    /// RESET_STREAM and STOP_SENDING: both directions end at once.
    func reset(_ stream: QUICStream, code: UInt64) {
        guard !stream.isClosed else { return }
        ngtcp2_conn_shutdown_stream(connection, stream.id, code)
    }

    /// STOP_SENDING: the peer's direction is of no interest any more.
    func stopReceiving(_ stream: QUICStream, code: UInt64) {
        guard !stream.isClosed else { return }
        ngtcp2_conn_shutdown_stream_read(connection, stream.id, code)
    }

    // MARK: What callbacks report

    func touch(_ stream: QUICStream) {
        guard !stream.isTouched else { return }
        stream.isTouched = true
        touched.append(stream)
    }

    func note(_ event: QUICEvent) { events.append(event) }

    func noteStatelessReset() { metStatelessReset = true }

    func resetToken(for id: inout ngtcp2_cid, into token: UnsafeMutablePointer<UInt8>?) -> Bool {
        ngtcp2_crypto_generate_stateless_reset_token(token, resetKey, resetKey.count, &id) == 0
    }

    func completeHandshake() -> Int32 {
        guard let tls, tls.checkCompleted() else { return NGTCP2_ERR_CALLBACK_FAILURE }
        if isServer { tls.sendTicket() }
        events.append(.handshakeCompleted)
        return 0
    }

    /// The peer does not want this stream's bytes. ngtcp2 0.12 answers STOP_SENDING by itself and tells nobody; it
    /// shows when a write is refused or when the stream is closed.
    func sendingStopped(_ stream: QUICStream, code: UInt64) {
        switch stream.sendEnd {
        case .open, .finishing: stream.sendEnd = .stopped(code: code)
        case .finished, .stopped: return
        }
        touch(stream)
    }

    func close(_ stream: QUICStream, id: Int64, code: UInt64) {
        streams[id] = nil
        stream.isClosed = true
        sendingStopped(stream, code: code)
        // What the application never took does not count against the connection's window any more.
        touch(stream)
        if let connection, ngtcp2_conn_is_local_stream(connection, id) == 0 {
            ngtcp2_conn_extend_max_streams_bidi(connection, 1)
        }
    }

    // MARK: Events

    /// What happened since the last call.
    func takeEvents() -> [QUICEvent] {
        guard !events.isEmpty else { return [] }
        defer { events = [] }
        return events
    }

    /// Streams with news since the last call, in exchange for an array whose memory is used for the next ones.
    func swapTouched(with other: inout [QUICStream]) {
        other.removeAll(keepingCapacity: true)
        guard !touched.isEmpty else { return }
        swap(&touched, &other)
        for stream in other { stream.isTouched = false }
    }

    // MARK: Facts

    var isHandshakeCompleted: Bool { ngtcp2_conn_get_handshake_completed(connection) != 0 }

    /// The path that packets take at present.
    var path: DatagramPath? { ngtcp2_conn_get_path(connection).flatMap { DatagramPath($0.pointee) } }

    /// Probe timeouts in a row without an answer.
    var unansweredProbes: Int { state.pto_count }

    /// Looks whether packets were lost since the last look. ngtcp2 tells it by the start of its recovery period only.
    func countLosses() {
        let start = state.congestion_recovery_start_ts
        guard start != recoveryStart else { return }
        recoveryStart = start
        if start != .max { lossPeriods += 1 }
    }

    private var state: ngtcp2_conn_stat {
        var state = ngtcp2_conn_stat()
        ngtcp2_conn_get_conn_stat_versioned(connection, NGTCP2_CONN_STAT_VERSION, &state)
        return state
    }

    /// Continues over another path at once (RFC 9000 §9); the peer validates it while data flows.
    ///
    /// - Returns: false when the peer gave no spare connection id yet, or the handshake is not confirmed.
    func migrate(to path: DatagramPath, now: UInt64) -> Bool {
        // Earlier there are no transport parameters yet, and ngtcp2 does not look.
        guard isHandshakeCompleted else { return false }
        let buffer = PathBuffer(path)
        return withExtendedLifetime(buffer) {
            ngtcp2_conn_initiate_immediate_migration(connection, buffer.pointer, now) == 0
        }
    }

    /// Counters and estimates of this moment.
    var statistics: ConnectionStatistics {
        let state = state
        return ConnectionStatistics(
            smoothedRTT: .nanoseconds(Int64(clamping: state.smoothed_rtt)),
            latestRTT: .nanoseconds(Int64(clamping: state.latest_rtt)),
            congestionWindow: Int(clamping: state.cwnd), bytesInFlight: Int(clamping: state.bytes_in_flight),
            sentBytes: sentBytes, receivedBytes: receivedBytes, sentPackets: sentPackets,
            receivedPackets: receivedPackets, lossPeriods: lossPeriods, unansweredProbes: state.pto_count,
            mtu: ngtcp2_conn_get_path_max_tx_udp_payload_size(connection),
            openStreams: streams.count, path: path.map { "\($0)" } ?? "")
    }

    private func end(for result: Int32) -> QUICEnd? {
        switch result {
        case 0, NGTCP2_ERR_DISCARD_PKT:
            return nil
        case NGTCP2_ERR_DRAINING, NGTCP2_ERR_CLOSING:
            if metStatelessReset { return .statelessReset }
            var error = ngtcp2_connection_close_error()
            ngtcp2_conn_get_connection_close_error(connection, &error)
            let reason = UnsafeBufferPointer(start: error.reason, count: error.reason == nil ? 0 : error.reasonlen)
            return .closedByPeer(
                isApplication: error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION,
                code: error.error_code, reason: String(decoding: reason, as: UTF8.self))
        case NGTCP2_ERR_DROP_CONN: return .dropped
        case NGTCP2_ERR_RETRY: return .retryNeeded
        case NGTCP2_ERR_IDLE_CLOSE: return .idleTimeout
        case NGTCP2_ERR_HANDSHAKE_TIMEOUT: return .handshakeTimeout
        default:
            let isTLS = result == NGTCP2_ERR_CRYPTO || (result == NGTCP2_ERR_CALLBACK_FAILURE && tls?.refusal != nil)
            let alert = isTLS ? ngtcp2_conn_get_tls_alert(connection) : nil
            let text = ngtcp2_strerror(result).map { String(cString: $0) } ?? "error \(result)"
            return .fault(
                QUICFault(
                    code: result, alert: alert.map { $0 == 0 ? 46 : $0 },
                    description: alert.map { "\(text), TLS alert \($0)" } ?? text))
        }
    }
}

/// What ngtcp2 said when a connection could not be made.
struct QUICError: Error, CustomStringConvertible {
    let operation: String
    let code: Int32

    var description: String {
        "QUIC cannot \(operation): \(ngtcp2_strerror(code).map { String(cString: $0) } ?? "error \(code)")"
    }
}
