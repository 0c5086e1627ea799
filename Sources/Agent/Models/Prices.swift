// What does a model cost? Whoever knows the models says so; this file says only how a price becomes the cost of a call. Money is a
// whole number of billionths of a US dollar, so that sums are exact.

/// Prices of models.
public protocol Prices: Sendable {
    /// - Returns: nil when nobody knows it.
    func price(of model: String) async -> ModelPrice?
    /// What is known, by model.
    func all() async -> [String: ModelPrice]
}

extension ModelPrice {
    /// In billionths of a US dollar; what nobody has a price for costs nothing.
    public func cost(inputTokens: Int, outputTokens: Int) -> Int64 {
        Money.billionths(Double(inputTokens) * (input ?? 0) / 1e6)
            + Money.billionths(Double(outputTokens) * (output ?? 0) / 1e6)
    }
}

/// Amounts of money.
public enum Money {
    /// The most that one call can cost, in US dollars: what says more is wrong, and sums must stay exact.
    private static let most = 1_000_000.0

    /// US dollars as billionths; what is no amount counts as 0.
    public static func billionths(_ dollars: Double) -> Int64 {
        guard dollars.isFinite, dollars > 0 else { return 0 }
        return Int64((min(dollars, most) * 1e9).rounded())
    }

    /// Billionths as US dollars.
    public static func dollars(_ billionths: Int64) -> Double { Double(billionths) / 1e9 }
}

/// What is known without any configuration: the built-in model costs nothing.
public struct BuiltInPrices: Prices {
    public init() {}

    public func price(of model: String) -> ModelPrice? {
        model.hasPrefix("builtin:") ? ModelPrice(input: 0, output: 0) : nil
    }

    public func all() -> [String: ModelPrice] { ["builtin:librarian": ModelPrice(input: 0, output: 0)] }
}
