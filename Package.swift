// swift-tools-version:6.2
import PackageDescription

/// `make fuzz` sets this: our own code is then built for libFuzzer and AddressSanitizer, and the fuzzer takes the place of
/// the tests that replay its corpora (the two share their sources, and libFuzzer brings a `main` of its own).
let isFuzzing = Context.environment["OPENAGENT_FUZZ"] != nil
let sanitizers = "-sanitize=fuzzer,address"

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
    ] + (isFuzzing ? [.unsafeFlags([sanitizers, "-O"])] : [])

/// A library of this package: its sources and the products that it may import, nothing else.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let nioConcurrency = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")

/// The parsers' promises, with the driver that attacks them or with the tests that replay what it found.
let fuzzed: [Target.Dependency] = ["Gateway", "Certs", "Transport", "Store", nioCore]
let fuzzTarget: Target =
    isFuzzing
    ? .executableTarget(
        name: "fuzz", dependencies: fuzzed, path: "Tests/Fuzz", exclude: ["Replay", "corpus", "run", "words.dict"],
        sources: ["Properties", "Driver"], swiftSettings: settings,
        linkerSettings: [.unsafeFlags([sanitizers])])
    : .testTarget(
        name: "FuzzTests", dependencies: fuzzed, path: "Tests/Fuzz",
        exclude: ["Driver", "corpus", "run", "words.dict"],
        sources: ["Properties", "Replay"], swiftSettings: settings)

let package = Package(
    name: "OpenAgent",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "openagent", targets: ["openagent"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        // Without Foundation's conveniences, which nobody here needs.
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        .systemLibrary(
            name: "CNGTCP2", pkgConfig: "libngtcp2_crypto_gnutls",
            providers: [.apt(["libngtcp2-dev", "libngtcp2-crypto-gnutls-dev"])]),
        .systemLibrary(name: "CGnuTLS", pkgConfig: "gnutls", providers: [.apt(["libgnutls28-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CGMP", pkgConfig: "gmp", providers: [.apt(["libgmp-dev"])]),
        .systemLibrary(name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
        .systemLibrary(name: "CXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(
            name: "CCMark", pkgConfig: "libcmark-gfm",
            providers: [.apt(["libcmark-gfm-dev", "libcmark-gfm-extensions-dev"])]),
        .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),

        room(
            "Transport",
            ["CNGTCP2", "CGnuTLS", "CSodium", nioCore, nioPosix, nioConcurrency, deque, logging]),
        room("JSON", []),
        room("Store", [grdb, nioConcurrency]),
        room("Certs", ["CGMP", "CSodium", "Transport", "Store", nioCore, logging, toml]),
        room(
            "Wire",
            [
                "JSON", "Transport", "Certs", nioCore, nioPosix, nioConcurrency, nioHTTP1, nioWebSocket, httpTypes,
                logging,
            ]),
        room(
            "Agent",
            ["CSodium", "CXML2", "JSON", "Store", subprocess, yams, logging, asyncHTTPClient, nioCore, nioHTTP1]),
        room(
            "Gateway",
            [
                "JSON", "Transport", "Certs", "Wire", "Store", "Agent", nioCore, nioPosix, nioConcurrency, nioHTTP1,
                nioWebSocket, nioHTTPTypes, nioHTTPTypesHTTP1, httpTypes, hummingbird, hummingbirdCore, logging, yams,
                deque,
            ]),
        room(
            "LoopbackProxy",
            ["Transport", "Certs", "Wire", nioCore, nioPosix, nioHTTP1, nioConcurrency, logging]),
        room(
            "Bridges",
            [
                "CCMark", "JSON", "Store", "Wire", asyncHTTPClient, nioCore, nioHTTP1, nioPosix, nioSSL, logging,
            ]),
        .executableTarget(
            name: "openagent",
            dependencies: [
                "CEdit", "CQREncode", "JSON", "Transport", "Certs", "Wire", "Store", "Gateway", "LoopbackProxy",
                "Bridges",
                arguments,
                logging, nioCore, nioPosix, nioHTTP1,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "transport-bench", dependencies: ["Transport", nioCore, nioPosix, logging],
            path: "Benchmarks/TransportBench",
            swiftSettings: settings),
        .executableTarget(
            name: "gateway-bench",
            dependencies: [
                "JSON", "Transport", "Certs", "Store", "Wire", "Agent", "Gateway", nioCore, nioHTTP1, logging,
            ],
            path: "Benchmarks/GatewayBench",
            swiftSettings: settings),
        .executableTarget(
            name: "interop-peer", dependencies: ["Transport", nioCore, logging],
            path: "Tests/Interop/Peer",
            swiftSettings: settings),

        tests("TransportTests", ["Transport", nioCore, nioPosix, nioConcurrency, nioEmbedded, logging]),
        tests("StoreTests", ["Store", grdb], resources: [.copy("Upgrades")]),
        tests(
            "CertsTests", ["Certs", "Transport", "Store", nioCore, nioPosix, logging], resources: [.copy("Vectors")]),
        tests(
            "WireTests",
            ["Wire", "Transport", "Certs", nioCore, nioPosix, nioHTTP1, nioWebSocket, nioConcurrency]),
        .target(
            name: "TestProviders", dependencies: [hummingbird, httpTypes, nioCore, logging],
            path: "Tests/Support/TestProviders", swiftSettings: settings),
        tests(
            "AgentTests", ["Agent", "JSON", "Store", "TestProviders", hummingbird, logging],
            resources: [.copy("Streams")]),
        tests(
            "GatewayTests",
            [
                "Gateway", "JSON", "Wire", "Certs", "Transport", "Store", "Agent", "TestProviders", nioCore, nioPosix,
                nioEmbedded, httpTypes, hummingbird, logging, grdb,
            ], resources: [.copy("Vectors")]),
        .target(
            name: "TestPlatforms",
            dependencies: ["JSON", nioCore, nioPosix, nioHTTP1, nioWebSocket, nioSSL, nioConcurrency],
            path: "Tests/Support/TestPlatforms", swiftSettings: settings),
        tests(
            "BridgesTests",
            [
                "Bridges", "Gateway", "Agent", "JSON", "Wire", "Certs", "Transport", "Store", "TestPlatforms",
                "TestProviders", nioCore, nioPosix, logging,
            ], resources: [.copy("Vectors")]),
        tests(
            "LoopbackProxyTests",
            ["LoopbackProxy", "Wire", "Transport", nioCore, nioPosix, nioConcurrency, logging]),
        tests(
            "SystemTests",
            [
                "JSON", "Wire", "Certs", "Transport", "Store", "TestPlatforms", "TestProviders", grdb, nioCore,
                nioPosix,
                nioConcurrency, logging,
            ]),
        fuzzTarget,
    ]
)
