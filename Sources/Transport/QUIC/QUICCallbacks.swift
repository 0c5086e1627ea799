internal import CNGTCP2
internal import CSodium
internal import NIOCore

// What does ngtcp2 call, and what becomes of it? Each callback writes something down in its connection or stream and
// returns; nothing is sent and no channel is told from here. Callbacks capture nothing, so they are plain functions.

extension ngtcp2_callbacks {
    /// Encryption and the handshake's messages are ngtcp2's own glue to GnuTLS; the rest is below.
    private static let common: ngtcp2_callbacks = {
        var callbacks = ngtcp2_callbacks()
        callbacks.recv_crypto_data = receiveCryptoData
        callbacks.encrypt = ngtcp2_crypto_encrypt_cb
        callbacks.decrypt = ngtcp2_crypto_decrypt_cb
        callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb
        callbacks.update_key = ngtcp2_crypto_update_key_cb
        callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb
        callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb
        callbacks.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb
        callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb
        callbacks.rand = { bytes, count, _ in
            if let bytes { randombytes_buf(bytes, count) }
        }
        callbacks.get_new_connection_id = newConnectionID
        callbacks.remove_connection_id = removeConnectionID
        callbacks.dcid_status = peerConnectionIDStatus
        callbacks.handshake_completed = handshakeCompleted
        callbacks.recv_stream_data = receiveStreamData
        callbacks.acked_stream_data_offset = acknowledgeStreamData
        callbacks.stream_open = streamOpened
        callbacks.stream_close = streamClosed
        callbacks.stream_reset = streamReset
        callbacks.extend_max_stream_data = streamUnblocked
        callbacks.extend_max_local_streams_bidi = streamLimitRaised
        callbacks.recv_datagram = receiveDatagram
        callbacks.recv_stateless_reset = receiveStatelessReset
        callbacks.path_validation = pathValidated
        return callbacks
    }()

    static let client: ngtcp2_callbacks = {
        var callbacks = common
        callbacks.client_initial = ngtcp2_crypto_client_initial_cb
        callbacks.recv_retry = ngtcp2_crypto_recv_retry_cb
        return callbacks
    }()

    static let server: ngtcp2_callbacks = {
        var callbacks = common
        callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb
        return callbacks
    }()
}

/// Runs `body` with the connection behind ngtcp2's user data. What it returns is what ngtcp2 gets.
@inline(__always)
private func with(_ userData: UnsafeMutableRawPointer?, _ body: (QUICConnection) -> Int32) -> Int32 {
    guard let userData else { return NGTCP2_ERR_CALLBACK_FAILURE }
    return Unmanaged<QUICConnection>.fromOpaque(userData)._withUnsafeGuaranteedRef(body)
}

/// The alert for a message that has no place here (RFC 8446 §6.2).
private let unexpectedMessage: UInt8 = 10

private func receiveCryptoData(
    _ raw: OpaquePointer?, _ level: ngtcp2_crypto_level, _ offset: UInt64, _ data: UnsafePointer<UInt8>?, _ count: Int,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        guard connection.tls == nil else {
            let result = ngtcp2_crypto_recv_crypto_data_cb(raw, level, offset, data, count, userData)
            if let ticket = connection.tls?.takeTicket() { connection.note(.ticket(ticket)) }
            return result
        }
        // After the handshake a server may send tickets, more than we need; a client may send nothing.
        guard connection.isServer else { return 0 }
        ngtcp2_conn_set_tls_alert(raw, unexpectedMessage)
        return NGTCP2_ERR_CRYPTO
    }
}

private func newConnectionID(
    _: OpaquePointer?, _ id: UnsafeMutablePointer<ngtcp2_cid>?, _ token: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        let new = ConnectionID.random(length: length)
        var raw = new.raw
        guard let id, connection.resetToken(for: &raw, into: token) else { return NGTCP2_ERR_CALLBACK_FAILURE }
        id.pointee = raw
        connection.note(.connectionIDIssued(new))
        return 0
    }
}

private func removeConnectionID(
    _: OpaquePointer?, _ id: UnsafePointer<ngtcp2_cid>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        if let id { connection.note(.connectionIDRetired(ConnectionID(id.pointee))) }
        return 0
    }
}

private func peerConnectionIDStatus(
    _: OpaquePointer?, _ status: Int32, _: UInt64, _: UnsafePointer<ngtcp2_cid>?, _ token: UnsafePointer<UInt8>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        guard let token else { return 0 }
        let reset = ResetToken(UnsafeRawBufferPointer(start: token, count: ResetToken.length))
        let isActive = status == Int32(bitPattern: NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE.rawValue)
        connection.note(isActive ? .resetTokenLearned(reset) : .resetTokenRetired(reset))
        return 0
    }
}

private func handshakeCompleted(_: OpaquePointer?, _ userData: UnsafeMutableRawPointer?) -> Int32 {
    with(userData) { $0.completeHandshake() }
}

private func receiveStreamData(
    _: OpaquePointer?, _ flags: UInt32, _ id: Int64, _: UInt64, _ data: UnsafePointer<UInt8>?, _ count: Int,
    _ userData: UnsafeMutableRawPointer?, _ streamData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        guard let streamData else { return 0 }
        return Unmanaged<QUICStream>.fromOpaque(streamData)._withUnsafeGuaranteedRef { stream in
            if stream.receiveEnd == .open {
                if count > 0 { stream.append(UnsafeRawBufferPointer(start: data, count: count)) }
                if flags & UInt32(NGTCP2_STREAM_DATA_FLAG_FIN) != 0 { stream.receiveEnd = .finished }
                connection.touch(stream)
            } else {
                connection.extendWindow(of: stream, by: count)
            }
            return 0
        }
    }
}

private func acknowledgeStreamData(
    _: OpaquePointer?, _: Int64, _ offset: UInt64, _ count: UInt64, _: UnsafeMutableRawPointer?,
    _ streamData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let streamData else { return 0 }
    Unmanaged<QUICStream>.fromOpaque(streamData)._withUnsafeGuaranteedRef { stream in
        stream.sendBuffer.acknowledge(upTo: offset + count)
    }
    return 0
}

private func streamOpened(_: OpaquePointer?, _ id: Int64, _ userData: UnsafeMutableRawPointer?) -> Int32 {
    with(userData) { connection in
        guard ngtcp2_is_bidi_stream(id) != 0 else { return 0 }
        connection.note(.streamOpened(connection.addStream(id)))
        return 0
    }
}

private func streamClosed(
    _: OpaquePointer?, _ flags: UInt32, _ id: Int64, _ code: UInt64, _ userData: UnsafeMutableRawPointer?,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        let hasCode = flags & UInt32(NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0
        if let stream = connection.streams[id] { connection.close(stream, id: id, code: hasCode ? code : 0) }
        return 0
    }
}

private func streamReset(
    _: OpaquePointer?, _ id: Int64, _: UInt64, _ code: UInt64, _ userData: UnsafeMutableRawPointer?,
    _ streamData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        guard let stream = connection.streams[id] else { return 0 }
        if stream.receiveEnd == .open { stream.receiveEnd = .reset(code: code) }
        connection.touch(stream)
        return 0
    }
}

private func streamUnblocked(
    _: OpaquePointer?, _ id: Int64, _: UInt64, _ userData: UnsafeMutableRawPointer?,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        guard let stream = connection.streams[id], stream.isBlocked else { return 0 }
        stream.isBlocked = false
        connection.touch(stream)
        return 0
    }
}

private func streamLimitRaised(_: OpaquePointer?, _: UInt64, _ userData: UnsafeMutableRawPointer?) -> Int32 {
    with(userData) { connection in
        connection.note(.streamLimitRaised)
        return 0
    }
}

private func receiveDatagram(
    _: OpaquePointer?, _: UInt32, _ data: UnsafePointer<UInt8>?, _ count: Int, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        connection.note(.datagram(ByteBuffer(bytes: UnsafeRawBufferPointer(start: data, count: count))))
        return 0
    }
}

private func receiveStatelessReset(
    _: OpaquePointer?, _: UnsafePointer<ngtcp2_pkt_stateless_reset>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        connection.noteStatelessReset()
        return 0
    }
}

private func pathValidated(
    _: OpaquePointer?, _: UInt32, _: UnsafePointer<ngtcp2_path>?, _ result: ngtcp2_path_validation_result,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    with(userData) { connection in
        if result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS { connection.note(.pathValidated) }
        return 0
    }
}
