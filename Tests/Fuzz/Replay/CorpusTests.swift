import Foundation
import Testing

// Every input that a fuzzer began with, stopped at or found interesting is given to its parser again.

@Suite struct CorpusTests {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "corpus")

    @Test(arguments: FuzzTarget.allCases)
    func parsersKeepTheirPromisesForEverythingThatWasEverFound(_ target: FuzzTarget) throws {
        let files = try FileManager.default.contentsOfDirectory(
            at: Self.directory.appending(path: target.rawValue), includingPropertiesForKeys: nil)
        #expect((10..<200).contains(files.count), "a corpus is kept small")
        var read = 0
        for file in files {
            do throws(BrokenPromise) {
                let input = Array((try? Data(contentsOf: file)) ?? Data())
                if try target.check(input) { read += 1 }
            } catch {
                Issue.record("\(target.rawValue)/\(file.lastPathComponent): \(error)")
            }
        }
        // A corpus that the parser refuses whole, or reads whole, tests little.
        #expect((1..<files.count).contains(read), "\(read) of \(files.count) were read")
    }

    @Test func everyCorpusHasAParser() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.directory.path)
        #expect(Set(names) == Set(FuzzTarget.allCases.map(\.rawValue)))
    }
}
