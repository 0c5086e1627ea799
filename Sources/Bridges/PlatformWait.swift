internal import Foundation

// How long does a platform want to be left alone? As long as its answer says, within reason.

enum PlatformWait {
    /// - Parameter header: `Retry-After` in seconds; a second when there is none, or nothing to go by.
    static func time(_ header: String?) -> Duration {
        guard let seconds = header.flatMap(Double.init), seconds > 0 else { return .seconds(1) }
        return .seconds(min(seconds, 3600))
    }
}
