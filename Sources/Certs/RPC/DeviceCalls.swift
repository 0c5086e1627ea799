public import Store
public import Transport

// Which calls does one make about devices? Lists and revocations for those who administer the network, a fresh certificate
// for the device itself, and questions about a device's standing for member agents.

extension CoordinatorClient {
    /// Every device of the network, in the order of their keys. For the operator, and for admins with their certificate.
    public func listDevices(certificate: DeviceCertificate? = nil) async throws -> [DeviceRecord] {
        var devices: [DeviceRecord] = []
        while true {
            var parameters = Self.credentials(certificate)
            if let last = devices.last { _ = parameters.insert("after", .bytes(last.key)) }
            let result = try await call(.listDevices, parameters)
            guard case .array(let rows) = result["devices"], case .bool(let more) = result["more"] else {
                throw CoordinatorClientError.malformedAnswer(RPCMethod.listDevices.rawValue)
            }
            for row in rows {
                guard let device = DeviceRecord(wire: row) else {
                    throw CoordinatorClientError.malformedAnswer(RPCMethod.listDevices.rawValue)
                }
                devices.append(device)
            }
            guard more, !rows.isEmpty else { return devices }
        }
    }

    /// Puts a device out of the network. For the operator, and for admins with their certificate.
    ///
    /// - Returns: whether an active device was revoked; false when there is none with this key.
    public func revokeDevice(_ key: NodeID, certificate: DeviceCertificate? = nil) async throws -> Bool {
        var parameters = Self.credentials(certificate)
        _ = parameters.insert("device_pubkey", .bytes(key.bytes))
        return try await call(.revokeDevice, parameters).answerBool("ok")
    }

    /// The standing of a device. For agents of the network.
    public func deviceStatus(_ key: NodeID) async throws -> DeviceAnswer {
        let result = try await call(.deviceStatus, ["device_pubkey": .bytes(key.bytes)])
        guard let answer = DeviceAnswer(wire: result) else {
            throw CoordinatorClientError.malformedAnswer(RPCMethod.deviceStatus.rawValue)
        }
        return answer
    }

    /// A fresh certificate for the key of this side of the connection, without the password.
    ///
    /// - Parameters:
    ///   - certificate: the one to replace: still valid, and half over or with other rights than it should have.
    ///   - asBridge: asks for one with ``DeviceCertificate/bridgeCapability`` instead, which goes on counting beside it.
    /// - Throws: ``RPCError`` with ``RPCErrorCode/notDue``, ``RPCErrorCode/expired`` (log in again),
    ///   ``RPCErrorCode/revoked``, ``RPCErrorCode/suspended`` or ``RPCErrorCode/unauthorized``.
    public func renew(_ certificate: DeviceCertificate, asBridge: Bool = false) async throws -> DeviceCertificate {
        var parameters: CBORMap = ["cert": .bytes(certificate.wire)]
        if asBridge { _ = parameters.insert("capability", .text(DeviceCertificate.bridgeCapability)) }
        let result = try await call(.renew, parameters)
        let fresh = try DeviceCertificate(wire: try result.answerBytes("cert"), coordinator: coordinator)
        guard fresh.handle == certificate.handle, fresh.deviceKey == certificate.deviceKey,
            fresh.networkID == certificate.networkID, fresh.isOfBridge == (asBridge || certificate.isOfBridge)
        else { throw CoordinatorClientError.malformedAnswer(RPCMethod.renew.rawValue) }
        return fresh
    }
}
