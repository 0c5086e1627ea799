import Foundation
import Testing

// P-84: what `make build` leaves is one file that needs only the C libraries that the README's packages bring.

@Suite struct ReleaseBinaryTests {
    static let binary = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".build/release/openagent").path

    static let allowed: Set<String> = [
        "linux-vdso.so.1", "ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1",
        "libz.so.1",
        // Named by the package, and what these bring themselves.
        "libngtcp2.so.9", "libngtcp2_crypto_gnutls.so.2", "libgnutls.so.30", "libsodium.so.23", "libgmp.so.10",
        "libsqlite3.so.0", "libedit.so.2", "libp11-kit.so.0", "libidn2.so.0", "libunistring.so.2", "libtasn1.so.6",
        "libnettle.so.8", "libhogweed.so.6", "libffi.so.8", "libtinfo.so.6", "libbsd.so.0", "libmd.so.0",
        "libqrencode.so.4", "libpthread.so.0", "libxml2.so.2", "libicuuc.so.72", "libicudata.so.72", "liblzma.so.5",
        "libcmark-gfm.so.0.29.0.gfm.6", "libcmark-gfm-extensions.so.0.29.0.gfm.6",
    ]

    @Test("P-84: the binary needs no library outside the list")
    func needsOnlyKnownLibraries() async throws {
        let libraries = try await Self.libraries()
        #expect(libraries.count > 5)
        for library in libraries {
            let name = URL(fileURLWithPath: library).lastPathComponent
            #expect(Self.allowed.contains(name), "\(name)")
        }
    }

    @Test("P-84: the binary serves in a root directory that holds it and its libraries alone, with no network")
    func servesInABareContainer() async throws {
        let world = try TestHome()
        let files = FileManager.default
        let root = world.root.appendingPathComponent("root")
        for path in try await Self.libraries().filter({ $0.hasPrefix("/") }) + [Self.binary] {
            let place =
                path == Self.binary ? root.appendingPathComponent("openagent") : root.appendingPathComponent(path)
            try files.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try files.copyItem(at: URL(fileURLWithPath: path).resolvingSymlinksInPath(), to: place)
        }
        for name in ["tmp", "dev", "proc"] {
            try files.createDirectory(at: root.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try Data().write(to: root.appendingPathComponent("dev/null"))
        // Every container has /proc: Swift's runtime reads the arguments from it. The mount ends with its namespace.
        let enter = "mount -t proc proc '\(root.path)/proc' && exec chroot '\(root.path)' /openagent serve /agent"
        let serve = try world.launch("/usr/bin/unshare", ["--net", "--mount", "/bin/sh", "-c", enter])
        try await serve.line { $0.hasPrefix("oa1") }
        serve.signal(SIGTERM)
        #expect(try await serve.exit() == 0, "\(serve.errors)")
    }

    private static func libraries() async throws -> [String] {
        let ldd = try Program("/usr/bin/ldd", [binary])
        #expect(try await ldd.exit() == 0, "is the release build there? run 'make build'")
        return ldd.output.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = words.first else { return nil }
            return words.count > 2 && words[1] == "=>" ? words[2] : first
        }
    }
}
