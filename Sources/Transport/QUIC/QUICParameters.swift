internal import CNGTCP2

// What does this node offer and demand in QUIC's own terms? Limits become ngtcp2's settings and transport parameters
// (RFC 9000 §18.2) here and nowhere else.

extension ngtcp2_settings {
    init(limits: TransportLimits, now: UInt64) {
        self.init()
        ngtcp2_settings_default_versioned(NGTCP2_SETTINGS_VERSION, &self)
        initial_ts = now
        // Cubic stalls when Iroh drops acknowledgements under bursts; BBR v2 does not, and is as fast on loopback.
        cc_algo = NGTCP2_CC_ALGO_BBR2
        // The largest payload that path MTU discovery tries: 1,500 bytes less the IPv6 and UDP headers.
        max_tx_udp_payload_size = QUICConnection.maximumPacketSize
        max_window = UInt64(limits.maxConnectionWindow)
        max_stream_window = UInt64(limits.maxStreamWindow)
        handshake_timeout = limits.handshakeTimeout.nanoseconds
    }
}

extension ngtcp2_transport_params {
    init(limits: TransportLimits) {
        self.init()
        ngtcp2_transport_params_default_versioned(NGTCP2_TRANSPORT_PARAMS_VERSION, &self)
        initial_max_stream_data_bidi_local = UInt64(limits.streamWindow)
        initial_max_stream_data_bidi_remote = UInt64(limits.streamWindow)
        initial_max_data = UInt64(limits.connectionWindow)
        initial_max_streams_bidi = UInt64(limits.maxStreamsPerConnection)
        // Streams in one direction are not used.
        initial_max_streams_uni = 0
        max_idle_timeout = limits.idleTimeout.nanoseconds
        // Enough spare ids for migration and for a peer that changes its network.
        active_connection_id_limit = 4
        max_datagram_frame_size = 65_535
    }
}

extension Duration {
    /// Whole nanoseconds, at least 0.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
