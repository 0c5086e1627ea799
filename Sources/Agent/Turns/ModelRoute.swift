internal import Foundation
public import Store

// Which models answer a turn, in which order? The one that was chosen for its session, else the default, else the first that is
// enabled (reference: agent.md §3); behind it the chain that the configuration names. Pure: rows in, order out.

/// Something that can answer.
enum RoutedModel: Sendable, Equatable {
    case librarian
    case row(ModelOfProvider)

    var id: String {
        switch self {
        case .librarian: BuiltinModel.runtimeID
        case .row(let row): row.runtimeID
        }
    }
}

/// The models of one turn.
struct ModelRoute: Sendable, Equatable {
    /// In the order in which they are asked; never empty.
    let models: [RoutedModel]
    /// The model that was chosen and can't be asked any more.
    let droppedPin: String?

    /// - Parameters:
    ///   - rows: all rows.
    ///   - pin: what was chosen for the session.
    ///   - fallback: runtime ids; what is no enabled model is passed over.
    init(rows: [ModelOfProvider], pin: String?, fallback: [String]) {
        let known = Self.choices(rows)
        let chosen = pin.flatMap { pin in known.first { $0.id == pin } }
        droppedPin = chosen == nil ? pin : nil
        var models = [chosen ?? known[0]]
        for id in fallback {
            if let model = known.first(where: { $0.id == id }), !models.contains(model) { models.append(model) }
        }
        self.models = models
    }

    /// What can be chosen, the default first. The librarian is always there, and the default only where there is nothing else.
    static func choices(_ rows: [ModelOfProvider]) -> [RoutedModel] {
        var seen: Set<String> = []
        let enabled = rows.filter { $0.isEnabled && $0.model.kind == .llm }.sorted { $0.model.id < $1.model.id }
        let ordered = enabled.filter(\.model.isDefault) + enabled.filter { !$0.model.isDefault }
        return ordered.filter { seen.insert($0.runtimeID).inserted }.map(RoutedModel.row) + [.librarian]
    }
}

extension ModelOfProvider {
    private static let windowKeys = ["context_window", "context_length"]

    /// Tokens of question and answer together, as the model's row says in `metadata`; nil when it doesn't.
    public var contextWindow: Int? { number(Self.windowKeys, in: 1_024...100_000_000) }

    /// Tokens of one answer, as the row says.
    var outputLimit: Int? { number(["max_output_tokens"], in: 1...10_000_000) }

    private func number(_ keys: [String], in range: ClosedRange<Int>) -> Int? {
        guard let fields = try? JSONSerialization.jsonObject(with: Data(model.metadata.utf8)) as? [String: Any] else {
            return nil
        }
        for key in keys {
            if let number = (fields[key] as? NSNumber)?.intValue, range.contains(number) { return number }
        }
        return nil
    }
}
