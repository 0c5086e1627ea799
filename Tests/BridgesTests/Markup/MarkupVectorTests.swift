import Foundation
import TestPlatforms
import Testing

@testable import Bridges

/// What the vectors say, line by line.
struct MarkupVectors: Decodable {
    struct Markup: Decodable, Sendable, CustomTestStringConvertible {
        var source: String
        var telegram: String
        var whatsapp: String
        var testDescription: String { source.debugDescription }

        enum CodingKeys: String, CodingKey {
            case source = "in"
            case telegram = "telegram_html"
            case whatsapp
        }
    }

    struct Split: Decodable, Sendable, CustomTestStringConvertible {
        var source: String
        var limit: Int
        var chunks: [String]
        var testDescription: String { "\(source.debugDescription) by \(limit)" }

        enum CodingKeys: String, CodingKey {
            case source = "in"
            case limit, chunks
        }
    }

    var markup: [Markup]
    var split: [Split]

    static let all: MarkupVectors = {
        let url = Bundle.module.url(forResource: "text_formatting", withExtension: "json", subdirectory: "Vectors")!
        return try! JSONDecoder().decode(MarkupVectors.self, from: Data(contentsOf: url))
    }()
}

@Suite struct MarkupVectorTests {
    @Test(arguments: MarkupVectors.all.markup)
    func telegram(_ vector: MarkupVectors.Markup) throws {
        #expect(TelegramMarkup.html(vector.source) == vector.telegram)
        _ = try TelegramHTMLCheck.text(of: vector.telegram)
    }

    @Test(arguments: MarkupVectors.all.markup)
    func whatsapp(_ vector: MarkupVectors.Markup) {
        #expect(WhatsAppMarkup.text(vector.source) == vector.whatsapp)
    }
}
