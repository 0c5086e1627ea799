internal import Foundation
internal import Store
public import Transport

// Where does a person's own state live on this machine? One private directory with the device's key, the list of networks
// and their certificates (network.md §8). This file knows places and modes; what is in networks.toml is NetworksFile's.

/// The directory of a user's client state, `~/.openagent/user` unless the environment says otherwise.
public struct ClientHome: Sendable {
    /// Absolute path of the directory, mode 0700.
    public let path: String

    /// Makes the directory if it is missing.
    ///
    /// - Throws: `PrivateFileError` when it cannot be made, or when group or others may enter it.
    public init(path: String) throws {
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
        for folder in [self.path, self.path + "/certs"] {
            try PrivateFile.createFolder(folder)
            try PrivateFile.close(toOthers: folder)
        }
    }

    /// `user` in the folder that the environment chooses, see ``UserDirectory``.
    public init(environment: [String: String]) throws {
        try self.init(path: UserDirectory.path(environment: environment) + "/user")
    }

    /// The file that holds this device's key.
    public var identityPath: String { path + "/identity.key" }

    /// The list of networks.
    public var networks: NetworksFile { NetworksFile(path: path + "/networks.toml") }

    /// This device's key; made on the first use and never replaced.
    public func identity() throws(SecretKeyError) -> SecretKey { try SecretKey.loadOrCreate(path: identityPath) }

    /// Where the certificate of a handle in a network is kept.
    public func certificatePath(networkID: String, handle: String) -> String {
        path + "/certs/" + Self.plain("\(networkID)__\(handle)") + ".cert"
    }

    /// Where the same device's certificate as a bridge is kept.
    public func bridgeCertificatePath(networkID: String, handle: String) -> String {
        path + "/certs/" + Self.plain("\(networkID)__\(handle)") + ".bridge.cert"
    }

    /// Where bridges that run with this device's key keep what they have to remember; made if it is missing.
    public func bridges() throws -> String {
        let folder = path + "/bridges"
        try PrivateFile.createFolder(folder)
        try PrivateFile.close(toOthers: folder)
        return folder
    }

    /// A name that is safe for a file: what is not a plain character becomes `_`.
    static func plain(_ name: String) -> String {
        String(name.unicodeScalars.map { Self.isPlain($0) ? Character($0) : "_" })
    }

    /// Stores a certificate (mode 0600), in place of an older one, so that a crash leaves one or the other.
    ///
    /// - Returns: the absolute path of the file.
    public func store(_ certificate: DeviceCertificate) throws -> String {
        let place = certificate.isOfBridge ? bridgeCertificatePath : certificatePath
        let file = place(certificate.networkID, certificate.handle)
        try PrivateFile.replace(file, with: certificate.wire)
        return file
    }

    /// The stored certificate of a network.
    ///
    /// - Parameter asBridge: the one with which it is a bridge.
    /// - Returns: nil when there is none.
    /// - Throws: ``CertificateError`` when the file is not a certificate of the network's coordinator.
    public func certificate(for network: JoinedNetwork, asBridge: Bool = false) throws -> DeviceCertificate? {
        let expected = certificatePath(networkID: network.networkID, handle: network.handle)
        let bridge = bridgeCertificatePath(networkID: network.networkID, handle: network.handle)
        for file in asBridge ? [bridge] : [network.certificatePath, expected] {
            if let wire = try PrivateFile.read(file, limit: DeviceCertificate.maximumWireLength) {
                return try DeviceCertificate(wire: wire, coordinator: network.coordinator)
            }
        }
        return nil
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            || scalar == "_" || scalar == "-"
    }
}

/// Why the client's state cannot be used.
public enum ClientHomeError: Error, Equatable, CustomStringConvertible {
    case noHome
    /// networks.toml was written by a newer version.
    case newerSchema(path: String, version: Int)
    /// networks.toml is not what this program or the reference writes.
    case malformed(path: String, reason: String)

    public var description: String {
        switch self {
        case .noHome: "there is no home directory: set HOME or OPENAGENT_HOME"
        case .newerSchema(let path, let version):
            "\(path) has schema version \(version), which a newer openagent wrote: update this one"
        case .malformed(let path, let reason): "\(path) cannot be understood (\(reason)): correct it or move it away"
        }
    }
}
