internal import Foundation
internal import Glibc
public import Transport

// Where does a person's own state live on this machine? One private directory with the device's key, the list of networks
// and their certificates (network.md §8). This file knows places and modes; what is in networks.toml is NetworksFile's.

/// The directory of a user's client state, `~/.openagent/user` unless the environment says otherwise.
public struct ClientHome: Sendable {
    /// Absolute path of the directory, mode 0700.
    public let path: String

    /// Makes the directory if it is missing.
    ///
    /// - Throws: ``ClientHomeError`` when it cannot be made, or when group or others may enter it.
    public init(path: String) throws {
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
        try Self.makePrivateDirectory(self.path)
        try Self.makePrivateDirectory(self.path + "/certs")
    }

    /// The place that the environment chooses: `$OPENAGENT_HOME/user`; else `~/.openagent/user` if that exists; else
    /// `$XDG_CONFIG_HOME/openagent/user`; else `~/.openagent/user`.
    public init(environment: [String: String]) throws {
        let home = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 }
        let classic = home.map { $0 + "/.openagent/user" }
        if let base = environment["OPENAGENT_HOME"], !base.isEmpty {
            try self.init(path: base + "/user")
        } else if let classic, FileManager.default.fileExists(atPath: classic) {
            try self.init(path: classic)
        } else if let base = environment["XDG_CONFIG_HOME"], base.hasPrefix("/") {
            try self.init(path: base + "/openagent/user")
        } else if let classic {
            try self.init(path: classic)
        } else {
            throw ClientHomeError.noHome
        }
    }

    /// The file that holds this device's key.
    public var identityPath: String { path + "/identity.key" }

    /// The list of networks.
    public var networks: NetworksFile { NetworksFile(path: path + "/networks.toml") }

    /// This device's key; made on the first use and never replaced.
    public func identity() throws(SecretKeyError) -> SecretKey { try SecretKey.loadOrCreate(path: identityPath) }

    /// Where the certificate of a handle in a network is kept.
    public func certificatePath(networkID: String, handle: String) -> String {
        let stem = "\(networkID)__\(handle)".unicodeScalars.map { scalar in
            Self.isPlain(scalar) ? Character(scalar) : "_"
        }
        return path + "/certs/" + String(stem) + ".cert"
    }

    /// Stores a certificate (mode 0600), in place of an older one, so that a crash leaves one or the other.
    ///
    /// - Returns: the absolute path of the file.
    public func store(_ certificate: DeviceCertificate) throws -> String {
        let file = certificatePath(networkID: certificate.networkID, handle: certificate.handle)
        try PrivateFile.replace(file, with: certificate.wire)
        return file
    }

    /// The stored certificate of a network.
    ///
    /// - Returns: nil when there is none.
    /// - Throws: ``CertificateError`` when the file is not a certificate of the network's coordinator.
    public func certificate(for network: JoinedNetwork) throws -> DeviceCertificate? {
        let expected = certificatePath(networkID: network.networkID, handle: network.handle)
        for file in [network.certificatePath, expected] {
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

    private static func makePrivateDirectory(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw ClientHomeError.unusable(path: path, reason: error.localizedDescription)
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ClientHomeError.unusable(path: path, reason: String(cString: strerror(errno)))
        }
        // Intermediate directories get their mode from the umask; ours must be private whatever it is.
        guard status.st_mode & 0o077 == 0 || chmod(path, 0o700) == 0 else {
            throw ClientHomeError.unusable(path: path, reason: "others may enter it and its mode cannot be changed")
        }
    }
}

/// Why the client's state cannot be used.
public enum ClientHomeError: Error, Equatable, CustomStringConvertible {
    case noHome
    case unusable(path: String, reason: String)
    /// networks.toml was written by a newer version.
    case newerSchema(path: String, version: Int)
    /// networks.toml is not what this program or the reference writes.
    case malformed(path: String, reason: String)

    public var description: String {
        switch self {
        case .noHome: "there is no home directory: set HOME or OPENAGENT_HOME"
        case .unusable(let path, let reason): "cannot use \(path): \(reason)"
        case .newerSchema(let path, let version):
            "\(path) has schema version \(version), which a newer openagent wrote: update this one"
        case .malformed(let path, let reason): "\(path) cannot be understood (\(reason)): correct it or move it away"
        }
    }
}
