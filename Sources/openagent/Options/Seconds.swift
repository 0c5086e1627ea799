internal import ArgumentParser
internal import Foundation

/// A time span on the command line: 0 seconds to one day.
struct Seconds: ExpressibleByArgument {
    let value: Double

    init(_ value: Double) { self.value = value }

    init?(argument: String) {
        guard let value = Double(argument), (0...86_400).contains(value) else { return nil }
        self.value = value
    }

    var defaultValueDescription: String { value.formatted() }
    var duration: Duration { .seconds(value) }
}
