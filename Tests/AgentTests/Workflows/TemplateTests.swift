import JSON
import Testing

@testable import Agent

// What do templates come to, and what do they say when they cannot?

@Suite struct TemplateTests {
    private static var scope: TemplateScope {
        var scope = TemplateScope()
        scope.inputs = [
            "n": 7, "x": 2.5, "name": "Ada", "list": [3, 1, 2], "none": nil, "yes": true,
            "people": [["name": "Bo", "age": 30], ["name": "Al", "age": 20]], "text": "a,b,c", "empty": "",
            "deep": ["a": ["b": [10, ["c": "found"]]]],
        ]
        scope.variables = ["count": 3, "with-dash": "w"]
        let outputs: [String: JSONValue] = ["ask": ["text": "hello"], "ask-2": ["text": "other"]]
        scope.node = { id in outputs[id].map { ["output": $0] } }
        scope.nodes = { outputs.keys.sorted() }
        scope.now = "2026-11-22T10:00:00+00:00"
        scope.runID = "run-1"
        return scope
    }

    private static func fill(_ text: String) throws -> JSONValue {
        var evaluation = TemplateEvaluation(scope)
        return try evaluation.fill(text)
    }

    @Test(
        "a template comes to the value that Jinja gives it, and one that is an expression alone keeps its kind",
        arguments: [
            ("plain", "plain"), ("{{ inputs.n }}", 7), (" {{ inputs.n }} ", 7), ("n={{ inputs.n }}", "n=7"),
            ("{{ inputs.x }}!", "2.5!"), ("{{ inputs.list }}", [3, 1, 2]), ("{{ inputs.list }}.", "[3,1,2]."),
            ("{{ inputs.none }}", nil), ("{{ inputs.yes }}-{{ inputs.none }}", "true-null"),
            ("{{ inputs['name'] }}{{ inputs[\"n\"] }}", "Ada7"), ("{{ vars['with-dash'] }}", "w"),
            ("{{ nodes.ask.output.text }}", "hello"), ("{{ nodes['ask-2'].output.text }}", "other"),
            ("{{ now }} {{ run_id }}", "2026-11-22T10:00:00+00:00 run-1"),
            ("{{ inputs.deep.a.b[1].c }}", "found"), ("{{ inputs.deep.a.b.1.c }}", "found"),
            ("{{ inputs.list[-1] }}", 2), ("{{ inputs.list[1:] }}", [1, 2]), ("{{ inputs.list[:-1] }}", [3, 1]),
            ("{{ inputs.name[0:2] }}", "Ad"), ("{{ inputs.name[0] }}", "A"),
            // Arithmetic.
            ("{{ 1 + 2 * 3 }}", 7), ("{{ (1 + 2) * 3 }}", 9), ("{{ 7 / 2 }}", 3.5), ("{{ 7 // 2 }}", 3),
            ("{{ -7 // 2 }}", -4), ("{{ 7 % 3 }}", 1), ("{{ -7 % 3 }}", 2), ("{{ 1.5 + 1 }}", 2.5),
            ("{{ -inputs.n }}", -7),
            ("{{ 'a' + 'b' }}", "ab"), ("{{ 'a' ~ 1 ~ none }}", "a1null"), ("{{ [1] + [2] }}", [1, 2]),
            // Comparison and logic.
            ("{{ 1 < 2 < 3 }}", true), ("{{ 1 < 3 < 2 }}", false), ("{{ 1 == 1.0 }}", true), ("{{ 'a' != 'b' }}", true),
            ("{{ 2 in inputs.list }}", true), ("{{ 9 not in inputs.list }}", true), ("{{ 'd' in inputs.name }}", true),
            ("{{ 'n' in inputs }}", true), ("{{ not 0 }}", true), ("{{ not 1 == 2 }}", true),
            ("{{ inputs.empty or 'usual' }}", "usual"), ("{{ inputs.n and 'both' }}", "both"),
            ("{{ 'many' if vars.count > 2 else 'few' }}", "many"), ("{{ 1 if false else 2 if false else 3 }}", 3),
            ("{{ inputs.gone is defined }}", false), ("{{ inputs.n is not string }}", true),
            ("{{ inputs.none is none }}", true), ("{{ inputs.list is list and inputs is mapping }}", true),
            // Literals.
            ("{{ {'a': 1, 'b': [True, None]} }}", ["a": 1, "b": [true, nil]]), ("{{ 'it\\'s \\n' }}", "it's \n"),
            ("{{ '}}' }}", "}}"), ("{{ \"{{\" }}", "{{"),
            // Filters.
            ("{{ inputs.list | json }}", "[3,1,2]"), ("{{ inputs.list | length }}", 3),
            ("{{ 'x' | upper ~ 'Y' | lower }}", "Xy"), ("{{ inputs.gone | default('d') }}", "d"),
            ("{{ inputs.empty | default('d') }}", ""), ("{{ inputs.empty | default('d', true) }}", "d"),
            ("{{ inputs.none | default_if_none('d') }}", "d"), ("{{ inputs.n | default_if_none('d') }}", 7),
            ("{{ 'abcdef' | truncate_str(n=4) }}", "abc…"), ("{{ 'abc' | truncate_str(3) }}", "abc"),
            ("{{ inputs.list | sort }}", [1, 2, 3]), ("{{ inputs.list | sort(reverse=true) | first }}", 3),
            ("{{ inputs.people | sort(attribute='age') | map(attribute='name') | join(', ') }}", "Al, Bo"),
            ("{{ inputs.people | sum(attribute='age') }}", 50), ("{{ inputs.list | sum }}", 6),
            ("{{ inputs.list | max - inputs.list | min }}", 2), ("{{ inputs.text | split(',') | last }}", "c"),
            ("{{ 'a b' | urlencode }}", "a%20b"), ("{{ 'aXbX' | replace('X', '-') }}", "a-b-"),
            ("{{ ' a ' | trim }}", "a"), ("{{ '12' | int + 1 }}", 13), ("{{ '1.5' | float }}", 1.5),
            ("{{ 2.567 | round(1) }}", 2.6), ("{{ -3 | abs }}", 3), ("{{ '{\"a\":[1]}' | from_json }}", ["a": [1]]),
            ("{{ {'b': 1, 'a': 2} | keys }}", ["a", "b"]), ("{{ [1, 1, 2] | unique }}", [1, 2]),
            ("{{ 'abc' | reverse }}", "cba"), ("{{ 'ada l' | title }}", "Ada L"), ("{{ 5 | string }}", "5"),
        ] as [(String, JSONValue)])
    func values(_ text: String, _ expected: JSONValue) throws {
        #expect(try Self.fill(text) == expected)
        // Whatever runs was good when it was checked.
        #expect(TemplateCheck.problem(of: text) == nil)
    }

    @Test(
        "what cannot be said names what is missing or wrong",
        arguments: [
            ("{{ foo }}", "there is no \"foo\""), ("{{ inputs.gone }}", "there is no \"gone\" in \"inputs\""),
            ("{{ inputs.deep.a.x }}", "there is no \"x\" in \"inputs.deep.a\""),
            ("{{ vars.gone }}", "variable \"gone\""),
            ("{{ nodes.later.output }}", "the node \"later\" has not run"), ("{{ inputs.list[3] }}", "no element 3"),
            ("{{ inputs.n.x }}", "a number and has no x"), ("{{ 1 / 0 }}", "division by zero"),
            ("{{ 7 % 0 }}", "division by zero"), ("{{ 'a' + 1 }}", "a text and a number"),
            ("{{ 'a' < 1 }}", "no order"), ("{{ 1 in 2 }}", "looks into a list"),
            ("{{ 9223372036854775807 + 1 }}", "too large"),
            ("{{ [] | first }}", "an empty list"), ("{{ 5 | upper }}", "a number instead of a text"),
            ("{{ 'x' | from_json }}", "no JSON"), ("{{ 1 if false }}", "\"else\""),
            ("{{ 'x' | int }}", "no whole number"),
            ("{{ inputs.gone | upper }}", "there is no \"gone\""), ("{{ {1: 2} }}", "no text"),
        ])
    func errors(_ text: String, _ part: String) {
        let error = #expect(throws: TemplateError.self) { try Self.fill(text) }
        #expect(error?.description.contains(part) == true, "\(text): \(error?.description ?? "")")
    }

    @Test(
        "what is no expression is known before anything runs",
        arguments: [
            ("{{ a b }}", "\"b\" is not expected"), ("{{ 1 + }}", "ends too early"),
            ("{{ x | nothing }}", "no filter \"nothing\""),
            ("{{ x | join(1, 2, 3) }}", "takes other arguments: join(by, attribute)"),
            ("{{ x | replace('a') }}", "takes other"),
            ("{{ x | truncate_str(m=1) }}", "takes other"), ("{{ inputs.items() }}", "there are no calls"),
            ("{{ x is odd }}", "behind \"is\""), ("{{ 5x }}", "neither a number nor a name"),
            ("{{ a ? b }}", "means nothing"),
            ("{{ 99999999999999999999 }}", "too large"), ("{{ a.__class__ }} {{ (1 }}", "do not match"),
            ("{{ if }}", "not expected"),
        ])
    func syntax(_ text: String, _ part: String) {
        let problem = TemplateCheck.problem(of: text)
        #expect(problem?.contains(part) == true, "\(text): \(problem ?? "nothing")")
        #expect(throws: TemplateError.self) { try Self.fill(text) }
    }

    @Test(
        "names that no run can know are found with the graph",
        arguments: [
            ("{{ foo.bar }}", "there is no \"foo\""), ("{{ nodes.gone.output }}", "no node \"gone\""),
            ("{{ [1, {'a': nodes['gone']}] | json }}", "no node \"gone\""), ("{{ nodes.here.output + vars.x }}", nil),
        ] as [(String, String?)])
    func references(_ text: String, _ part: String?) {
        let problem = TemplateCheck.problem(of: text) { $0 == "here" }
        #expect((problem == nil) == (part == nil))
        if let part { #expect(problem?.contains(part) == true, "\(problem ?? "nothing")") }
    }

    @Test("however a template is written, steps, depth and size are bounded")
    func bounds() throws {
        func problem(_ text: String) -> String? {
            do {
                _ = try Self.fill(text)
                return nil
            } catch { return "\(error)" }
        }
        let brackets = String(repeating: "(", count: 5_000) + "1" + String(repeating: ")", count: 5_000)
        #expect(problem("{{ \(brackets) }}")?.contains("nested too deep") == true)
        #expect(problem("{{ \(String(repeating: "not ", count: 3_000))1 }}")?.contains("too many parts") == true)
        #expect(problem("{{ 1\(String(repeating: "+1", count: 3_000)) }}")?.contains("too many parts") == true)
        #expect(problem("{{ inputs\(String(repeating: ".a", count: 3_000)) }}")?.contains("too many parts") == true)
        #expect(problem("{{ '\(String(repeating: "x", count: 20_000))' }}")?.contains("longer than") == true)
        // Of steps or of size: whichever ends first.
        #expect(problem(String(repeating: "{{ inputs.people }}", count: 30_000))?.contains("more than") == true)
        var scope = TemplateScope()
        scope.variables = ["big": .string(String(repeating: "x", count: 600_000))]
        var evaluation = TemplateEvaluation(scope)
        #expect(throws: TemplateError.self) { try evaluation.fill("{{ vars.big + vars.big }}") }
        scope.variables = ["list": .array(Array(repeating: 1, count: 100_000))]
        evaluation = TemplateEvaluation(scope)
        #expect(throws: TemplateError.self) {
            try evaluation.fill("{{ vars.list | sort }}{{ vars.list == vars.list }}")
        }
        var deep = JSONValue.string("{{ 1 }}")
        for _ in 0..<80 { deep = [deep] }
        evaluation = TemplateEvaluation(TemplateScope())
        let wanted = deep
        #expect(throws: TemplateError.self) { try evaluation.fill(wanted) }
    }

    @Test("texts within lists and objects are filled in as well, and keys stay")
    func values() throws {
        var evaluation = TemplateEvaluation(Self.scope)
        let filled = try evaluation.fill(["{{ a }}": ["{{ inputs.n }}", ["x": "n{{ inputs.n }}"]], "b": 5])
        #expect(filled == ["{{ a }}": [7, ["x": "n7"]], "b": 5])
    }

    @Test("random texts never do more than fail")
    func noise() {
        var generator = SystemRandomNumberGenerator()
        let words = [
            "{{", "}}", "inputs", ".", "[", "]", "(", ")", "|", "length", "'", "\"", "1", "+", "if", "else", "not",
            "in", "\\", "é", " ",
        ]
        for _ in 0..<2_000 {
            let text = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                words.randomElement(using: &generator) ?? ""
            }
            .joined()
            let isGood = TemplateCheck.problem(of: text) == nil
            let value = try? Self.fill(text)
            #expect(isGood || value == nil, "\(text)")
        }
    }
}
