internal import Foundation

// What time is it?

extension BridgeSeams {
    /// Unix seconds.
    public static func unixTime() -> Double { Date().timeIntervalSince1970 }
}
