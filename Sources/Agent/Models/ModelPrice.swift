internal import Foundation
public import Store

// What does a model cost? What its row says in `metadata`, else what its provider's row says for it in `metadata.prices`. There is no
// other table: nobody's prices are built in, because they would be wrong soon.

/// US dollars for a million tokens.
public struct ModelPrice: Sendable, Equatable {
    static let inputKey = "input_cost_per_million"
    static let outputKey = "output_cost_per_million"

    public var input: Double?
    public var output: Double?

    public init(input: Double?, output: Double?) {
        self.input = input
        self.output = output
    }

    /// What the rows say about a model; rounded to four digits.
    public init(_ row: ModelOfProvider) {
        let own = Self.object(row.model.metadata)
        let prices = Self.object(row.provider.metadata)["prices"] as? [String: Any]
        let general = prices?[row.model.model] as? [String: Any] ?? [:]
        input = Self.price(own[Self.inputKey]) ?? Self.price(general[Self.inputKey])
        output = Self.price(own[Self.outputKey]) ?? Self.price(general[Self.outputKey])
    }

    private static func object(_ text: String) -> [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]) ?? [:]
    }

    private static func price(_ value: Any?) -> Double? {
        guard let price = (value as? NSNumber)?.doubleValue, price.isFinite, (0...1e6).contains(price) else {
            return nil
        }
        return (price * 10_000).rounded() / 10_000
    }
}
